"""A new password for who is signed in: like a sign-in, hashed while no transaction is open (`idp.login.password`)."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.passwords import hashed, place, prove
from idp.accounts.problems import SignInBusy
from idp.accounts.rules import MOST_PASSWORD_BYTES, checked_password
from idp.login.cookies import check_form
from idp.login.lockout import begin_try, forget_failures
from idp.login.models import SignInSession
from idp.login.problems import AccountWaits
from idp.login.sessions import seen_session
from idp.oidc.endpoint import Call, Meanwhile, endpoint
from idp.pages.page import show
from idp.portal.actions import change_password
from idp.portal.problems import CurrentPasswordWrong, PasswordsDiffer
from shared import audit
from shared.ids import same
from shared.problems import InvalidInput, NotSignedIn, Problem


def _mine(call: Call) -> SignInSession:
    seen = seen_session(call.tx, call.request, call.now, call.settings)
    if seen is None:
        raise NotSignedIn()
    return call.tx.get_one(SignInSession, seen.id)


def ask_new_password(call: Call) -> Response:
    return show(call.request, "change-password.html", me=_mine(call), changed=False)


def _begin_change(call: Call) -> Response | Meanwhile:
    """A wrong current password counts as a failed sign-in; the count is kept, as a refusal is answered, not raised."""
    check_form(call.request, call.params.get("form_token", ""))
    me = _mine(call)
    current, fresh, again = (call.params.get(name, "") for name in ("current", "fresh", "again"))
    if max(len(current), len(fresh), len(again)) > MOST_PASSWORD_BYTES:
        raise InvalidInput(errors=[{"field": "password", "rule": "string_too_long"}])
    refusal: Problem | None = PasswordsDiffer() if fresh != again else None
    try:
        begin_try(call.tx, call.now, me.account.username)
        checked_password(fresh, me.account.username)
    except AccountWaits as problem:
        return _refuse(call, me, problem)
    except Problem as problem:
        refusal = refusal or problem
    known = me.account.password_hash
    return Meanwhile(partial(_hash, known, current, "" if refusal else fresh), partial(_judge, known, refusal))


async def _hash(known: str, current: str, fresh: str) -> tuple[bool, str]:
    """Whether the current password is right; and then the hash of the fresh one, if there is one."""
    right = (await prove(known, current)).right
    return right, await hashed(fresh) if right and fresh else ""


def _judge(known: str, refusal: Problem | None, proof: tuple[bool, str], call: Call) -> Response:
    me, (right, password_hash) = _mine(call), proof
    if not right or not same(me.account.password_hash, known):  # it may have been replaced meanwhile
        return _refuse(call, me, CurrentPasswordWrong())
    forget_failures(call.tx, me.account.username)
    if refusal:
        return _refuse(call, me, refusal)
    change_password(call.tx, call.now, call.settings, me, password_hash)
    return show(call.request, "change-password.html", me=me, changed=True)


def _refuse(call: Call, me: SignInSession, problem: Problem) -> Response:
    audit.record(call.tx, call.now, "password-change.refused", actor=me.account_id, object=me.id, reason=problem.code)
    field = {"current-password-wrong": "current", "passwords-differ": "again"}.get(problem.code, "fresh")
    return show(call.request, "change-password.html", problem=problem, field=field, me=me, changed=False)


def _busy(call: Call) -> Response:
    return _refuse(call, _mine(call), SignInBusy())


_ask = endpoint(ask_new_password, "GET", page=True)
_change = endpoint(_begin_change, "POST", page=True)
_tell_busy = endpoint(_busy, "POST", page=True)


async def password(request: Request) -> Response:
    if request.method != "POST":
        return await _ask(request)
    try:
        with place():
            return await _change(request)
    except SignInBusy:
        return await _tell_busy(request)
