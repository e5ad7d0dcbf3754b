"""The caller of a request, from its bearer token."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from meetings.access.models import Administrator, EndedSession, epoch_began_at
from meetings.access.problems import SessionEnded
from meetings.settings import MeetingsSettings
from shared import tokens
from shared.caller import Caller
from shared.clock import Now
from shared.problems import Forbidden, NotSignedIn


PASS = "rehearsal."  # begins the bearer token of a simulated person, for whom another door stands (meetings/app.py)


def verify_token(request: Request, now: Now) -> Caller:
    """Verify the access token (RFC 9068, section 4) and that its sign-in still stands."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn()
    if token.startswith(PASS):
        simulated: Caller = request.app.state.let_in_simulated(request, now, token)
        request.state.caller = simulated
        return simulated
    settings: MeetingsSettings = request.app.state.settings
    keys = request.app.state.issuer_keys.find(token)
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
    with request.app.state.db.read() as tx:
        began_at = epoch_began_at(tx)
        if began_at and claims["iat"] <= began_at.timestamp():
            raise tokens.InvalidToken(reason="epoch")
        if tx.get(EndedSession, caller.sid):
            raise SessionEnded()
    return caller


SignedIn = Annotated[Caller, Depends(verify_token)]


def _administering(request: Request, caller: SignedIn) -> Caller:
    with request.app.state.db.read() as tx:
        if not tx.get(Administrator, caller.username):
            raise Forbidden()
    return caller


Administering = Annotated[Caller, Depends(_administering)]
