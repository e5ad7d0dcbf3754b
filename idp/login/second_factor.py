"""The page after the right password of an account with a second factor. Until then there is no session at all, only the
stored request knows of the password (`asked["proved"]`)."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.factors import has_factor, prove
from idp.login.models import AuthorizationRequest
from idp.login.requests import Stored, go_on
from idp.login.rules import TWO_FACTOR, half_way
from idp.login.sessions import seen_session, start_session
from idp.pages.page import show
from shared.clock import Now
from shared.ids import digest
from shared.problems import Problem
from shared.transactions import Tx

router = APIRouter(include_in_schema=False)


def proved(now: datetime, account_id: str, password_hash: str) -> dict[str, Any]:
    """What a stored request keeps of the right password; another password in the meantime makes it void."""
    return {"proved": {"account": account_id, "hash": digest(password_hash)[:32], "at": int(now.timestamp())}}


def _account(tx: Session, now: datetime, stored: AuthorizationRequest) -> Account | None:
    if not half_way(stored, now):
        return None
    account = tx.get(Account, stored.asked["proved"]["account"])
    unchanged = account and account.active and digest(account.password_hash)[:32] == stored.asked["proved"]["hash"]
    return account if account and unchanged and has_factor(tx, account.id) else None


def _start_again(stored: AuthorizationRequest) -> Response:
    stored.asked = {name: value for name, value in stored.asked.items() if name != "proved"}
    return go_on(stored)


@router.get("/login/code")
def ask_code(request: Request, stored: Stored, tx: Tx, now: Now) -> Response:
    account = _account(tx, now, stored)
    return show(request, "code.html", stored=stored, account=account) if account else _start_again(stored)


@router.post("/login/code", dependencies=[OwnForm])
def take_code(request: Request, stored: Stored, tx: Tx, now: Now, code: Annotated[str, Form(max_length=40)] = "") -> Response:
    account, settings = _account(tx, now, stored), request.app.state.settings
    if account is None:
        return _start_again(stored)
    try:
        prove(tx, now, settings, account.id, code)
    except Problem as problem:
        return show(request, "code.html", problem=problem, field="code", stored=stored, account=account)
    answer = _start_again(stored)
    device, agent = cookies.ensure_device(request, answer), request.headers.get("user-agent", "")
    before = seen_session(tx, request, now, settings, use=False)
    token = start_session(
        *(tx, now, settings, account.id, before), device=device, user_agent=agent, acr=TWO_FACTOR, amr=("pwd", "otp")
    )
    cookies.set_session(request, answer, token)
    return answer
