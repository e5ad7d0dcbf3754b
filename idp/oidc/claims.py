"""What tokens and userinfo say."""

from datetime import datetime, timedelta
from typing import Any

from authlib.oidc.core import UserInfo
from authlib.oidc.core.util import create_half_hash
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.keys.actions import signing_key
from idp.oidc.models import Grant
from idp.settings import IdpSettings
from shared.ids import new_id
from shared.tokens import sign

ID_TOKEN_LIFETIME = timedelta(minutes=10)


class _Claims(UserInfo):  # type: ignore[misc]
    SCOPES_CLAIMS_MAPPING = UserInfo.SCOPES_CLAIMS_MAPPING | {"org": ["honorific", "post", "unit"]}


def person(account: Account, scopes: list[str]) -> dict[str, Any]:
    """The claims about a person that the scopes let out; members without a value are left out."""
    unit = {"code": account.unit.code, "name": account.unit.name} if account.unit else None
    claims: dict[str, Any] = {
        "sub": account.id,
        "name": account.full_name,
        "preferred_username": account.username,
        "email": account.email,
        "honorific": account.honorific,
        "post": account.post,
        "unit": unit,
    }
    let_out: dict[str, Any] = _Claims({name: value for name, value in claims.items() if value}).filter(" ".join(scopes))
    return let_out


def access_token(tx: Session, now: datetime, settings: IdpSettings, grant: Grant) -> str:
    """A JWT access token (RFC 9068). `grant_id` lets our own userinfo know whether it was revoked."""
    session, client, about = grant.session, grant.client, person(grant.session.account, grant.scopes)
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": session.account_id,
        "aud": [*client.audiences, settings.issuer],
        "exp": int((now + settings.access_token_lifetime).timestamp()),
        "jti": new_id(),
        "client_id": client.id,
        "scope": " ".join(grant.scopes),
        "grant_id": grant.id,
        **_of_session(now, grant),
        **_named(about),
    }
    return sign(claims, signing_key(tx, settings, client.id_token_alg), typ="at+jwt")


def id_token(tx: Session, now: datetime, settings: IdpSettings, grant: Grant, access: str, *, nonce: bool) -> str:
    """OpenID Connect Core, 2 and 3.1.3.6; one that comes by refreshing carries no `nonce` (12.2)."""
    client, about = grant.client, person(grant.session.account, grant.scopes)
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": grant.session.account_id,
        "aud": client.id,
        "exp": int((now + ID_TOKEN_LIFETIME).timestamp()),
        "at_hash": str(create_half_hash(access, client.id_token_alg), "ascii"),
        **_of_session(now, grant),
        **({"nonce": grant.nonce} if nonce and grant.nonce else {}),
        **_named(about),
    }
    return sign(claims, signing_key(tx, settings, client.id_token_alg), typ="JWT")


def _named(about: dict[str, Any]) -> dict[str, Any]:
    """What a screen greets a person by; userinfo tells the rest."""
    return {name: about[name] for name in ("name", "preferred_username") if name in about}


def _of_session(now: datetime, grant: Grant) -> dict[str, Any]:
    session = grant.session
    return {
        "iat": int(now.timestamp()),
        "sid": session.id,
        "acr": session.acr,
        "amr": session.amr,
        "auth_time": int(session.auth_time.timestamp()),
    }
