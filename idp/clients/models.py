from datetime import datetime

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from idp.clients.rules import ApplicationType, AuthMethod, redirect_matches
from shared.db import Base
from shared.ids import digest, same


class Client(Base):
    """A relying party; see `rules.Metadata` for the meaning of each member."""

    __tablename__ = "client"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    office: Mapped[str]
    description: Mapped[str]
    auth_method: Mapped[str]
    secret_digest: Mapped[str | None]
    application_type: Mapped[str]
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    backchannel_logout_uri: Mapped[str]
    client_uri: Mapped[str]
    initiate_login_uri: Mapped[str]
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    audiences: Mapped[list[str]] = mapped_column(JSON)
    id_token_alg: Mapped[str]
    trusted: Mapped[bool]
    active: Mapped[bool]
    registration_token_digest: Mapped[str | None]  # of a client that registered itself (RFC 7592)
    created_at: Mapped[datetime]

    @property
    def is_public(self) -> bool:
        return self.auth_method == AuthMethod.NONE

    @property
    def front_door(self) -> str:
        """Where a person enters the application; empty for one without pages."""
        return self.initiate_login_uri or self.client_uri

    def knows_redirect_uri(self, uri: str) -> bool:
        any_port = self.is_public and self.application_type == ApplicationType.NATIVE
        return any(redirect_matches(known, uri, any_port=any_port) for known in self.redirect_uris)

    def secret_is(self, secret: str) -> bool:
        return bool(self.secret_digest) and same(digest(secret), self.secret_digest or "")


class InitialAccessToken(Base):
    """Leave to register clients (RFC 7591, section 3), until it expires or is withdrawn."""

    __tablename__ = "initial_access_token"

    digest: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
