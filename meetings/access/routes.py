from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from meetings.access import actions
from meetings.access.problems import InvalidLogoutToken
from meetings.live.views import View
from meetings.settings import MeetingsSettings
from shared import tokens
from shared.clock import Now
from shared.db import Tx

router = APIRouter()
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


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


@router.post("/api/backchannel-logout")
def backchannel_logout(request: Request, tx: Tx, now: Now, logout_token: Annotated[str, Form(max_length=8000)]) -> Response:
    """The issuer says that a sign-in is over (OpenID Connect Back-Channel Logout 1.0, section 2.5)."""
    settings: MeetingsSettings = request.app.state.settings
    try:
        keys = request.app.state.issuer_keys.find(logout_token)
        claims = tokens.verify(logout_token, keys, now, issuer=settings.issuer, audience=settings.client_id, typ="logout+jwt")
    except tokens.InvalidToken as error:
        raise InvalidLogoutToken(**error.facts) from None
    if LOGOUT_EVENT not in claims.get("events", {}) or "nonce" in claims or not claims.get("sid") or not claims.get("jti"):
        raise InvalidLogoutToken(reason="events, sid, jti, nonce")
    actions.end_session(tx, now, claims["sid"], claims["jti"])
    return Response(status_code=200)
