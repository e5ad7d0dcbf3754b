"""The caller of a request, from its bearer token."""

from datetime import UTC, datetime
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Request
from sqlalchemy.orm import Session

from meetings.access.actions import bind_administrator
from meetings.access.models import Administrator, epoch_began_at, has_ended
from meetings.access.problems import SessionEnded
from meetings.settings import MeetingsSettings
from shared import tokens
from shared.caller import Caller
from shared.clock import Now
from shared.db import Database
from shared.issuer import IssuerKeys
from shared.problems import Forbidden, NotSignedIn, Problem

SIMULATED = "rehearsal."  # begins the bearer token of a simulated person, for whom another door stands (meetings/app.py)


async def verify_token(request: Request, now: Now) -> Caller:
    """Verify the access token (RFC 9068, section 4) and that its sign-in still stands."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn()
    if token.startswith(SIMULATED):
        simulated: Caller = await request.app.state.let_in_simulated(request, now, token)
        request.state.caller = simulated
        return simulated
    settings: MeetingsSettings = request.app.state.settings
    issuer_keys: IssuerKeys = request.app.state.issuer_keys
    keys = issuer_keys.known(token)
    if keys is None:
        keys = await run_sync(issuer_keys.find, token)
    claims = tokens.verify(token, keys, now, issuer=settings.issuer, audience=settings.audience, typ="at+jwt")
    try:
        caller = Caller(
            subject=claims["sub"],
            username=claims["preferred_username"],
            name=claims["name"],
            client_id=claims["client_id"],
            sid=claims["sid"],
            scopes=frozenset(str(claims.get("scope", "")).split()),
            acr=str(claims.get("acr", "")),
            amr=tuple(claims.get("amr", ())),
            auth_time=datetime.fromtimestamp(claims["auth_time"], UTC),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise tokens.InvalidToken(reason=f"claims: {error}") from None
    request.state.caller = caller
    if refused := await request.app.state.db.reads.run(lambda tx: _refused(tx, caller.sid, claims["iat"])):
        raise refused
    return caller


def _refused(tx: Session, sid: str, issued_at: float) -> Problem | None:
    """Why a token that holds is refused all the same. Told, not raised: others share the transaction."""
    began_at = epoch_began_at(tx)
    if began_at and issued_at <= began_at.timestamp():
        return tokens.InvalidToken(reason="epoch")
    return SessionEnded() if has_ended(tx, sid) else None


SignedIn = Annotated[Caller, Depends(verify_token)]


async def _is_administrator(request: Request, caller: SignedIn) -> bool:
    """A user name may pass to another person; a right that is bound does not go with it."""
    db: Database = request.app.state.db
    found = await db.reads.run(lambda tx: tx.get(Administrator, caller.username))
    if found and found.subject is None:
        return await db.writes.run(lambda tx: bind_administrator(tx, caller.username, caller.subject))
    return found is not None and found.subject == caller.subject


Administers = Annotated[bool, Depends(_is_administrator)]


async def _administering(caller: SignedIn, administers: Administers) -> Caller:
    if not administers:
        raise Forbidden()
    return caller


Administering = Annotated[Caller, Depends(_administering)]
