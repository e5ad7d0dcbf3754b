"""Sign-in by user name and password: one question a page. Pages never call each other; each goes back to the dispatcher."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.accounts.models import Account, find_by_username
from idp.accounts.passwords import hash_password, matches, needs_rehash, turn
from idp.accounts.problems import SignInBusy
from idp.accounts.rules import normal_username
from idp.login import cookies
from idp.login.cookies import OwnForm
from idp.login.lockout import begin_try, forget_failures
from idp.login.models import AuthorizationRequest, Remembered
from idp.login.problems import AccountWaits, UsernameMissing
from idp.login.requests import Stored, find_request, go_on
from idp.login.sessions import Current, start_session
from idp.pages.page import show
from shared import audit
from shared.clock import Now
from shared.db import Tx
from shared.ids import digest
from shared.problems import Problem

router = APIRouter(include_in_schema=False)


@router.get("/login")
def ask_username(request: Request, stored: Stored, tx: Tx) -> Response:
    known = stored.username or stored.login_hint or _last_remembered(tx, request)
    return show(request, "username.html", stored=stored, username=known)


@router.post("/login", dependencies=[OwnForm])
def take_username(request: Request, stored: Stored, username: Annotated[str, Form(max_length=100)] = "") -> Response:
    stored.username = normal_username(username)
    if not stored.username:
        return show(request, "username.html", problem=UsernameMissing(), field="username", stored=stored, username="")
    return RedirectResponse(f"/login/password?request={stored.id}", 303)


@router.get("/login/password")
def ask_password(request: Request, stored: Stored, tx: Tx) -> Response:
    if not stored.username:
        return go_on(stored)
    return _password_page(request, tx, stored)


def _password_page(request: Request, tx: Session, stored: AuthorizationRequest, problem: Problem | None = None) -> Response:
    known = _remembered(tx, request, stored.username)
    return show(request, "password.html", problem=problem, field="password", stored=stored, known=known)


@dataclass(frozen=True)
class Proof:
    """Who has proved to be who they said, or why not."""

    account_id: str | None = None
    problem: Problem | None = None


def _prove(
    request: Request,
    now: Now,
    id: Annotated[str, Query(alias="request", max_length=64)],
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Proof:
    # Hashing takes long, so it stands between two transactions; on SQLite one transaction holds up all other writers.
    try:
        with turn():
            return _try_password(request, now, id, password)
    except (AccountWaits, SignInBusy) as problem:
        return Proof(problem=problem)


def _try_password(request: Request, now: datetime, request_id: str, password: str) -> Proof:
    with request.app.state.db.write() as tx:
        stored = find_request(tx, now, request_id, cookies.device(request))
        refusal = begin_try(tx, now, stored.username)
        account = find_by_username(tx, stored.username)
        known = account if account and account.active else None
    if known and matches(known.password_hash, password):
        return Proof(account_id=known.id)
    if known is None:
        matches(None, password)  # an unknown name takes as long
    return Proof(problem=refusal)


@router.post("/login/password", dependencies=[OwnForm])
def take_password(
    request: Request,
    proof: Annotated[Proof, Depends(_prove)],
    stored: Stored,
    tx: Tx,
    now: Now,
    before: Current,
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    account = tx.get(Account, proof.account_id or "")
    if proof.problem or account is None:
        reason = proof.problem.code if proof.problem else "account-gone"
        audit.record(tx, now, "sign-in.refused", object=digest(stored.username)[:16], reason=reason)
        return _password_page(request, tx, stored, proof.problem)
    forget_failures(tx, account.username)
    if needs_rehash(account.password_hash):
        account.password_hash = hash_password(password)
    answer = go_on(stored)
    device, agent = cookies.ensure_device(request, answer), request.headers.get("user-agent", "")
    token = start_session(tx, now, request.app.state.settings, account, before, device=device, user_agent=agent)
    cookies.set_session(request, answer, token)
    return answer


def _remembered(tx: Session, request: Request, username: str) -> Account | None:
    """The account of that name, only if it has signed in with this device before."""
    account = find_by_username(tx, username)
    device = cookies.device(request)
    return account if account and device and tx.get(Remembered, (device, account.id)) else None


def _last_remembered(tx: Session, request: Request) -> str:
    here = select(Account.username).join(Remembered).where(Remembered.device == (cookies.device(request) or ""))
    return tx.scalars(here.order_by(Remembered.at.desc()).limit(1)).first() or ""
