"""Counting failures by user name. A try is counted before its password is checked, so that parallel tries gain nothing."""

from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import delete
from sqlalchemy.orm import Session

from idp.accounts.rules import normal_username
from idp.login.models import SignInFailure
from idp.login.problems import AccountWaits, CodesWait, WrongPassword
from idp.login.rules import FORGOTTEN_AFTER, FREE_TRIES, LONGEST_WAIT, wait_after
from shared.db import lock
from shared.ids import digest
from shared.problems import Problem


def begin_try(tx: Session, now: datetime, username: str) -> Problem:
    """Count one try; what to answer if it fails. Raises `AccountWaits` while the name has to wait."""
    name = digest(normal_username(username))
    lock(tx, f"sign-in/{name}")
    row = tx.get(SignInFailure, name)
    if row and row.waits_until and now < row.waits_until:
        raise AccountWaits(minutes=_minutes(row.waits_until - now))
    if row is None:
        row = SignInFailure(name_digest=name, failures=0, last_at=now)
        tx.add(row)
    row.failures = 1 if now - row.last_at > FORGOTTEN_AFTER else row.failures + 1
    row.last_at = now
    wait = wait_after(row.failures)
    row.waits_until = now + wait if wait else None
    return AccountWaits(minutes=_minutes(wait)) if wait else WrongPassword(left=FREE_TRIES - row.failures)


def _minutes(span: timedelta) -> int:
    return ceil(span.total_seconds() / 60)


def has_to_wait(tx: Session, now: datetime, username: str) -> bool:
    """Whether the name takes no password now: then nothing that was begun before may be redeemed either."""
    row = tx.get(SignInFailure, digest(normal_username(username)))
    return bool(row and row.waits_until and now < row.waits_until)


def need_code_tries(tx: Session, now: datetime, what: str) -> None:
    """Raise `CodesWait` after five wrong codes of one kind (`what`: kind and account) within a quarter of an hour.

    Holds the count until the transaction ends, so that parallel tries gain nothing.
    """
    lock(tx, f"codes/{what}")
    row = tx.get(SignInFailure, digest(what), populate_existing=True)
    if row and row.waits_until and now < row.waits_until:
        raise CodesWait(minutes=_minutes(row.waits_until - now))


def count_wrong_code(tx: Session, now: datetime, what: str) -> None:
    """After `need_code_tries`. A right code takes nothing back: who guesses may own some right ones."""
    row = tx.get(SignInFailure, digest(what)) or SignInFailure(name_digest=digest(what), failures=0, last_at=now)
    row.failures = 1 if now - row.last_at >= LONGEST_WAIT else row.failures + 1
    row.last_at = now
    row.waits_until = now + LONGEST_WAIT if row.failures >= FREE_TRIES else None
    tx.add(row)


def forget_failures(tx: Session, username: str) -> None:
    """After the right password."""
    tx.execute(delete(SignInFailure).where(SignInFailure.name_digest == digest(normal_username(username))))
