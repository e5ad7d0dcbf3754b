"""Client-initiated backchannel authentication (CIBA Core 1.0), poll mode: a client asks, the person answers in the portal."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, UnauthorizedClientError
from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from idp.accounts.models import Account, find_by_username
from idp.clients.models import Client
from idp.clients.rules import CIBA, Profile
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.models import AuthorizationRequest
from idp.login.problems import RequestUnknown
from idp.login.requests import go_on, sender_of, store_portal_request, store_request
from idp.login.sessions import Current
from idp.oidc import decoupled
from idp.oidc.answers import issued
from idp.oidc.checks import Ask, run_checks
from idp.oidc.client_auth import authenticate
from idp.oidc.client_keys import algorithms_of, verify_of_client
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.floods import need_room
from idp.oidc.hints import account_of, read_hint
from idp.oidc.params import once
from idp.oidc.replay import LONGEST_ID, first_time
from idp.oidc.request_object import LONGEST, TYPES, parameters
from idp.oidc.store import Kind
from idp.pages.page import show
from shared import audit
from shared.clock import Now
from shared.db import lock
from shared.ids import digest
from shared.tokens import LEEWAY, InvalidToken, out_of_time
from shared.transactions import Tx

HINTS = ("login_hint", "id_token_hint", "login_hint_token")
MOST_MESSAGE = 64  # signs
MOST_WAITING, MOST_OF_ONE = 20, 5  # requests that wait for one person: of all clients, of one
router = APIRouter(include_in_schema=False)


def bc_authorize(call: Call) -> Response:
    client = call.client = authenticate(call)
    if client.is_public:
        raise InvalidClientError("A public client may not ask people in the background.", status_code=401)
    if CIBA not in client.grant_types:
        raise UnauthorizedClientError("The client may not use the CIBA grant.")
    _unwrap(call, client)
    ask = Ask(call.params, call.tx, call.settings, call.now, call.pairs, call.fetched, client=client)
    run_checks(ask, "ciba")
    account, lifetime, message = _person(call, ask), _lifetime(ask), _message(ask)
    need_room(call, Kind.CIBA)
    _need_room(call, account)
    secret = decoupled.begin(call, Kind.CIBA, lifetime)
    asked = ask.asked | {"ciba": digest(secret), "binding_message": message}
    members = ask.members() | {"hint_subject": account.id, "prompts": ["consent"], "asked": asked}
    # No browser's until its person opens it from the portal.
    store_request(call.tx, call.now, sender_of(call.request), browser="", expires_at=call.now + lifetime, **members)
    audit.record(call.tx, call.now, "backchannel.asked", actor=client.id, object=account.id)
    return issued(
        {"auth_req_id": secret, "expires_in": int(lifetime.total_seconds()), "interval": decoupled.INTERVAL},
    )


answer = endpoint(bc_authorize, "POST")


def _unwrap(call: Call, client: Client) -> None:
    """Take the parameters from the signed request (section 7.1.1), which alone count then; some clients may not go without."""
    if "request" not in call.params:
        if client.request_object_alg or client.require_request_object or client.profile == Profile.FAPI2_SIGNED:
            raise InvalidRequestError("This client must sign its requests.")
        return
    try:
        header, said = verify_of_client(
            call.fetched, client, call.params["request"], algorithms_of(client, client.request_object_alg)
        )
    except InvalidToken:
        raise InvalidRequestError("The request is not signed by this client.") from None
    audience, jti = said.get("aud"), said.get("jti")
    checks = {
        "typ": str(header.get("typ", "")).lower() in TYPES,
        "iss": said.get("iss") == client.id,
        "sub": said.get("sub") != client.id,  # else it could pass for a client assertion (RFC 9101, 10.8)
        "aud": call.settings.issuer in (audience if isinstance(audience, list) else [audience]),
        "jti": isinstance(jti, str) and 0 < len(jti) <= LONGEST_ID,
    }
    wrong = [name for name, holds in checks.items() if not holds] + out_of_time(said, call.now, "exp", "nbf", "iat")
    if not wrong and said["exp"] - said["nbf"] > LONGEST.total_seconds():
        wrong = ["exp"]
    if not wrong and not _is_new(call, client, said):
        wrong = ["jti"]
    if wrong:
        raise InvalidRequestError(f"The signed request does not hold: {', '.join(wrong)}.")
    call.pairs = parameters(said)
    call.params = once(call.pairs)


def _is_new(call: Call, client: Client, said: dict[str, Any]) -> bool:
    until = datetime.fromtimestamp(said["exp"], UTC) + LEEWAY
    return first_time(call, Kind.ASSERTION, f"{client.id} {said['jti']} request", until)


def _person(call: Call, ask: Ask) -> Account:
    """Whom the one hint names (section 7.1); a login_hint is a user name."""
    given = [name for name in HINTS if name in ask.params]
    if len(given) != 1 or given == ["login_hint_token"]:
        raise InvalidRequestError("Exactly one of login_hint and id_token_hint is needed.")
    account = None
    if given == ["login_hint"]:
        account = find_by_username(call.tx, ask.params["login_hint"])
    elif claims := read_hint(call.tx, call.settings, ask.params["id_token_hint"], call.caller.id):
        account = call.tx.get(Account, account_of(call.tx, call.settings, call.caller, claims))
    if account is None or not account.active:
        raise OAuth2Error(error="unknown_user_id", description="The hint names nobody here.")
    return account


def _need_room(call: Call, account: Account) -> None:
    """Nobody is buried under questions, so that one is allowed to end them; by section 13 the provider may deny for itself."""
    audit.hold(call.tx)
    lock(call.tx, f"waiting for {account.id}")
    waiting = waiting_for(call.tx, call.now, account.id)
    if len(waiting) >= MOST_WAITING or sum(one.client_id == call.caller.id for one in waiting) >= MOST_OF_ONE:
        raise OAuth2Error(error="access_denied", description="Too many requests wait for this person.", status_code=403)


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
    of_ciba = mine.where(table.asked["ciba"].as_string().is_not(None))  # any client names anybody in others
    return list(tx.scalars(of_ciba.order_by(table.created_at).limit(MOST_WAITING)))


@router.get("/approve")
def show_waiting(request: Request, tx: Tx, now: Now, session: Current) -> Response:
    if session is None:
        return go_on(store_portal_request(tx, now, sender_of(request), "/approve"))
    return show(request, "approve.html", me=session, waiting=waiting_for(tx, now, session.account_id))


@router.post("/approve", dependencies=[OwnForm])
def look_at(
    request: Request, tx: Tx, now: Now, session: Current, id: Annotated[str, Form(alias="request", max_length=64)] = ""
) -> Response:
    """On to the dispatcher, in this browser: sign-in and consent run as always."""
    if session is None:
        return go_on(store_portal_request(tx, now, sender_of(request), "/approve"))
    stored = next((one for one in waiting_for(tx, now, session.account_id) if one.id == id), None)
    if stored is None:
        raise RequestUnknown()
    response = RedirectResponse(f"/authorize?{urlencode({'request': stored.id})}", 303)
    stored.browser = cookies.ensure_device(request, response)
    return response
