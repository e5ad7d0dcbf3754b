"""Counting failures by user name. A try is counted before its password is checked, so that parallel tries gain nothing."""

from datetime import datetime, timedelta
from math import ceil
from typing import cast

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from idp.accounts.rules import normal_username
from idp.login.models import SignInFailure
from idp.login.problems import AccountWaits, CodesWait, WrongPassword
from idp.login.rules import FORGOTTEN_AFTER, FREE_TRIES, LONGEST_WAIT, wait_after
from shared import audit
from shared.db import lock
from shared.ids import digest
from shared.prepared import Prepared
from shared.problems import Problem

_TABLE = cast(Table, SignInFailure.__table__)
_FOUND = Prepared(
    select(_TABLE.c.failures, _TABLE.c.last_at, _TABLE.c.waits_until).where(_TABLE.c.name_digest == bindparam("name"))
)
_COLUMNS = ("failures", "last_at", "waits_until")
_FIRST = Prepared(insert(_TABLE), "name_digest", *_COLUMNS)
_AGAIN = Prepared(update(_TABLE).where(_TABLE.c.name_digest == bindparam("name")), *_COLUMNS)

_FORGET = Prepared(delete(_TABLE).where(_TABLE.c.name_digest == bindparam("name")))


def begin_try(tx: Session, now: datetime, username: str) -> Problem:
    """Count one try; what to answer if it fails. Raises `AccountWaits` while the name has to wait."""
    name = digest(normal_username(username))
    audit.hold(tx)
    lock(tx, f"sign-in/{name}")
    failures, last_at, waits_until = _FOUND.one(tx, name=name) or (None, now, None)
    if waits_until and now < waits_until:
        raise AccountWaits(minutes=_minutes(waits_until - now))
    count = 1 if failures is None or now - last_at > FORGOTTEN_AFTER else failures + 1
    wait = wait_after(count)
    counted = {"failures": count, "last_at": now, "waits_until": now + wait if wait else None}
    if failures is None:
        _FIRST.run(tx, name_digest=name, **counted)
    else:
        _AGAIN.run(tx, name=name, **counted)
    return AccountWaits(minutes=_minutes(wait)) if wait else WrongPassword(left=FREE_TRIES - count)


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
    audit.hold(tx)
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
    audit.hold(tx)
    _FORGET.run(tx, name=digest(normal_username(username)))
