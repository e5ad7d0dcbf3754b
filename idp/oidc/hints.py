"""An ID token that comes back as a hint: it must be ours, but it may have expired (OpenID Connect Core, 3.1.2.1)."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.keys.actions import all_keys
from idp.login.models import SignInSession
from idp.oidc.sid import session_of
from idp.settings import IdpSettings
from shared.tokens import InvalidToken, peek_claims, verify


def read_hint(tx: Session, settings: IdpSettings, hint: str, client_id: str | None) -> dict[str, Any] | None:
    """The claims of an ID token that we once issued to `client_id` (None: to any client), or None."""
    try:
        unverified = peek_claims(hint)
        issued_at = datetime.fromtimestamp(unverified["iat"], UTC)
        audience = client_id or unverified["aud"]
        return verify(hint, all_keys(tx, settings), issued_at, issuer=settings.issuer, audience=audience, typ="jwt")
    except (InvalidToken, ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


def account_of(tx: Session, settings: IdpSettings, client: Client, claims: dict[str, Any]) -> str:
    """Whom an ID token of ours tells of: its `sub` may be pairwise, its `sid` leads to the account."""
    session = tx.get(SignInSession, session_of(settings, client, str(claims.get("sid"))))
    return session.account_id if session else str(claims["sub"])
