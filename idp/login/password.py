"""Sign-in by user name and password: one question a page. Pages never call each other; each goes back to the dispatcher.

They stand before the routing for the reason told in `idp.oidc.endpoint`: of a sign-in's cost most is to be the hash.
"""

from functools import partial

from sqlalchemy import bindparam, select, update
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.models import Account
from idp.accounts.passwords import Proof, place, prove
from idp.accounts.problems import SignInBusy
from idp.accounts.rules import MOST_PASSWORD_BYTES, normal_username
from idp.login import cookies
from idp.login.cookies import check_form
from idp.login.factors import has_factor
from idp.login.lockout import begin_try, forget_failures
from idp.login.models import AuthorizationRequest, Remembered
from idp.login.problems import AccountWaits, UsernameMissing
from idp.login.requests import go_on, keep_username, opened
from idp.login.rules import SignedIn, Step, next_step
from idp.login.second_factor import proved
from idp.login.sessions import seen_session, start_session
from idp.oidc.endpoint import Call, Meanwhile, endpoint
from idp.pages.page import show
from shared import audit
from shared.ids import digest
from shared.prepared import Prepared
from shared.problems import InvalidInput, Problem

MOST_USERNAME = 100
_BY_NAME = Prepared(select(Account.id, Account.password_hash).where(Account.active, Account.username == bindparam("name")))
_STILL = Prepared(
    select(Account.id).where(Account.id == bindparam("id_"), Account.active, Account.password_hash == bindparam("hash_"))
)
_HERE = select(Account.id, Account.username).join(Remembered).where(Remembered.device == bindparam("device"))
_HERE_BY_NAME = Prepared(_HERE.where(Account.username == bindparam("name")))
_LAST_HERE = Prepared(_HERE.order_by(Remembered.at.desc()).limit(1))


def username_step(call: Call) -> Response:
    return ask_username(call) if call.request.method == "GET" else take_username(call)


def ask_username(call: Call) -> Response:
    stored = opened(call)
    last = _LAST_HERE.one(call.tx, device=cookies.device(call.request))
    known = stored.username or stored.login_hint or (last[1] if last else "")
    return show(call.request, "username.html", stored=stored, username=known)


def take_username(call: Call) -> Response:
    check_form(call.request, call.params.get("form_token", ""))
    stored = opened(call)
    typed = normal_username(call.params.get("username", ""))
    if len(typed) > MOST_USERNAME:
        raise InvalidInput(errors=[{"field": "username", "rule": "string_too_long"}])
    if _signed_in_meanwhile(call, stored, typed):
        return go_on(stored)
    keep_username(call.tx, stored, typed)
    if not typed:
        return show(call.request, "username.html", problem=UsernameMissing(), field="username", stored=stored, username="")
    answer = go_on(stored)
    answer.headers["location"] = f"/login/password?request={stored.id}"
    return answer


def ask_password(call: Call) -> Response:
    stored = opened(call)
    return _password_page(call, stored) if stored.username else go_on(stored)


def _password_page(call: Call, stored: AuthorizationRequest, problem: Problem | None = None) -> Response:
    # Of the person only what this device knows already, by one statement whether anybody has the name or not.
    here = _HERE_BY_NAME.one(call.tx, device=cookies.device(call.request), name=stored.username)
    known = call.tx.get(Account, here[0]) if here else None
    return show(call.request, "password.html", problem=problem, field="password", stored=stored, known=known)


def _signed_in_meanwhile(call: Call, stored: AuthorizationRequest, typed: str) -> bool:
    """Whether this person has signed in by another tab since the form was opened, so that there is nothing left to ask."""
    seen = seen_session(call.tx, call.request, call.now, call.settings, use=False)
    if seen is None or next_step(stored, SignedIn(seen.account_id, seen.auth_time), None, call.now) is Step.SIGN_IN:
        return False
    account = _BY_NAME.one(call.tx, name=typed)
    return not typed or (account is not None and account[0] == seen.account_id)


async def take_password(request: Request) -> Response:
    try:
        with place():
            return await _check_password(request)
    except SignInBusy:
        return await _tell_busy(request)


def _begin_check(call: Call) -> Response | Meanwhile:
    """Count the try, then hash while no transaction is open, then judge: a pause in which nobody waits for the database."""
    check_form(call.request, call.params.get("form_token", ""))
    stored, typed = opened(call), call.params.get("password", "")
    if len(typed.encode()) > MOST_PASSWORD_BYTES:
        raise InvalidInput(errors=[{"field": "password", "rule": "string_too_long"}])
    if _signed_in_meanwhile(call, stored, stored.username):
        return go_on(stored)
    try:
        refusal = begin_try(call.tx, call.now, stored.username)
    except AccountWaits as problem:
        return _refuse(call, stored, problem)
    account_id, password_hash = _BY_NAME.one(call.tx, name=stored.username) or ("", None)
    judge = partial(_judge, stored, refusal, account_id, password_hash)
    return Meanwhile(partial(prove, password_hash, typed), judge)


def _judge(
    stored: AuthorizationRequest, refusal: Problem, account_id: str, password_hash: str | None, proof: Proof, call: Call
) -> Response:
    # The account may have been closed, or given another password, while this one was hashed.
    if not proof.right or not _STILL.one(call.tx, id_=account_id, hash_=password_hash):
        return _refuse(call, stored, refusal)
    forget_failures(call.tx, stored.username)
    if proof.fresh_hash:
        call.tx.execute(update(Account).where(Account.id == account_id).values(password_hash=proof.fresh_hash))
    if has_factor(call.tx, account_id):
        waiting = opened(call, to_change=True)
        waiting.asked = waiting.asked | proved(call.now, account_id, proof.fresh_hash or password_hash or "")
        return go_on(waiting)
    answer = go_on(stored)
    device, agent = cookies.ensure_device(call.request, answer), call.request.headers.get("user-agent", "")
    before = seen_session(call.tx, call.request, call.now, call.settings, use=False)
    token = start_session(call.tx, call.now, call.settings, account_id, before, device=device, user_agent=agent)
    cookies.set_session(call.request, answer, token)
    return answer


def _refuse(call: Call, stored: AuthorizationRequest, problem: Problem) -> Response:
    audit.record(call.tx, call.now, "sign-in.refused", object=digest(stored.username)[:16], reason=problem.code)
    return _password_page(call, stored, problem)


def _busy(call: Call) -> Response:
    return _refuse(call, opened(call), SignInBusy())


def _reads(request: Request, _pairs: object) -> bool:
    return request.method == "GET"


_check_password = endpoint(_begin_check, "POST", page=True)
_tell_busy = endpoint(_busy, "POST", page=True)
_ask_password = endpoint(ask_password, "GET", reads=True, page=True)

username = endpoint(username_step, "GET", "POST", reads=_reads, page=True)


async def password(request: Request) -> Response:
    return await (take_password if request.method == "POST" else _ask_password)(request)
