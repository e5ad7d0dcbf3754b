"""Choosing an account (`prompt=select_account`): those that have signed in with this device, or another."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.models import AuthorizationRequest, Remembered
from idp.login.requests import Stored, go_on
from idp.login.sessions import Current
from idp.pages.page import show
from shared.transactions import Tx

MOST_SHOWN = 8
router = APIRouter(include_in_schema=False)


@router.get("/login/account")
def ask_account(request: Request, stored: Stored, tx: Tx, session: Current) -> Response:
    known = _known_here(tx, request)
    if not known:
        return _to("/login", stored)
    return show(request, "account.html", stored=stored, accounts=known, here=session.account_id if session else None)


@router.post("/login/account", dependencies=[OwnForm])
def take_account(
    request: Request, stored: Stored, tx: Tx, session: Current, account: Annotated[str, Form(max_length=64)]
) -> Response:
    chosen = next((one for one in _known_here(tx, request) if one.id == account), None)
    if chosen is None:
        return _to("/login", stored)
    stored.asked = stored.asked | {"chosen": chosen.id}
    if session and session.account_id == chosen.id and "login" not in stored.prompts:
        return go_on(stored)
    stored.username = chosen.username
    return _to("/login/password", stored)


def _known_here(tx: Session, request: Request) -> list[Account]:
    """The accounts that this device remembers, the last used first."""
    here = select(Account).join(Remembered).where(Remembered.device == (cookies.device(request) or ""), Account.active)
    return list(tx.scalars(here.order_by(Remembered.at.desc()).limit(MOST_SHOWN)))


def _to(page: str, stored: AuthorizationRequest) -> Response:
    return RedirectResponse(f"{page}?{urlencode({'request': stored.id})}", 303)
