"""Append to a meeting's log and read its tail."""

from datetime import datetime
from enum import IntEnum
from functools import partial
from hashlib import sha256

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from meetings.live.events import AnyEvent, Logged, event_adapter
from meetings.live.models import Event, MeetingLog
from shared.audit import canonical, chain_faults
from shared.bus import Bus
from shared.db import after_commit
from shared.ids import new_id
from shared.prepared import Prepared

MOST = 1000  # events that are read at once
_POSITION = Prepared(select(MeetingLog.seq, MeetingLog.epoch).where(MeetingLog.meeting_id == bindparam("meeting_id")))


class Level(IntEnum):
    """How much a participant may see; an event is for its level and all above."""

    GUEST = 0
    DELEGATE = 1
    DESK = 2


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
    taken = update(MeetingLog).where(MeetingLog.meeting_id == meeting_id).values(seq=MeetingLog.seq + 1)
    seq, previous = tx.execute(taken.returning(MeetingLog.seq, MeetingLog.hash)).one()
    body = event.model_dump(mode="json")
    chained = chain(previous, seq, now, actor, level, body)
    tx.add(Event(meeting_id=meeting_id, seq=seq, at=now, actor=actor, level=level, body=body, previous=previous, hash=chained))
    tx.execute(update(MeetingLog).where(MeetingLog.meeting_id == meeting_id).values(hash=chained))
    tx.flush()
    bus: Bus | None = tx.info.get("bus")
    if bus:
        after_commit(tx, partial(bus.publish, meeting_id))
    return int(seq)


def chain(previous: str, seq: int, at: datetime, actor: str, level: int, body: object) -> str:
    """The hash that ties an event to all before it."""
    return sha256(previous.encode() + canonical([seq, at.isoformat(), actor, int(level), body])).hexdigest()


def head(tx: Session, meeting_id: str) -> MeetingLog:
    return tx.get_one(MeetingLog, meeting_id)


def position(tx: Session, meeting_id: str) -> tuple[int, str]:
    """`seq` and epoch of the newest event."""
    seq, epoch = _POSITION.one(tx, meeting_id=meeting_id) or (0, "")
    return seq, epoch


def tail(tx: Session, meeting_id: str, since: int, limit: int = MOST) -> list[Event]:
    """Events after `since`, in order."""
    after = select(Event).where(Event.meeting_id == meeting_id, Event.seq > since)
    return list(tx.scalars(after.order_by(Event.seq).limit(limit)))


def logged(event: Event) -> Logged:
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
