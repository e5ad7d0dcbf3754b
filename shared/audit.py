"""Append-only, hash-chained record of sensitive acts and refusals."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import JSON, Select, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.db import Base, lock
from shared.prepared import Prepared

AT_ONCE = 500  # rows of a chain that are checked together
UNREADABLE = (ValueError, TypeError, AttributeError, OperationalError)  # of JSON, of an instant, of UTF-8
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


class AuditEvent(Base):
    __tablename__ = "audit_event"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]  # subject, client id, or "-"
    act: Mapped[str]  # stable name, `poll.opened` or `refused.poll-not-open`
    object: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str]
    hash: Mapped[str]


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks, UTF-8: the one form that is hashed (RFC 8785 for our values:
    strings, integers, booleans, lists, objects; no floats)."""
    return _encode(value).encode()


def _chain(event: dict[str, Any]) -> str:
    body = [event["seq"], event["at"].isoformat(), event["actor"], event["act"], event["object"], event["facts"]]
    return sha256(str(event["previous"]).encode() + canonical(body)).hexdigest()


_HEAD = Prepared(select(AuditEvent.seq, AuditEvent.hash).order_by(AuditEvent.seq.desc()).limit(1))
_APPEND = Prepared(insert(AuditEvent), *AuditEvent.__table__.c.keys())


def hold(tx: Session) -> None:
    """The end of the chain, until the transaction ends. To be taken before rows that others change after a record of theirs:
    in two orders they would wait for each other for ever."""
    if "audit_head" not in tx.info:
        lock(tx, "audit")
        tx.info["audit_head"] = _HEAD.one(tx) or (0, "")


def record(tx: Session, now: datetime, act: str, *, actor: str = "-", object: str = "-", **facts: Any) -> None:
    """Append one event in the caller's transaction. `facts` are plain JSON values and never secrets."""
    hold(tx)
    seq, previous = tx.info["audit_head"]
    event = {"seq": seq + 1, "at": now, "actor": actor, "act": act, "facts": facts, "previous": previous}
    event["object"] = object.replace("\0", "\ufffd")  # a path, perhaps, and PostgreSQL keeps no NUL
    event["hash"] = _chain(event)
    _APPEND.run(tx, **event)
    tx.info["audit_head"] = (seq + 1, event["hash"])


def faults(tx: Session) -> list[tuple[int, str]]:
    """Where the record does not hold: number, and what is wrong there."""
    return chain_faults(tx, select(AuditEvent), AuditEvent.seq, lambda event: _chain(vars(event)))


def chain_faults(tx: Session, rows: Select[Any], number: Any, whole: Callable[[Any], str]) -> list[tuple[int, str]]:
    """Where a chain of rows, numbered from 1, does not hold; `whole` is the hash that a row should have."""
    found: list[tuple[int, str]] = []
    expected = 1
    previous: str | None = ""
    for seq, row in _readable(tx, rows, number):
        found += [(missing, "missing") for missing in range(expected, seq)]
        if row is None or not _holds(row, whole):
            found.append((seq, "changed"))
        elif seq == expected and previous not in (None, row.previous):
            found.append((seq, "does not follow the one before"))
        expected, previous = seq + 1, row.hash if row else None
    return found


def _holds(row: Any, whole: Callable[[Any], str]) -> bool:
    try:
        return bool(row.hash == whole(row))
    except UNREADABLE:
        return False


def _readable(tx: Session, rows: Select[Any], number: Any) -> Iterator[tuple[int, Any]]:
    """Each row with its number; None for one that was tampered with so that it cannot even be read."""
    numbers = tx.scalars(rows.with_only_columns(number).order_by(number)).all()
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        try:
            read = tx.scalars(rows.where(number.in_(some)).order_by(number)).all()
        except UNREADABLE:
            read = [_read(tx, rows.where(number == one)) for one in some]
        yield from zip(some, read, strict=True)
        tx.expunge_all()


def _read(tx: Session, row: Select[Any]) -> Any:
    try:
        return tx.scalars(row).one()
    except UNREADABLE:
        return None
