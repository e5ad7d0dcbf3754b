from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.clients.rules import ApplicationType, AuthMethod, Profile, redirect_matches
from shared.db import Base, kept
from shared.ids import digest, same

LONGEST_ID = 200  # signs


class Client(Base):
    """A relying party; see `rules.Metadata` for the meaning of each member."""

    __tablename__ = "client"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    office: Mapped[str]
    description: Mapped[str]
    auth_method: Mapped[str]
    application_type: Mapped[str]
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    audiences: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    backchannel_logout_uri: Mapped[str]
    frontchannel_logout_uri: Mapped[str]
    client_uri: Mapped[str]
    initiate_login_uri: Mapped[str]
    logo_uri: Mapped[str]
    policy_uri: Mapped[str]
    tos_uri: Mapped[str]
    contacts: Mapped[list[str]] = mapped_column(JSON)
    jwks: Mapped[dict[str, Any]] = mapped_column(JSON)
    jwks_uri: Mapped[str]
    request_uris: Mapped[list[str]] = mapped_column(JSON)
    sector_identifier_uri: Mapped[str]
    subject_type: Mapped[str]
    id_token_alg: Mapped[str]
    userinfo_alg: Mapped[str]
    introspection_alg: Mapped[str]
    authorization_alg: Mapped[str]
    request_object_alg: Mapped[str]
    assertion_alg: Mapped[str]
    default_max_age: Mapped[int | None]
    default_acr_values: Mapped[list[str]] = mapped_column(JSON)
    require_auth_time: Mapped[bool]
    require_pkce: Mapped[bool]
    require_par: Mapped[bool]
    require_request_object: Mapped[bool]
    dpop_bound: Mapped[bool]
    tls_bound: Mapped[bool]
    tls_subject_dn: Mapped[str]
    details_types: Mapped[list[str]] = mapped_column(JSON)
    software_id: Mapped[str]
    software_version: Mapped[str]
    profile: Mapped[str]
    trusted: Mapped[bool]
    secret_digest: Mapped[str | None]
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

    @property
    def is_fapi(self) -> bool:
        return self.profile != Profile.PLAIN

    def secret_is(self, secret: str) -> bool:
        return bool(self.secret_digest) and same(digest(secret), self.secret_digest or "")


def find_client(tx: Session, client_id: str) -> Client | None:
    """The active client, to be read only: it is kept for a second and belongs to no transaction."""
    if len(client_id) > LONGEST_ID or "\0" in client_id:
        return None  # what anybody may send is neither kept nor asked for

    def load() -> Client | None:
        client = tx.get(Client, client_id)
        if client:
            tx.expunge(client)
        return client if client and client.active else None

    return kept(tx, f"client/{client_id}", load)


class InitialAccessToken(Base):
    """Leave to register clients (RFC 7591, section 3), until it expires or is withdrawn."""

    __tablename__ = "initial_access_token"

    digest: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
