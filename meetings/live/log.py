"""Append to a meeting's log and read its tail."""

from datetime import datetime
from enum import IntEnum
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from meetings.live.events import AnyEvent, Logged, event_adapter
from meetings.live.models import Event, MeetingLog, Ticket
from shared.audit import canonical, chain_faults
from shared.bus import Bus
from shared.db import after_commit
from shared.ids import new_id
from shared.prepared import Prepared

MOST = 1000  # events that are read at once
_THIS = MeetingLog.meeting_id == bindparam("meeting_id")
_POSITION = Prepared(select(MeetingLog.seq, MeetingLog.epoch).where(_THIS))
_TAKE = Prepared(update(MeetingLog).where(_THIS).values(seq=MeetingLog.seq + 1).returning(MeetingLog.seq, MeetingLog.hash))
_CHAIN = Prepared(update(MeetingLog).where(_THIS), "hash")
_TAIL = Prepared(
    select(Event.seq, Event.at, Event.level, Event.body)
    .where(Event.meeting_id == bindparam("meeting_id"), Event.seq > bindparam("since"))
    .order_by(Event.seq)
    .limit(bindparam("most"))
)
_KEEP = Prepared(insert(Event), *Event.__table__.c.keys())


class Level(IntEnum):
    """How much a participant may see; an event is for its level and all above."""

    GUEST = 0
    DELEGATE = 1
    DESK = 2


class Line(NamedTuple):
    """An event as it stands in the log."""

    seq: int
    at: datetime
    level: int
    body: dict[str, Any]


def start(tx: Session, meeting_id: str) -> None:
    """Begin the log of a new meeting."""
    tx.add(MeetingLog(meeting_id=meeting_id, epoch=new_id(), seq=0, hash=""))
    tx.flush()


def renew_epochs(tx: Session) -> None:
    """Whoever followed a log starts from a snapshot again: after a restore the same number may be another event."""
    tx.execute(update(MeetingLog).values(epoch=new_id()))


def append(tx: Session, now: datetime, meeting_id: str, event: AnyEvent, *, actor: str, level: Level = Level.GUEST) -> int:
    """Write `event` in the caller's transaction and hint at it after the commit; the event's `seq`.

    The head row is taken first, so numbers follow the order of commits and no reader sees 3 before 2.
    """
    tx.flush()
    [(seq, previous)] = _TAKE.all(tx, meeting_id=meeting_id)
    body = event.model_dump(mode="json")
    chained = chain(previous, seq, now, actor, level, body)
    row = {"seq": seq, "at": now, "actor": actor, "level": int(level), "body": body, "previous": previous, "hash": chained}
    _KEEP.run(tx, meeting_id=meeting_id, **row)
    _CHAIN.run(tx, meeting_id=meeting_id, hash=chained)
    bus: Bus | None = tx.info.get("bus")
    if bus:
        after_commit(tx, partial(bus.publish, meeting_id))
    return int(seq)


def chain(previous: str, seq: int, at: datetime, actor: str, level: int, body: object) -> str:
    """The hash that ties an event to all before it."""
    return sha256(previous.encode() + canonical([seq, at.isoformat(), actor, int(level), body])).hexdigest()


def drop_tickets(tx: Session, meeting_id: str) -> None:
    """Of a meeting whose seats have changed: entries to its sockets were given out for the rights of before."""
    tx.execute(delete(Ticket).where(Ticket.meeting_id == meeting_id))


def head(tx: Session, meeting_id: str) -> MeetingLog:
    return tx.get_one(MeetingLog, meeting_id, populate_existing=True)


def position(tx: Session, meeting_id: str) -> tuple[int, str]:
    """`seq` and epoch of the newest event."""
    seq, epoch = _POSITION.one(tx, meeting_id=meeting_id) or (0, "")
    return seq, epoch


def tail(tx: Session, meeting_id: str, since: int, limit: int = MOST) -> list[Line]:
    """Events after `since`, in order."""
    return [Line(*row) for row in _TAIL.all(tx, meeting_id=meeting_id, since=since, most=limit)]


def logged(event: Line | Event) -> Logged:
    return Logged(seq=event.seq, at=event.at, event=event_adapter.validate_python(event.body))


def faults(tx: Session, meeting_id: str) -> list[tuple[int, str]]:
    """Where the log does not hold (gap, change, swap, lost end): `seq`, and what is wrong there."""

    def whole(event: Event) -> str:
        return chain(event.previous, event.seq, event.at, event.actor, event.level, event.body)

    mine = Event.meeting_id == meeting_id
    found = chain_faults(tx, select(Event).where(mine), Event.seq, whole)
    last = tx.execute(select(Event.seq, Event.hash).where(mine).order_by(Event.seq.desc()).limit(1)).one_or_none()
    seq, chained = last or (0, "")
    told, head = tx.execute(select(MeetingLog.seq, MeetingLog.hash).where(MeetingLog.meeting_id == meeting_id)).one()
    found += [(missing, "missing") for missing in range(seq + 1, told + 1)]
    if told < seq or (told == seq and head != chained and not found):
        found.append((seq, "is not the end that the log knows"))
    return found
