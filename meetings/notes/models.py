from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Text, cast, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.papers.models import Paper
from shared.db import Base


class Note(Base):
    """One stroke group, highlight or remark. Deleting leaves a tombstone, so that two devices agree."""

    __tablename__ = "note"

    id: Mapped[str] = mapped_column(primary_key=True)  # chosen by the device
    paper_id: Mapped[str] = mapped_column(ForeignKey("paper.id"), index=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("member.id"), index=True)
    version: Mapped[int]
    page: Mapped[int]  # from 0
    kind: Mapped[str]
    strokes: Mapped[list[Any]] = mapped_column(JSON)
    quads: Mapped[list[Any]] = mapped_column(JSON)
    at: Mapped[list[int] | None] = mapped_column(JSON)
    color: Mapped[str]
    width: Mapped[int]
    text: Mapped[str]
    shared: Mapped[bool]
    deleted: Mapped[bool]
    rev: Mapped[int]
    modified_at: Mapped[datetime]


def notes_on(tx: Session, paper_id: str, member_id: str) -> list[Note]:
    """The member's own notes with their tombstones, and what others share."""
    seen = or_(Note.author_id == member_id, Note.shared & Note.deleted.is_(False))
    return list(tx.scalars(select(Note).where(Note.paper_id == paper_id, seen).order_by(Note.page, Note.modified_at)))


def room_taken(tx: Session, paper_id: str, member_id: str) -> int:
    """By the member's own notes and tombstones on a paper, in signs; each change of one counts as a thousand."""
    signs = [func.length(cast(part, Text)) for part in (Note.strokes, Note.quads, Note.text)]
    taken = func.sum(1000 * Note.rev + sum(signs[1:], signs[0]))
    return tx.scalar(select(taken).where(Note.paper_id == paper_id, Note.author_id == member_id)) or 0


def notes_by(tx: Session, meeting_id: str, member_id: str) -> list[Note]:
    mine = select(Note).join(Paper).where(Paper.meeting_id == meeting_id, Note.author_id == member_id)
    return list(tx.scalars(mine.where(Note.deleted.is_(False)).order_by(Note.paper_id, Note.page)))
