"""What can be exchanged at the token endpoint, and the one way to take it all back."""

from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.login.sessions import is_alive, touch
from idp.oidc import claims
from idp.oidc.models import AuthorizationCode, Grant, RefreshToken
from idp.oidc.params import Params
from idp.settings import IdpSettings
from shared import audit
from shared.ids import digest, new_token, same


def revoke(tx: Session, now: datetime, grant: Grant, reason: str) -> None:
    """Everything that was issued under a grant is dead from this instant."""
    if grant.revoked_at is None:
        grant.revoked_at = now
        audit.record(tx, now, "grant.revoked", actor=grant.client_id, object=grant.id, reason=reason)


def revoke_all(tx: Session, now: datetime, session_id: str, reason: str) -> None:
    """Every grant that was given in a session."""
    for grant in tx.scalars(select(Grant).where(Grant.session_id == session_id, Grant.revoked_at.is_(None))):
        revoke(tx, now, grant, reason)


def is_living(grant: Grant, now: datetime, settings: IdpSettings) -> bool:
    """A grant lives as long as it is not revoked and its session and client live."""
    return grant.revoked_at is None and grant.client.active and is_alive(grant.session, now, settings)


def exchange_code(tx: Session, now: datetime, settings: IdpSettings, client: Client, params: Params) -> dict[str, Any]:
    """The authorization code grant (RFC 6749, 4.1.3): one use, and any second use ends all that came of the first."""
    if "code" not in params:
        raise InvalidRequestError("The code is missing.")
    code = tx.get(AuthorizationCode, digest(params["code"]), with_for_update=True)
    if code is None:
        raise InvalidGrantError("The code is not valid.")
    grant = tx.get_one(Grant, code.grant_id)
    if code.used_at:
        audit.record(tx, now, "code.reused", actor=client.id, object=grant.id)
        revoke(tx, now, grant, "code-reused")
        raise InvalidGrantError("The code is not valid.")
    code.used_at = now  # burnt whatever follows: who fails now is not the client that asked
    if grant.client_id != client.id or now >= code.expires_at or not is_living(grant, now, settings):
        raise InvalidGrantError("The code is not valid.")
    if params.get("redirect_uri") != code.redirect_uri:
        raise InvalidGrantError("The redirect_uri is not the one of the authorization request.")
    _check_verifier(params.get("code_verifier", ""), code.code_challenge)
    return _tokens(tx, now, settings, grant, nonce=True)


def _check_verifier(verifier: str, challenge: str) -> None:
    if not CODE_VERIFIER_PATTERN.fullmatch(verifier) or not same(create_s256_code_challenge(verifier), challenge):
        raise InvalidGrantError("The code_verifier does not match.")


def refresh(tx: Session, now: datetime, settings: IdpSettings, client: Client, params: Params) -> dict[str, Any]:
    """The refresh token grant with rotation (RFC 9700, 4.14): a token that comes twice was stolen from one of the two."""
    if "refresh_token" not in params:
        raise InvalidRequestError("The refresh_token is missing.")
    token = tx.get(RefreshToken, digest(params["refresh_token"]), with_for_update=True)
    if token is None:
        raise InvalidGrantError("The refresh token is not valid.")
    grant = tx.get_one(Grant, token.grant_id)
    if token.used_at or grant.client_id != client.id:
        audit.record(tx, now, "refresh-token.reused", actor=client.id, object=grant.id)
        revoke(tx, now, grant, "refresh-token-reused")
        raise InvalidGrantError("The refresh token is not valid.")
    if not is_living(grant, now, settings):
        raise InvalidGrantError("The refresh token is not valid.")
    if not set(params.get("scope", "openid").split()) <= set(grant.scopes):
        raise InvalidGrantError("The scope is wider than the grant.")
    token.used_at = now
    grant.scopes = [scope for scope in grant.scopes if scope in client.scopes]  # a scope taken from the client is lost here
    touch(grant.session, now)
    return _tokens(tx, now, settings, grant, nonce=False)


def _tokens(tx: Session, now: datetime, settings: IdpSettings, grant: Grant, *, nonce: bool) -> dict[str, Any]:
    access = claims.access_token(tx, now, settings, grant)
    body = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": int(settings.access_token_lifetime.total_seconds()),
        "scope": " ".join(grant.scopes),
        "id_token": claims.id_token(tx, now, settings, grant, access, nonce=nonce),
    }
    if "refresh_token" in grant.client.grant_types:
        fresh = body["refresh_token"] = new_token()
        tx.add(RefreshToken(digest=digest(fresh), grant_id=grant.id, issued_at=now))
    return body


GRANTS = {"authorization_code": exchange_code, "refresh_token": refresh}
