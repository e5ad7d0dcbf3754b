from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.live import events, log
from meetings.notes.models import Note, room_taken
from meetings.notes.problems import NoteConflict, NoteEmpty, NotePageMissing, NotesFull
from meetings.papers.actions import find_open
from meetings.papers.models import Paper
from shared.audit import canonical
from shared.db import lock
from shared.problems import NotFound
from shared.words import nfc

MOST = 8_000_000  # signs, see `room_taken`: twice the ink that a copy takes, and eight thousand changes are as much
WHAT_MAKES_IT = {"ink": "strokes", "highlight": "quads", "text": "at"}


def put_note(tx: Session, now: datetime, seat: Seat, paper_id: str, note_id: str, body: dict[str, Any]) -> Note:
    """Store a note as its author's device has it. `rev` is what the device knew: 0 for a new one.

    The same body again changes nothing; an older `rev` with another body is a conflict and changes nothing either. Once
    the meeting is closed nothing is shared any more, but may still be taken back. When the room for the author's notes on this
    paper is used up, only what makes one shorter is taken, as deleting does.
    """
    rev = body.pop("rev")
    body["text"] = nfc(body["text"])
    paper, version = find_open(tx, now, seat, paper_id, body["version"])
    if not body["deleted"] and not body[WHAT_MAKES_IT[body["kind"]]]:
        raise NoteEmpty(kind=body["kind"])
    if body["page"] >= version.pages:
        raise NotePageMissing(pages=version.pages)
    lock(tx, f"note:{note_id}")  # a new note has no row to lock, and two devices may send it at once
    note = tx.get(Note, note_id)
    known, fresh = canonical({name: getattr(note, name) for name in body}) if note else b"", canonical(body)
    if note is None:
        note = Note(id=note_id, paper_id=paper.id, author_id=seat.member_id, rev=0, shared=False)
        tx.add(note)
    elif note.author_id != seat.member_id or note.paper_id != paper.id:
        raise NotFound()
    elif known == fresh:
        return note
    elif rev != note.rev:
        raise NoteConflict(note=as_facts(note))
    was_shared = note.shared
    for name, value in body.items():
        setattr(note, name, value)
    note.rev, note.modified_at = note.rev + 1, now
    tx.flush()
    if len(fresh) >= len(known) and room_taken(tx, paper.id, seat.member_id) > MOST:
        raise NotesFull()
    if note.shared or was_shared:
        _tell(tx, now, seat, paper, note)
    return note


def _tell(tx: Session, now: datetime, seat: Seat, paper: Paper, note: Note) -> None:
    if note.shared and not note.deleted:
        agenda.get_unclosed(tx, paper.meeting_id)
    event = events.NoteShared(paper_id=paper.id, note_id=note.id)
    log.append(tx, now, paper.meeting_id, event, actor=seat.actor, level=paper.level)


def as_facts(note: Note) -> dict[str, Any]:
    """The note as plain JSON."""
    facts = {column.key: getattr(note, column.key) for column in Note.__table__.columns}
    return facts | {"modified_at": note.modified_at.isoformat()}
