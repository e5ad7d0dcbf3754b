"""What tokens and userinfo say."""

from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from authlib.oidc.core import UserInfo
from authlib.oidc.core.util import create_half_hash
from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.clients.rules import sector
from idp.keys.actions import signing_key
from idp.keys.sealing import derive
from idp.oidc.living import Living
from idp.oidc.sid import sid_of
from idp.settings import IdpSettings
from shared.ids import new_id
from shared.tokens import sign

ID_TOKEN_LIFETIME = timedelta(minutes=10)
ACCESS_TOKEN_ALG = "ES256"  # noqa: S105 - every resource server takes it, and it signs ten times faster than RS256
BY_SCOPE = UserInfo.SCOPES_CLAIMS_MAPPING | {"org": ["honorific", "post", "unit"]}
GREETING = frozenset(("name", "preferred_username"))  # what a screen greets a person by; userinfo tells the rest
PERSONAL = frozenset(name for names in BY_SCOPE.values() for name in names)


def person(living: Living) -> dict[str, Any]:
    """All that can be said of the person; members without a value are left out."""
    words = living.full_name.split()
    claims: dict[str, Any] = {
        "name": living.full_name,
        "family_name": words[0],  # stands first in Vietnamese
        "middle_name": " ".join(words[1:-1]),
        "given_name": words[-1] if len(words) > 1 else "",
        "preferred_username": living.username,
        "zoneinfo": "Asia/Ho_Chi_Minh",
        "locale": "vi-VN",
        "updated_at": int(living.updated_at.timestamp()),
        "email": living.email,
        "phone_number": living.phone,
        "address": {"formatted": living.address} if living.address else None,
        "honorific": living.honorific,
        "post": living.post,
        "unit": {"code": living.unit_code, "name": living.unit_name} if living.unit_code else None,
    }
    claims = {name: value for name, value in claims.items() if value}
    if living.email:
        claims["email_verified"] = living.email_verified
    if living.phone:
        claims["phone_number_verified"] = living.phone_verified
    return claims


def let_out(living: Living, place: str) -> dict[str, Any]:
    """The claims that the scopes let out at userinfo, and those that a `claims` request names for `place` (Core, 5.4, 5.5)."""
    allowed = set(living.asked.get("claims", {}).get(place, ())) & PERSONAL
    if place == "userinfo":
        allowed |= {name for scope in living.scopes for name in BY_SCOPE.get(scope, ())}
    elif "profile" in living.scopes:
        allowed |= GREETING
    return {name: value for name, value in person(living).items() if name in allowed} if allowed else {}


def subject(settings: IdpSettings, client: Client, account_id: str) -> str:
    """The `sub` by which this client knows the person; a pairwise one is the same for all clients of one sector (Core, 8.1)."""
    if client.subject_type != "pairwise":
        return account_id
    known_in = sector(client.sector_identifier_uri, client.redirect_uris)
    return sha256(_salt(settings.secret.get_secret_value()) + f"{known_in}|{account_id}".encode()).hexdigest()


@cache
def _salt(secret: str) -> bytes:
    return derive(secret, "pairwise-subjects")


def access_token(
    tx: Session,
    now: datetime,
    settings: IdpSettings,
    client: Client,
    living: Living,
    key: dict[str, str],
    *,
    latest: datetime | None = None,
) -> str:
    """A JWT access token (RFC 9068), valid until `latest` at most. `grant_id` lets our own endpoints know whether it was
    revoked."""
    until = now + settings.access_token_lifetime
    about = let_out(living, "id_token")
    asked = living.asked
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subject(settings, client, living.account_id),
        "aud": [*asked.get("resources", client.audiences), settings.issuer],
        "exp": int((min(until, latest) if latest else until).timestamp()),
        "jti": new_id(),
        "client_id": client.id,
        "scope": " ".join(living.scopes),
        "grant_id": living.grant_id,
        **_of_session(now, settings, client, living),
        **{name: about[name] for name in about if name in GREETING},
    }
    if key:
        claims["cnf"] = key
    if details := asked.get("details"):
        claims["authorization_details"] = details
    if actor := asked.get("act"):
        claims["act"] = actor
    return sign(claims, signing_key(tx, settings, ACCESS_TOKEN_ALG), typ="at+jwt")


def client_token(
    tx: Session,
    now: datetime,
    settings: IdpSettings,
    client: Client,
    scopes: list[str],
    resources: list[str],
    key: dict[str, str],
) -> str:
    """An access token of a client on its own behalf; its `sub` is the client's id, which no person ever has."""
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": client.id,
        "aud": [*resources, settings.issuer],
        "exp": int((now + settings.access_token_lifetime).timestamp()),
        "iat": int(now.timestamp()),
        "jti": new_id(),
        "client_id": client.id,
        "scope": " ".join(scopes),
    }
    if key:
        claims["cnf"] = key
    return sign(claims, signing_key(tx, settings, ACCESS_TOKEN_ALG), typ="at+jwt")


def id_token(
    tx: Session, now: datetime, settings: IdpSettings, client: Client, living: Living, access: str, *, nonce: bool
) -> str:
    """OpenID Connect Core, 2 and 3.1.3.6; one that comes by refreshing carries no `nonce` (12.2)."""
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subject(settings, client, living.account_id),
        "aud": client.id,
        "exp": int((now + ID_TOKEN_LIFETIME).timestamp()),
        "at_hash": create_half_hash(access, client.id_token_alg).decode(),
        **_of_session(now, settings, client, living),
        **let_out(living, "id_token"),
    }
    if nonce and living.nonce:
        claims["nonce"] = living.nonce
    return sign(claims, signing_key(tx, settings, client.id_token_alg), typ="JWT")


def _of_session(now: datetime, settings: IdpSettings, client: Client, living: Living) -> dict[str, Any]:
    return {
        "iat": int(now.timestamp()),
        "sid": sid_of(settings, client, living.session_id),
        "acr": living.acr,
        "amr": living.amr,
        "auth_time": int(living.auth_time.timestamp()),
    }
