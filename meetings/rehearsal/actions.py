"""Ask for a rehearsal, begin it, tell how far it is, end it."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from meetings.agenda.actions import get_unclosed
from meetings.agenda.models import items_of
from meetings.agenda.problems import AgendaEmpty
from meetings.rehearsal.copy import make_copy, remove_copy
from meetings.rehearsal.models import Progress, Rehearsal, Result, overdue, sitting, under_way
from meetings.rehearsal.problems import HouseSitting, RehearsalUnderWay
from meetings.rehearsal.rules import State
from shared import audit, jobs
from shared.db import Database, lock
from shared.ids import digest, new_id, new_token


def ask(tx: Session, now: datetime, meeting_id: str, delegates: int, asked_by: str) -> str:
    """Write it down; its id. Refused while another runs, and while any meeting of this service is in session."""
    lock(tx, "rehearsal")
    meeting = get_unclosed(tx, meeting_id)
    if not items_of(tx, meeting.id):
        raise AgendaEmpty()
    if under_way(tx, now):
        raise RehearsalUnderWay()
    if lively := sitting(tx, now):
        raise HouseSitting(title=lively.title)
    row = Rehearsal(id=new_id(), meeting_id=meeting.id, delegates=delegates, asked_by=asked_by, asked_at=now)
    row.state, row.figures = State.WAITING, {}
    tx.add(row)
    tx.flush()
    audit.record(tx, now, "rehearsal.asked", actor=asked_by, object=row.id, meeting=meeting.id, delegates=delegates)
    return row.id


def ask_for_later(tx: Session, now: datetime, meeting_id: str, delegates: int, asked_by: str) -> str:
    """The same, to be run by whichever process of the service takes the job."""
    rehearsal_id = ask(tx, now, meeting_id, delegates, asked_by)
    jobs.enqueue(tx, "rehearsal.run", {"rehearsal_id": rehearsal_id}, now)
    return rehearsal_id


def begin(tx: Session, now: datetime, rehearsal_id: str) -> tuple[str, str] | None:
    """Make the copy; its id and the pass for its simulated people, which is kept nowhere. None where it has begun already."""
    waiting = update(Rehearsal).where(Rehearsal.id == rehearsal_id, Rehearsal.state == State.WAITING)
    row_id = tx.scalar(waiting.values(state=State.RUNNING, started_at=now).returning(Rehearsal.id))
    if row_id is None:
        return None
    row, secret = tx.get_one(Rehearsal, rehearsal_id, populate_existing=True), new_token()
    row.copy_id, row.pass_digest = make_copy(tx, now, row.meeting_id, row.delegates), digest(secret)
    audit.record(tx, now, "rehearsal.begun", actor=row.asked_by, object=row.id, meeting=row.meeting_id, copy=row.copy_id)
    return row.copy_id, secret


def tell(tx: Session, rehearsal_id: str, progress: Progress) -> None:
    tx.get_one(Rehearsal, rehearsal_id).figures = progress.model_dump()


def end(db: Database, now: datetime, rehearsal_id: str, result: Result | None) -> None:
    """Close the door of the pass, remove the copy, keep the result; without one it has come to nothing."""
    with db.write() as tx:
        row = tx.get_one(Rehearsal, rehearsal_id)
        row.pass_digest, copy_id = None, row.copy_id
    if copy_id:
        remove_copy(db, copy_id)
    with db.write() as tx:
        row = tx.get_one(Rehearsal, rehearsal_id)
        row.copy_id, row.ended_at, row.figures = None, now, _kept(result)
        row.state = State.BROKEN if result is None else State.PASSED if result.passed else State.FAILED
        audit.record(tx, now, "rehearsal.ended", actor=row.asked_by, object=row.id, state=row.state)


def _kept(result: Result | None) -> dict[str, Any]:
    return {} if result is None else result.model_dump()


def clear_away(db: Database, now: datetime) -> None:
    """What runs have left behind that died without a word."""
    with db.read() as tx:
        left = [row.id for row in overdue(tx, now)]
    for rehearsal_id in left:
        end(db, now, rehearsal_id, None)
