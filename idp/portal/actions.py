from datetime import datetime

from sqlalchemy.orm import Session

from idp.accounts.actions import set_password
from idp.accounts.passwords import matches, turn
from idp.login.lockout import begin_try, forget_failures
from idp.login.models import SignInSession
from idp.login.sessions import end_session, living_sessions
from idp.oidc.issuing import revoke_all
from idp.portal.problems import CurrentPasswordWrong, PasswordsDiffer
from idp.settings import IdpSettings


def change_password(
    tx: Session, now: datetime, settings: IdpSettings, me: SignInSession, *, current: str, fresh: str, again: str
) -> None:
    """Replace the password of who is signed in. Other sessions end, and this one's applications ask for a sign-in again.

    A wrong current password counts as a failed sign-in. A refusal is raised after that was written and is to be answered,
    not passed on, so that the count is kept.
    """
    begin_try(tx, now, me.account.username)
    with turn():
        if not matches(me.account.password_hash, current):
            raise CurrentPasswordWrong()
        forget_failures(tx, me.account.username)
        if fresh != again:
            raise PasswordsDiffer()
        set_password(tx, now, me.account, fresh, actor=me.account_id)
    for place in living_sessions(tx, now, settings, me.account_id):
        if place.id != me.id:
            end_session(tx, now, place, reason="password-changed")
    revoke_all(tx, now, "password-changed", account_id=me.account_id)
