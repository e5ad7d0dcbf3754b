"""The authorization endpoint: check, then let `next_step` decide, as often as it takes.

A person who is signed in already gets the answer at once; otherwise the request is stored and each page comes back here.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from idp.clients.models import Client, find_client
from idp.login import cookies
from idp.login.models import AuthorizationRequest
from idp.login.requests import find_request, mark_answered, sender_of, store_request
from idp.login.rules import REQUEST_LIFETIME, SignedIn, Step, next_step
from idp.login.sessions import Seen, seen_session
from idp.oidc import decoupled, session_state, store
from idp.oidc.answers import back_to_client
from idp.oidc.checks import Ask, run_checks
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.issuing import give_grant, kept_for_grant
from idp.oidc.models import Consent
from idp.oidc.par import PUSHED
from idp.oidc.params import once
from idp.oidc.store import Kind
from shared import audit, words
from shared.ids import new_token

CODE_LIFETIME = timedelta(seconds=60)
PAGES = {Step.SIGN_IN: "/login", Step.SECOND_FACTOR: "/login/code", Step.CHOOSE: "/login/account", Step.CONSENT: "/consent"}


def authorize(call: Call) -> Response:
    if call.request.method == "GET" and "request" in call.params and "client_id" not in call.params:
        return _go_on(call, call.params["request"])
    return _begin(call)


def _begin(call: Call) -> Response:
    ask = Ask(call.params, call.tx, call.settings, call.now, call.pairs, call.fetched)
    if call.params.get("request_uri", "").startswith(PUSHED):
        _open_pushed(call, ask, call.params["request_uri"].removeprefix(PUSHED))
    try:
        run_checks(ask, "authorize")
    except OAuth2Error as error:
        if ask.trusted_uri is None:
            raise
        _record_refusal(call, ask, error)
        return _answer(call, ask.client, ask.trusted_uri, ask.asked, ask.params.get("state"), **dict(error.get_body()))
    session = seen_session(call.tx, call.request, call.now, call.settings)
    if session is None and call.request.method == "POST":
        return _to_be_continued(call, ask, None)  # from another site it brings no cookies; the GET that follows does
    step = next_step(ask, signed_in(call.tx, session, ask.client), ask.client, call.now)
    if page := PAGES.get(step):
        return _to_be_continued(call, ask, page)
    return _finish(call, step, ask.client, session, ask.members())


def _to_be_continued(call: Call, ask: Ask, page: str | None) -> Response:
    answer = RedirectResponse("", 303)
    browser = cookies.ensure_device(call.request, answer) if page else None
    stored = store_request(call.tx, call.now, sender_of(call.request), browser=browser, **ask.members())
    answer.headers["location"] = f"{page or '/authorize'}?{urlencode({'request': stored.id})}"
    wanted = (tag[:2].lower() for tag in ask.params.get("ui_locales", "").split())
    if language := next((one for one in wanted if one in words.LANGUAGES), None):
        cookies.set_language(call.request, answer, language)
    return answer


def _open_pushed(call: Call, ask: Ask, secret: str) -> None:
    """Ask what was pushed: it may be opened more than once before it is answered, but not after."""
    found = store.find(call.tx, Kind.PUSHED, secret)
    client_id = call.params.get("client_id")
    if found is None or found.body["client"] != client_id or _too_old(call, found) or found.used_at:
        raise OAuth2Error(error="invalid_request_uri", description="The request_uri is unknown, used or too old.")
    pairs = [(name, value) for name, value in found.body["pairs"] if name != "client_id"]
    ask.pairs = [*pairs, ("client_id", str(client_id))]
    ask.params, ask.pushed, ask.signed = once(ask.pairs), True, found.body["signed"]
    ask.asked["pushed"] = secret


def _too_old(call: Call, pushed: store.Found) -> bool:
    return call.now >= pushed.expires_at - REQUEST_LIFETIME


def _go_on(call: Call, request_id: str) -> Response:
    answer = RedirectResponse("", 303)
    known, given = cookies.device(call.request), cookies.ensure_device(call.request, answer)
    stored = find_request(call.tx, call.now, request_id, known, first_seen_by=given)
    session = seen_session(call.tx, call.request, call.now, call.settings)
    client = find_client(call.tx, stored.client_id) if stored.client_id else None
    step = next_step(stored, signed_in(call.tx, session, client), client, call.now)
    if page := PAGES.get(step):
        answer.headers["location"] = f"{page}?{urlencode({'request': stored.id})}"
        return answer
    mark_answered(call.tx, call.now, stored)
    if client is None and step is Step.ISSUE:
        answer.headers["location"] = stored.redirect_uri
        return answer
    return _finish(call, step, client, session, members_of(stored))


def members_of(stored: AuthorizationRequest) -> dict[str, Any]:
    names = ("redirect_uri", "scopes", "state", "nonce", "code_challenge", "asked")
    return {name: getattr(stored, name) for name in names}


def signed_in(tx: Session, session: Seen | None, client: Client | None) -> SignedIn | None:
    """What `next_step` needs to know of the person."""
    if session is None:
        return None
    consent = tx.get(Consent, (session.account_id, client.id)) if client and not client.trusted else None
    return SignedIn(session.account_id, session.auth_time, frozenset(consent.scopes if consent else ()), session.acr)


def _finish(call: Call, step: Step, client: Client | None, session: Seen | None, members: dict[str, Any]) -> Response:
    asked, uri, state = members["asked"], members["redirect_uri"], members["state"]
    if decoupled.is_decoupled(asked):
        return decoupled.answer(call, step, client, session, members)
    if "pushed" in asked:
        audit.hold(call.tx)
        pushed = store.use(call.tx, Kind.PUSHED, asked["pushed"], call.now)
        if pushed is None or pushed.used_at:
            raise OAuth2Error(error="invalid_request_uri", description="The request_uri is used.")
    if step is not Step.ISSUE or session is None or client is None:
        return _answer(call, client, uri, asked, state, error=str(step))
    browser = session_state.of_browser(call)
    known = session_state.member(browser, client.id, uri)
    answer = _answer(call, client, uri, asked, state, code=issue_code(call, client, session, members), **known)
    return session_state.keep(call, answer, browser)


def issue_code(call: Call, client: Client, session: Seen, members: dict[str, Any]) -> str:
    """Give a grant, and a code that can be exchanged once within a minute."""
    scopes, nonce, asked = members["scopes"], members["nonce"], kept_for_grant(members["asked"])
    grant_id = give_grant(call.tx, call.now, call.settings, client, session, scopes, nonce=nonce, asked=asked)
    code = new_token()
    body = {"redirect_uri": members["redirect_uri"], "code_challenge": members["code_challenge"]}
    if "dpop_jkt" in members["asked"]:
        body["dpop_jkt"] = members["asked"]["dpop_jkt"]
    store.put(call.tx, Kind.CODE, code, call.now + CODE_LIFETIME, grant_id=grant_id, body=body)
    return code


def _answer(call: Call, client: Client | None, uri: str, asked: dict[str, Any], state: str | None, **members: str) -> Response:
    return back_to_client(call, client, uri, asked.get("response_mode", "query"), state, members)


def _record_refusal(call: Call, ask: Ask, error: OAuth2Error) -> None:
    actor = ask.client.id if ask.client else "-"
    audit.record(call.tx, call.now, "refused.authorize", actor=actor, error=str(error.error))


answer = endpoint(authorize, "GET", "POST", page=True)
