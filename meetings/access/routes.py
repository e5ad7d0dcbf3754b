from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response

from meetings.access import actions
from meetings.access.door import Administers
from meetings.access.problems import InvalidLogoutToken
from meetings.live.views import View
from meetings.settings import MeetingsSettings
from shared import tokens
from shared.clock import Now
from shared.transactions import Tx

router = APIRouter()
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Me(View):
    """What the caller is beyond any one body, and so which buttons there are."""

    administrator: bool


class WebConfig(View):
    """What the web app must know before anyone signs in."""

    issuer: str
    client_id: str
    audience: str
    province: str


@router.get("/api/config")
def config(request: Request) -> WebConfig:
    settings: MeetingsSettings = request.app.state.settings
    return WebConfig.model_validate(settings)


@router.get("/api/me")
def me(administers: Administers) -> Me:
    return Me(administrator=administers)


def _verified(request: Request, now: Now, logout_token: Annotated[str, Form(max_length=8000)]) -> dict[str, Any]:
    """The claims of a logout token that holds (OpenID Connect Back-Channel Logout 1.0, section 2.6)."""
    settings: MeetingsSettings = request.app.state.settings
    try:
        keys = request.app.state.issuer_keys.find(logout_token)
        claims = tokens.verify(logout_token, keys, now, issuer=settings.issuer, audience=settings.client_id, typ="logout+jwt")
    except tokens.InvalidToken as error:
        raise InvalidLogoutToken(**error.facts) from None
    events, named = claims.get("events"), [claims.get("sid"), claims.get("jti")]
    if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims:
        raise InvalidLogoutToken(reason="events, nonce")
    if not all(isinstance(name, str) and name for name in named):
        raise InvalidLogoutToken(reason="sid, jti")
    return claims


# Checked before any transaction begins: the issuer's keys may have to be fetched.
LogoutToken = Annotated[dict[str, Any], Depends(_verified)]


@router.post("/api/backchannel-logout")
def backchannel_logout(claims: LogoutToken, tx: Tx, now: Now) -> Response:
    """The issuer says that a sign-in is over (section 2.5)."""
    actions.end_session(tx, now, claims["sid"], claims["jti"])
    return Response(status_code=200)
