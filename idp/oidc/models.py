from datetime import datetime

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.clients.models import Client
from idp.login.models import SignInSession
from shared.db import Base


class Grant(Base):
    """The root of everything issued for one answer to one request: code, access tokens, refresh tokens."""

    __tablename__ = "oauth_grant"

    id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), index=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    nonce: Mapped[str | None]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    client: Mapped[Client] = relationship(lazy="joined")
    session: Mapped[SignInSession] = relationship(lazy="joined")


class AuthorizationCode(Base):
    __tablename__ = "authorization_code"

    digest: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RefreshToken(Base):
    """One link of a chain: used once, then replaced by the next."""

    __tablename__ = "refresh_token"

    digest: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    issued_at: Mapped[datetime]
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
