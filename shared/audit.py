"""Append-only, hash-chained record of sensitive acts and refusals."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import JSON, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.db import Base, lock
from shared.prepared import Prepared


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
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _chain(event: dict[str, Any]) -> str:
    body = [event["seq"], event["at"].isoformat(), event["actor"], event["act"], event["object"], event["facts"]]
    return sha256(str(event["previous"]).encode() + canonical(body)).hexdigest()


_HEAD = Prepared(select(AuditEvent.seq, AuditEvent.hash).order_by(AuditEvent.seq.desc()).limit(1))
_APPEND = Prepared(insert(AuditEvent), *AuditEvent.__table__.c.keys())


def record(tx: Session, now: datetime, act: str, *, actor: str = "-", object: str = "-", **facts: Any) -> None:
    """Append one event in the caller's transaction. `facts` are plain JSON values and never secrets."""
    if "audit_head" not in tx.info:  # held by the lock until the transaction ends
        lock(tx, "audit")
        tx.info["audit_head"] = _HEAD.one(tx) or (0, "")
    seq, previous = tx.info["audit_head"]
    event = {"seq": seq + 1, "at": now, "actor": actor, "act": act, "object": object, "facts": facts, "previous": previous}
    event["hash"] = _chain(event)
    _APPEND.run(tx, **event)
    tx.info["audit_head"] = (seq + 1, event["hash"])


def broken_at(tx: Session) -> int | None:
    """The first `seq` at which the chain does not hold, or None."""
    expected, previous = 1, ""
    for event in tx.scalars(select(AuditEvent).order_by(AuditEvent.seq)):
        if event.seq != expected or event.previous != previous or event.hash != _chain(vars(event)):
            return expected
        expected, previous = expected + 1, event.hash
    return None
