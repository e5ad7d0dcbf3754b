"""Where a person adds, renews or removes their second factor: only soon after a sign-in, so that a session that was left open
is not enough."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from sqlalchemy.orm import Session

from idp.login import factors
from idp.login.cookies import OwnForm
from idp.login.models import SecondFactor, SignInSession
from idp.login.requests import go_on, sender_of, store_portal_request
from idp.login.rules import TWO_FACTOR
from idp.login.sessions import Current, end_session, living_sessions
from idp.login.totp import address, readable
from idp.pages.page import show
from shared.clock import Now
from shared.problems import Problem
from shared.transactions import Tx

PAGE = "/second-factor"
FRESH = timedelta(minutes=15)
router = APIRouter(include_in_schema=False)
Code = Annotated[str, Form(max_length=40)]


def _sign_in_first(request: Request, tx: Session, now: datetime, session: SignInSession | None) -> Response | None:
    if session is not None and now - session.auth_time <= FRESH:
        return None
    return go_on(store_portal_request(tx, now, sender_of(request), PAGE, max_age=int(FRESH.total_seconds())))


def _page(request: Request, tx: Session, me: SignInSession, problem: Problem | None = None, **facts: Any) -> Response:
    settings = request.app.state.settings
    factor = tx.get(SecondFactor, me.account_id)
    waiting = factors.proposed(tx, settings, me.account_id)
    if waiting:
        code = segno.make(address(waiting, me.account.username, f"Diên Hồng {settings.province}"), error="m")
        facts |= {"picture": Markup(code.svg_inline(scale=4, border=4, light="white")), "secret": readable(waiting)}  # noqa: S704 - no text in it
    since = factor.confirmed_at if factor else None
    left = factors.unused_codes(tx, me.account_id) if since else 0
    facts = {"picture": None, "secret": "", "codes": [], "done": ""} | facts
    return show(request, "second-factor.html", problem=problem, field="code", me=me, since=since, left=left, **facts)


@router.get(PAGE)
def look(request: Request, tx: Tx, now: Now, session: Current) -> Response:
    if (first := _sign_in_first(request, tx, now, session)) or session is None:
        return first or RedirectResponse("/", 303)
    return _page(request, tx, session)


@router.post(f"{PAGE}/begin", dependencies=[OwnForm])
def begin(request: Request, tx: Tx, now: Now, session: Current) -> Response:
    if (first := _sign_in_first(request, tx, now, session)) or session is None:
        return first or RedirectResponse("/", 303)
    factors.propose(tx, now, request.app.state.settings, session.account_id)
    return RedirectResponse(PAGE, 303)


@router.post(f"{PAGE}/confirm", dependencies=[OwnForm])
def confirm(request: Request, tx: Tx, now: Now, session: Current, code: Code = "") -> Response:
    if (first := _sign_in_first(request, tx, now, session)) or session is None:
        return first or RedirectResponse("/", 303)
    settings = request.app.state.settings
    try:
        codes = factors.confirm(tx, now, settings, session.account_id, code)
    except Problem as problem:
        return _page(request, tx, session, problem)
    session.acr, session.amr = TWO_FACTOR, ["pwd", "otp"]
    for place in living_sessions(tx, now, settings, session.account_id):
        if place.id != session.id:  # they were begun by the password alone
            end_session(tx, now, place, reason="second-factor-added")
    return _page(request, tx, session, codes=codes, done="added")


@router.post(f"{PAGE}/codes", dependencies=[OwnForm])
def renew_codes(request: Request, tx: Tx, now: Now, session: Current, code: Code = "") -> Response:
    if (first := _sign_in_first(request, tx, now, session)) or session is None:
        return first or RedirectResponse("/", 303)
    settings = request.app.state.settings
    try:
        factors.prove(tx, now, settings, session.account_id, code)
    except Problem as problem:
        return _page(request, tx, session, problem)
    return _page(request, tx, session, codes=factors.new_recovery_codes(tx, now, settings, session.account_id), done="codes")


@router.post(f"{PAGE}/remove", dependencies=[OwnForm])
def remove(request: Request, tx: Tx, now: Now, session: Current, code: Code = "") -> Response:
    if (first := _sign_in_first(request, tx, now, session)) or session is None:
        return first or RedirectResponse("/", 303)
    try:
        factors.prove(tx, now, request.app.state.settings, session.account_id, code)
    except Problem as problem:
        return _page(request, tx, session, problem)
    factors.remove_factor(tx, now, session.account_id, actor=session.account_id)
    return _page(request, tx, session, done="removed")
