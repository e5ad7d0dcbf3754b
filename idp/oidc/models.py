from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.clients.models import Client
from shared.db import Base


class Grant(Base):
    """The root of everything issued for one answer to one request: codes, access tokens, refresh tokens.

    One without `offline` lives no longer than its session. `asked` holds what the request named beside scopes: `claims`,
    `resources`, `details`, `act`. `key` is the confirmation of a sender-constrained grant (RFC 7800): `jkt` or `x5t#S256`.
    """

    __tablename__ = "oauth_grant"

    id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), index=True)
    account_id: Mapped[str] = mapped_column(index=True)  # of the session, too; accounts are never removed
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), index=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    nonce: Mapped[str | None]
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    key: Mapped[dict[str, str]] = mapped_column(JSON)
    acr: Mapped[str]
    amr: Mapped[list[str]] = mapped_column(JSON)
    auth_time: Mapped[datetime]
    offline: Mapped[bool]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class Artifact(Base):
    """Something that is used once, or remembered once: see `store`. `digest` is the SHA-256 of the secret itself."""

    __tablename__ = "artifact"

    kind: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class Consent(Base):
    """What a person has allowed a client, kept across sessions."""

    __tablename__ = "consent"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    at: Mapped[datetime]


class SignOut(Base):
    """One person's wish to sign out, and where they go on afterwards."""

    __tablename__ = "sign_out"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str | None] = mapped_column(ForeignKey("session.id"))
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    continue_to: Mapped[str]
    at: Mapped[datetime]

    client: Mapped[Client | None] = relationship(lazy="joined")


class LogoutNotice(Base):
    """An application that has to hear of the end of a session; one without an address cannot be told."""

    __tablename__ = "logout_notice"

    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    delivered_at: Mapped[datetime | None]

    client: Mapped[Client] = relationship(lazy="joined")
