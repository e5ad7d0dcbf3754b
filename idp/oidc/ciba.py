"""Client-initiated backchannel authentication (CIBA Core 1.0), poll mode: a client asks, the person answers in the portal."""

from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, UnauthorizedClientError
from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from idp.accounts.models import Account, find_by_username
from idp.clients.rules import CIBA
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.models import AuthorizationRequest
from idp.login.problems import RequestUnknown
from idp.login.requests import go_on, store_portal_request, store_request
from idp.login.sessions import Current
from idp.oidc import decoupled
from idp.oidc.answers import issued
from idp.oidc.checks import Ask, run_checks
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.hints import account_of, read_hint
from idp.oidc.store import Kind
from idp.pages.page import show
from shared import audit
from shared.clock import Now
from shared.db import Tx
from shared.ids import digest

HINTS = ("login_hint", "id_token_hint", "login_hint_token")
MOST_MESSAGE = 64  # signs
MOST_SHOWN = 20
router = APIRouter(include_in_schema=False)


def bc_authorize(call: Call) -> Response:
    client = call.client = authenticate(call)
    if client.is_public:
        raise InvalidClientError("A public client may not ask people in the background.", status_code=401)
    if CIBA not in client.grant_types:
        raise UnauthorizedClientError("The client may not use the CIBA grant.")
    ask = Ask(call.params, call.tx, call.settings, call.now, call.pairs, call.fetched, client=client)
    run_checks(ask, "ciba")
    account, lifetime, message = _person(call, ask), _lifetime(ask), _message(ask)
    secret = decoupled.begin(call, Kind.CIBA, lifetime)
    asked = ask.asked | {"ciba": digest(secret), "binding_message": message}
    members = ask.members() | {"hint_subject": account.id, "prompts": ["consent"], "asked": asked}
    stored = store_request(call.tx, call.now, **members)
    stored.expires_at = call.now + lifetime
    audit.record(call.tx, call.now, "backchannel.asked", actor=client.id, object=account.id)
    return issued(
        {"auth_req_id": secret, "expires_in": int(lifetime.total_seconds()), "interval": decoupled.INTERVAL},
    )


answer = endpoint(bc_authorize, "POST")


def _person(call: Call, ask: Ask) -> Account:
    """Whom the one hint names (section 7.1); a login_hint is a user name."""
    given = [name for name in HINTS if name in ask.params]
    if len(given) != 1 or given == ["login_hint_token"]:
        raise InvalidRequestError("Exactly one of login_hint and id_token_hint is needed.")
    account = None
    if given == ["login_hint"]:
        account = find_by_username(call.tx, ask.params["login_hint"])
    elif claims := read_hint(call.tx, call.settings, ask.params["id_token_hint"], call.caller.id):
        account = call.tx.get(Account, account_of(call.tx, claims))
    if account is None or not account.active:
        raise OAuth2Error(error="unknown_user_id", description="The hint names nobody here.")
    return account


def _lifetime(ask: Ask) -> timedelta:
    text = ask.params.get("requested_expiry")
    if text is None:
        return decoupled.LIFETIME
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise InvalidRequestError("The requested_expiry must be a positive number of seconds.")
    return min(timedelta(seconds=int(text)), decoupled.LIFETIME)


def _message(ask: Ask) -> str:
    message = ask.params.get("binding_message", "")
    if len(message) > MOST_MESSAGE or not message.isprintable():
        raise OAuth2Error(error="invalid_binding_message", description=f"At most {MOST_MESSAGE} printable signs.")
    return message


def waiting_for(tx: Session, now: datetime, account_id: str) -> list[AuthorizationRequest]:
    """Requests that a person can still answer, the oldest first."""
    table = AuthorizationRequest
    mine = select(table).where(table.hint_subject == account_id, table.answered_at.is_(None), table.expires_at > now)
    found = tx.scalars(mine.order_by(table.created_at).limit(5 * MOST_SHOWN))
    return [one for one in found if "ciba" in one.asked][:MOST_SHOWN]


@router.get("/approve")
def show_waiting(request: Request, tx: Tx, now: Now, session: Current) -> Response:
    if session is None:
        return go_on(store_portal_request(tx, now, "/approve"))
    return show(request, "approve.html", me=session, waiting=waiting_for(tx, now, session.account_id))


@router.post("/approve", dependencies=[OwnForm])
def look_at(
    request: Request, tx: Tx, now: Now, session: Current, id: Annotated[str, Form(alias="request", max_length=64)] = ""
) -> Response:
    """On to the dispatcher, in this browser: sign-in and consent run as always."""
    if session is None:
        return go_on(store_portal_request(tx, now, "/approve"))
    stored = next((one for one in waiting_for(tx, now, session.account_id) if one.id == id), None)
    if stored is None:
        raise RequestUnknown()
    response = RedirectResponse(f"/authorize?{urlencode({'request': stored.id})}", 303)
    stored.browser = cookies.ensure_device(request, response)
    return response
