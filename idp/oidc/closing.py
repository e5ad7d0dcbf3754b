"""Closing a person's account, and opening it again: what was given before does not come back."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.accounts.actions import deactivate, reactivate
from idp.accounts.models import Account
from idp.login.models import SignInSession
from idp.login.sessions import end_session
from idp.oidc.issuing import revoke_all


def close_account(tx: Session, now: datetime, account: Account, *, actor: str = "-") -> None:
    """No sign-in and no token from this instant; its applications are told, and every grant is revoked, also for good."""
    deactivate(tx, now, account, actor=actor)
    sign_out(tx, now, account, "account-closed")


def sign_out(tx: Session, now: datetime, account: Account, reason: str) -> None:
    """Everywhere, and nothing that applications hold of the person is left to them."""
    mine = SignInSession.account_id == account.id
    for session in tx.scalars(select(SignInSession).where(mine, SignInSession.ended_at.is_(None))).all():
        end_session(tx, now, session, reason=reason)
    revoke_all(tx, now, account.id, reason)


def open_account(tx: Session, now: datetime, account: Account, *, actor: str = "-") -> None:
    """Again, with the password and the second factor that it had."""
    reactivate(tx, now, account, actor=actor)
