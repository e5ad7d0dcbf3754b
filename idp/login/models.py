from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.accounts.models import Account
from idp.clients.models import Client
from shared.db import Base


class AuthorizationRequest(Base):
    """A checked request for a sign-in, kept until it is answered. Without a client it is the portal's own."""

    __tablename__ = "authorization_request"

    id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    browser: Mapped[str | None]  # digest of the device cookie it was first seen with; no other browser may go on with it
    redirect_uri: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[str | None]
    nonce: Mapped[str | None]
    code_challenge: Mapped[str]
    prompts: Mapped[list[str]] = mapped_column(JSON)
    max_age: Mapped[int | None]
    login_hint: Mapped[str]
    hint_subject: Mapped[str | None] = mapped_column(
        index=True
    )  # the account that a valid id_token_hint or a `claims` request names
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)  # what else was asked for; see oidc.checks.Ask
    sender: Mapped[str | None]  # address or, of IPv6, network
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    username: Mapped[str]  # what was typed on the first page
    consented_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]

    client: Mapped[Client | None] = relationship(lazy="joined")


class SignInSession(Base):
    """One person signed in with one browser. `id` is the `sid` of tokens; the cookie's secret is kept as its digest."""

    __tablename__ = "session"
    # Without `last_seen_at`: PostgreSQL writes a row in place (HOT) as long as no index holds what changes.
    __table_args__ = (
        Index(
            "ix_session_living", "expires_at", postgresql_where=text("ended_at IS NULL"), sqlite_where=text("ended_at IS NULL")
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    auth_time: Mapped[datetime]
    acr: Mapped[str]
    amr: Mapped[list[str]] = mapped_column(JSON)
    user_agent: Mapped[str]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(lazy="joined")


class Remembered(Base):
    """An account that has signed in with this device: only here its name is shown before the password."""

    __tablename__ = "remembered_account"

    device: Mapped[str] = mapped_column(primary_key=True)  # digest of the device cookie
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    at: Mapped[datetime]


class SignInFailure(Base):
    """Failures in a row under one user name, whether anybody has that name or not."""

    __tablename__ = "sign_in_failure"

    name_digest: Mapped[str] = mapped_column(primary_key=True)  # what is typed there may be a password by mistake
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    waits_until: Mapped[datetime | None]


class SecondFactor(Base):
    """What an account's authenticator application shares with us; it counts once its first code was typed."""

    __tablename__ = "second_factor"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    sealed: Mapped[str]
    last_step: Mapped[int] = mapped_column(BigInteger)  # of the newest code that was taken: none counts twice
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """In place of a lost second factor, once. `digest` is keyed."""

    __tablename__ = "recovery_code"

    digest: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    used_at: Mapped[datetime | None]
