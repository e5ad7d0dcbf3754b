"""Append-only, hash-chained record of sensitive acts and refusals."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.db import Base, lock


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


def _chain(event: AuditEvent) -> str:
    body = [event.seq, event.at.isoformat(), event.actor, event.act, event.object, event.facts]
    return sha256(event.previous.encode() + canonical(body)).hexdigest()


def record(tx: Session, now: datetime, act: str, *, actor: str = "-", object: str = "-", **facts: Any) -> None:
    """Append one event in the caller's transaction. `facts` are plain JSON values and never secrets."""
    lock(tx, "audit")
    tx.flush()
    head = tx.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(1)).first()
    event = AuditEvent(
        seq=head.seq + 1 if head else 1,
        at=now,
        actor=actor,
        act=act,
        object=object,
        facts=facts,
        previous=head.hash if head else "",
    )
    event.hash = _chain(event)
    tx.add(event)
    tx.flush()


def broken_at(tx: Session) -> int | None:
    """The first `seq` at which the chain does not hold, or None."""
    expected, previous = 1, ""
    for event in tx.scalars(select(AuditEvent).order_by(AuditEvent.seq)):
        if event.seq != expected or event.previous != previous or event.hash != _chain(event):
            return expected
        expected, previous = expected + 1, event.hash
    return None
