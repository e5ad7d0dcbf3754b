"""Giving grants and what comes of them, and the one way to take it all back."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, insert, select, update
from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.clients.rules import REFRESH
from idp.login.models import SignInSession
from idp.login.sessions import TOUCH_EVERY, Seen
from idp.oidc import claims, store
from idp.oidc.details import narrowed_details
from idp.oidc.endpoint import Call
from idp.oidc.living import Living
from idp.oidc.models import Grant
from idp.oidc.resources import narrowed_resources
from idp.oidc.store import Kind
from idp.settings import IdpSettings
from shared import audit
from shared.db import forget_written
from shared.ids import new_id, new_token
from shared.prepared import Prepared

GRANTS, SESSIONS = cast(Table, Grant.__table__), cast(Table, SignInSession.__table__)
_GIVE = Prepared(insert(GRANTS), *(column.name for column in GRANTS.c if column.name != "revoked_at"))


def kept_for_grant(asked: dict[str, Any]) -> dict[str, Any]:
    """What of a request's `asked` its grant keeps."""
    return {name: value for name, value in asked.items() if name in ("claims", "resources", "details")}


def give_grant(
    tx: Session,
    now: datetime,
    settings: IdpSettings,
    client: Client,
    session: Seen,
    scopes: list[str],
    *,
    nonce: str | None = None,
    asked: dict[str, Any] | None = None,
) -> str:
    """The id of a new grant, of the person who is signed in to the client."""
    offline = "offline_access" in scopes and REFRESH in client.grant_types
    grant_id = new_id()
    row = {
        "id": grant_id,
        "client_id": client.id,
        "account_id": session.account_id,
        "session_id": session.id,
        "scopes": scopes,
        "nonce": nonce,
        "asked": asked or {},
        "key": {},  # of a public client, once it has proved one
        "acr": session.acr,
        "amr": session.amr,
        "auth_time": session.auth_time,
        "offline": offline,
        "created_at": now,
        "expires_at": now + settings.offline_lifetime if offline else None,
    }
    _GIVE.run(tx, **row)
    audit.record(tx, now, "grant.given", actor=session.account_id, object=grant_id, client=client.id)
    return grant_id


def revoke(tx: Session, now: datetime, grant_id: str, reason: str, *, actor: str = "-") -> None:
    """Everything that was issued under a grant is dead from this instant."""
    living = GRANTS.c.id == grant_id, GRANTS.c.revoked_at.is_(None)
    audit.hold(tx)
    if tx.connection().execute(update(GRANTS).where(*living).values(revoked_at=now)).rowcount:
        forget_written(tx)
        audit.record(tx, now, "grant.revoked", actor=actor, object=grant_id, reason=reason)


def revoke_all(tx: Session, now: datetime, account_id: str, reason: str) -> None:
    """Every grant that a person has given."""
    living = select(GRANTS.c.id).where(GRANTS.c.account_id == account_id, GRANTS.c.revoked_at.is_(None))
    for grant_id in tx.scalars(living).all():
        revoke(tx, now, grant_id, reason)


def tokens(
    call: Call, living: Living, *, refresh_token: str | None = None, again: bool = False, nonce: bool = False
) -> dict[str, Any]:
    """The body of a token response. `refresh_token` is the successor of one that was used, and told `again` if its first
    answer may have been lost; without, a fresh one is made."""
    tx, now, settings, client = call.tx, call.now, call.settings, call.caller
    access = claims.access_token(tx, now, settings, client, living, call.key)
    body: dict[str, Any] = {
        "access_token": access,
        "token_type": "DPoP" if "jkt" in call.key else "Bearer",
        "expires_in": int(settings.access_token_lifetime.total_seconds()),
        "scope": " ".join(living.scopes),
    }
    if "openid" in living.scopes:
        body["id_token"] = claims.id_token(tx, now, settings, client, living, access, nonce=nonce)
    if details := living.asked.get("details"):
        body["authorization_details"] = details
    if REFRESH in client.grant_types:
        body["refresh_token"] = refresh_token or new_token()
        until = now + settings.offline_lifetime if living.offline else living.session_expires_at
        if client.is_public and call.key and not living.key:
            # Nothing else binds it: a confidential client's refresh token is bound to the client (RFC 9449, 5).
            tx.connection().execute(update(GRANTS).where(GRANTS.c.id == living.grant_id).values(key=call.key))
        if not again:
            store.put(tx, Kind.REFRESH_TOKEN, body["refresh_token"], until, grant_id=living.grant_id)
    return body


def asked_for(call: Call, living: Living) -> Living:
    """With no more resources and details than the token request names (RFC 8707, 2.2; RFC 9396, 6.1)."""
    return narrowed_details(call.params, call.caller, narrowed_resources(call.pairs, call.caller, living))


def keep_alive(tx: Session, now: datetime, settings: IdpSettings, living: Living) -> None:
    """Use keeps the session from going idle, or an offline grant from running out; written at most once a minute."""
    if living.offline:
        until = now + settings.offline_lifetime
        if living.expires_at and until - living.expires_at > TOUCH_EVERY:
            audit.hold(tx)
            tx.connection().execute(update(GRANTS).where(GRANTS.c.id == living.grant_id).values(expires_at=until))
    elif now - living.session_seen_at > TOUCH_EVERY:
        audit.hold(tx)
        tx.connection().execute(update(SESSIONS).where(SESSIONS.c.id == living.session_id).values(last_seen_at=now))


def narrowed(tx: Session, living: Living, client: Client) -> Living:
    """Without the scopes that were since taken from the client: the grant loses them too, and outlives its session no more."""
    scopes = [scope for scope in living.scopes if scope in client.scopes]
    if scopes == living.scopes:
        return living
    offline = living.offline and "offline_access" in scopes
    until = living.expires_at if offline else None
    audit.hold(tx)
    left = {"scopes": scopes, "offline": offline, "expires_at": until}
    tx.connection().execute(update(GRANTS).where(GRANTS.c.id == living.grant_id).values(left))
    forget_written(tx)
    return living._replace(scopes=scopes, offline=offline, expires_at=until)
