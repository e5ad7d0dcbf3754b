"""The authorization endpoint: check, store, then let `next_step` decide, as often as it takes."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from idp.login import cookies
from idp.login.models import AuthorizationRequest, SignInSession
from idp.login.requests import find_request, store_request
from idp.login.rules import SignedIn, Step, next_step
from idp.login.sessions import Current
from idp.oidc.answers import back_to_client
from idp.oidc.checks import Ask, run_checks
from idp.oidc.models import AuthorizationCode, Consent, Grant
from idp.oidc.params import EitherPairs, Pairs, once
from idp.oidc.problems import RequestRefused
from idp.settings import IdpSettings
from shared import audit, words
from shared.clock import Now
from shared.db import Tx
from shared.ids import digest, new_id, new_token

CODE_LIFETIME = timedelta(seconds=60)
PUSHED = "urn:ietf:params:oauth:request_uri:"
PAGES = {Step.SIGN_IN: "/login", Step.CONSENT: "/consent"}

router = APIRouter(include_in_schema=False)


@router.api_route("/authorize", methods=["GET", "POST"])
def authorize(request: Request, pairs: EitherPairs, tx: Tx, now: Now, session: Current) -> Response:
    if request.method == "GET" and "request" in request.query_params and "client_id" not in request.query_params:
        return _go_on(request, tx, now, session, request.query_params["request"])
    return _begin(request, pairs, tx, now)


def _begin(request: Request, pairs: Pairs, tx: Session, now: datetime) -> Response:
    settings: IdpSettings = request.app.state.settings
    try:
        params = once(pairs)
        if params.get("request_uri", "").startswith(PUSHED):
            stored = _pushed(tx, now, params)
        else:
            ask = Ask(params, tx, settings)
            try:
                run_checks(ask, "authorize")
            except OAuth2Error as error:
                if ask.trusted_uri is None:
                    raise
                return back_to_client(ask.trusted_uri, settings.issuer, params.get("state"), **dict(error.get_body()))
            stored = store_request(tx, now, **ask.members())
    except OAuth2Error as error:
        raise RequestRefused(error=error.error, reason=error.description or "") from None
    # Not bound to the browser yet: a POST from another site brings no cookies.
    answer = RedirectResponse(f"/authorize?{urlencode({'request': stored.id})}", 303)
    if (language := params.get("ui_locales", "").split(" ")[0][:2].lower()) in words.LANGUAGES:
        cookies.set_language(request, answer, language)
    return answer


def _pushed(tx: Session, now: datetime, params: dict[str, str]) -> AuthorizationRequest:
    stored = tx.get(AuthorizationRequest, params["request_uri"].removeprefix(PUSHED))
    if stored is None or stored.client_id != params.get("client_id") or now >= stored.expires_at or stored.answered_at:
        raise OAuth2Error(error="invalid_request_uri", description="The request_uri is unknown, used or too old.")
    return stored


def _go_on(request: Request, tx: Session, now: datetime, session: SignInSession | None, request_id: str) -> Response:
    settings: IdpSettings = request.app.state.settings
    answer = RedirectResponse("", 303)
    known, given = cookies.device(request), cookies.ensure_device(request, answer)
    stored = find_request(tx, now, request_id, known, first_seen_by=given)
    step = next_step(stored, signed_in(tx, session, stored.client_id), stored.client, now)
    if page := PAGES.get(step):
        answer.headers["location"] = f"{page}?{urlencode({'request': stored.id})}"
        return answer
    stored.answered_at = now
    if step is not Step.ISSUE or session is None:
        return back_to_client(stored.redirect_uri, settings.issuer, stored.state, error=str(step))
    if stored.client is None:
        answer.headers["location"] = stored.redirect_uri
        return answer
    code = issue_code(tx, now, stored, session)
    return back_to_client(stored.redirect_uri, settings.issuer, stored.state, code=code)


def signed_in(tx: Session, session: SignInSession | None, client_id: str | None) -> SignedIn | None:
    """What `next_step` needs to know of the person."""
    if session is None:
        return None
    consent = tx.get(Consent, (session.account_id, client_id)) if client_id else None
    return SignedIn(session.account_id, session.auth_time, frozenset(consent.scopes if consent else ()))


def issue_code(tx: Session, now: datetime, stored: AuthorizationRequest, session: SignInSession) -> str:
    """Give a grant, and a code that can be exchanged once within a minute."""
    grant = Grant(
        id=new_id(), client_id=stored.client_id, session_id=session.id, scopes=stored.scopes, nonce=stored.nonce, created_at=now
    )
    code = new_token()
    tx.add(grant)
    tx.flush()
    tx.add(
        AuthorizationCode(
            digest=digest(code),
            grant_id=grant.id,
            redirect_uri=stored.redirect_uri,
            code_challenge=stored.code_challenge,
            expires_at=now + CODE_LIFETIME,
        )
    )
    audit.record(tx, now, "grant.given", actor=session.account_id, object=grant.id, client=stored.client_id)
    return code
