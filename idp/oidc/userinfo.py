"""Who is it? (OpenID Connect Core, 5.3), answered to the bearer of one of our access tokens (RFC 6750)."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from idp.keys.actions import all_keys
from idp.oidc.answers import NO_STORE
from idp.oidc.claims import person
from idp.oidc.grants import is_living
from idp.oidc.models import Grant
from idp.oidc.params import FormPairs
from idp.settings import IdpSettings
from shared.clock import Now
from shared.db import Read
from shared.tokens import InvalidToken, verify

router = APIRouter(include_in_schema=False)
LONGEST_TOKEN = 8192


@router.api_route("/userinfo", methods=["GET", "POST"])
def userinfo(request: Request, pairs: FormPairs, tx: Read, now: Now) -> Response:
    sent = [header[7:] for header in request.headers.getlist("authorization") if header[:7].lower() == "bearer "]
    sent += [value for name, value in pairs if name == "access_token"]
    if not sent:
        return _refused(401, "")  # RFC 6750, 3.1: no error code to who sent no credentials at all
    if len(sent) > 1:
        return _refused(400, "invalid_request")
    grant = _living_grant(tx, now, request.app.state.settings, sent[0].strip())
    if grant is None:
        return _refused(401, "invalid_token")
    return JSONResponse(person(grant.session.account, grant.scopes), headers=NO_STORE)


def _living_grant(tx: Session, now: datetime, settings: IdpSettings, token: str) -> Grant | None:
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        claims = verify(token, all_keys(tx, settings), now, issuer=settings.issuer, audience=settings.issuer, typ="at+jwt")
    except InvalidToken:
        return None
    grant = tx.get(Grant, str(claims.get("grant_id")))
    return grant if grant and is_living(grant, now, settings) else None


def _refused(status: int, error: str) -> JSONResponse:
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    body = {"error": error} if error else {}
    return JSONResponse(body, status, {"WWW-Authenticate": challenge, **NO_STORE})
