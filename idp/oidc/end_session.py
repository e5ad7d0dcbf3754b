"""Sign-out (OpenID Connect RP-Initiated Logout 1.0), and the page that tells which applications heard of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.accounts.rules import normal_username
from idp.clients.models import Client
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.models import SignInSession
from idp.login.sessions import JOB_AFTER, Current, end_session
from idp.oidc import backchannel, frontchannel
from idp.oidc.hints import read_hint
from idp.oidc.models import SignOut
from idp.oidc.params import EitherPairs, Params, once
from idp.oidc.problems import LogoutRefused, SignOutUnknown
from idp.oidc.sid import session_of
from idp.pages.page import show
from idp.settings import IdpSettings
from shared.clock import Now
from shared.ids import new_id
from shared.transactions import Tx

FIRST_TRY = 2.0  # seconds that a person waits for all applications together

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Wish:
    """A checked sign-out request. `session_id` is the session that a valid hint names."""

    client: Client | None = None
    continue_to: str = ""
    session_id: str = ""


def _read_wish(tx: Session, settings: IdpSettings, params: Params) -> Wish:
    hint = params.get("id_token_hint")
    claims = read_hint(tx, settings, hint, params.get("client_id")) if hint else {}
    if claims is None:
        raise LogoutRefused()  # changed, or of another issuer: nothing in it may be used (section 4)
    client_id, address = params.get("client_id") or claims.get("aud"), params.get("post_logout_redirect_uri")
    client = tx.get(Client, str(client_id)) if client_id else None
    if client_id and (client is None or not client.active):
        raise LogoutRefused()
    if address and (client is None or address not in client.post_logout_redirect_uris):
        raise LogoutRefused()
    continue_to = address or ""
    if continue_to and "state" in params:
        continue_to += ("&" if "?" in continue_to else "?") + urlencode({"state": params["state"]})
    session_id = session_of(settings, client, str(claims["sid"])) if client and "sid" in claims else ""
    return Wish(client, continue_to, session_id)


@router.post("/end_session")
def end_session_by_post(pairs: EitherPairs) -> Response:
    # A POST from another site carries no session cookie (SameSite=Lax); the GET that follows does.
    return RedirectResponse(f"/end_session?{urlencode(pairs)}", 303)


@router.get("/end_session")
def end_session_by_get(request: Request, pairs: EitherPairs, tx: Tx, now: Now, session: Current) -> Response:
    try:
        params = once(pairs)
    except OAuth2Error:
        raise LogoutRefused() from None
    wish = _read_wish(tx, request.app.state.settings, params)
    answer: Response
    if session is None or (session.id == wish.session_id and _is_meant(request, session.account, params)):
        answer = sign_out(request, tx, now, session, wish)
    else:
        kept = params | ({"client_id": wish.client.id} if wish.client else {})
        answer = show(request, "logout.html", account=session.account, client=wish.client, kept=kept)
    if "ui_locales" in params:
        cookies.set_language(request, answer, request.state.language)
    return answer


def _is_meant(request: Request, account: Account, params: Params) -> bool:
    """Whether a person came here, not a picture in a page, and the `logout_hint`, if any, names the one who is signed in."""
    hinted = normal_username(params.get("logout_hint", account.username))
    return request.headers.get("sec-fetch-dest", "document") == "document" and hinted in (account.username, account.email)


@router.post("/end_session/confirm", dependencies=[OwnForm])
def confirm(
    request: Request,
    tx: Tx,
    now: Now,
    session: Current,
    client_id: Annotated[str, Form(max_length=200)] = "",
    post_logout_redirect_uri: Annotated[str, Form(max_length=2000)] = "",
    state: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    sent = {"client_id": client_id, "post_logout_redirect_uri": post_logout_redirect_uri, "state": state}
    wish = _read_wish(tx, request.app.state.settings, {name: value for name, value in sent.items() if value})
    return sign_out(request, tx, now, session, wish)


def sign_out(request: Request, tx: Session, now: datetime, session: SignInSession | None, wish: Wish) -> Response:
    """End the session of this browser, and go to the page that tells what came of it."""
    client_id = wish.client.id if wish.client else None
    result = SignOut(id=new_id(), client_id=client_id, continue_to=wish.continue_to, at=now)
    answer: Response
    if session:
        result.session_id = session.id
        tx.add(result)
        end_session(tx, now, session, reason="signed-out")
        answer = RedirectResponse(f"/signed-out?id={result.id}", 303)
    else:  # anybody may send that, so nothing is kept of it
        result.client = wish.client
        answer = _tell(request, result, [], [])
    cookies.clear_session(request, answer)
    return answer


@router.get("/signed-out")
def signed_out(request: Request, now: Now, id: Annotated[str, Query(max_length=64)] = "") -> Response:
    # Between two transactions, since applications are waited for in the middle: once, then the job goes on with the slow ones.
    db, settings = request.app.state.db, request.app.state.settings
    with db.read() as tx:
        result = tx.get(SignOut, id)
        if result is None:
            raise SignOutUnknown()
    just_now = now - result.at < JOB_AFTER
    if result.session_id and just_now:
        backchannel.tell(db, settings, result.session_id, within=FIRST_TRY)
    with db.write() as tx:
        apps = backchannel.notices(tx, result.session_id) if result.session_id else []
    states = [(app.client, _state(app.delivered_at, app.client, result)) for app in apps]
    frames = frontchannel.frames(settings, (app.client for app in apps), result.session_id) if just_now else []
    return _tell(request, result, states, frames)


def _tell(request: Request, result: SignOut, states: list[tuple[Client, str]], frames: list[str]) -> Response:
    lifetime, again = request.app.state.settings.access_token_minutes, any(state == "waiting" for _, state in states)
    facts = {"apps": states, "again": again, "lifetime": lifetime, "frames": frames}
    page = show(request, "signed-out.html", result=result, **facts)
    page.headers["Content-Security-Policy"] = frontchannel.policy(frames)
    if result.continue_to and all(state in ("out", "browser") for _, state in states):
        page.headers["Refresh"] = f"2; url={result.continue_to}"  # counted from when the frames have loaded
    return page


def _state(delivered_at: datetime | None, client: Client, result: SignOut) -> str:
    """`out`: signed out; `waiting`: told, no answer yet; `browser`: told through this browser; `silent`: cannot be told."""
    if delivered_at or client.id == result.client_id:  # who asked for the sign-out has done its own part
        return "out"
    return "waiting" if client.backchannel_logout_uri else "browser" if client.frontchannel_logout_uri else "silent"
