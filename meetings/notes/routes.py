from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal, cast

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy.orm import Session

from docs_store.routes import content_disposition
from meetings.agenda.door import Delegated, Seat
from meetings.bodies.models import Member
from meetings.live.views import View
from meetings.live.wire import Wire
from meetings.notes import actions
from meetings.notes.models import Note, notes_by, notes_on
from meetings.papers.actions import find_open
from meetings.papers.door import Shelf
from shared.clock import Now
from shared.transactions import Read, Tx
from shared.words import fold

if TYPE_CHECKING:
    from docs_store.annotations import NoteMark

router = APIRouter(prefix="/api/meetings/{meeting_id}")
Place = Annotated[int, Field(ge=-200_000, le=200_000)]  # tenths of a point, unrotated PDF user space
Point = Annotated[list[Place], Field(min_length=3, max_length=3)]  # x, y, pressure 0..100
Stroke = Annotated[list[Point], Field(min_length=1, max_length=5000)]
Quad = Annotated[list[Place], Field(min_length=8, max_length=8)]
Kind = Literal["ink", "highlight", "text"]
NoteId = Annotated[str, Path(pattern=r"^[0-9a-f-]{32,36}$")]


class NoteBody(Wire):
    version: Annotated[int, Field(ge=1, le=100_000)]
    page: Annotated[int, Field(ge=0, le=100_000)]
    kind: Kind
    strokes: Annotated[list[Stroke], Field(max_length=200, default_factory=list)]
    quads: Annotated[list[Quad], Field(max_length=500, default_factory=list)]
    at: Annotated[list[Place], Field(min_length=2, max_length=2)] | None = None
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#1E4C9A"
    width: Annotated[int, Field(ge=1, le=400)] = 15
    text: Annotated[str, Field(max_length=5000)] = ""
    shared: bool = False
    deleted: bool = False
    rev: Annotated[int, Field(ge=0)] = 0


class NoteView(View):
    id: str
    paper_id: str
    version: int
    page: int
    kind: Kind
    strokes: list[list[list[int]]]
    quads: list[list[int]]
    at: list[int] | None
    color: str
    width: int
    text: str
    shared: bool
    deleted: bool
    rev: int
    author_id: str
    mine: bool
    modified_at: datetime


def _view(note: Note, seat: Seat) -> NoteView:
    own = {name: getattr(note, name) for name in NoteView.model_fields if name != "mine"}
    return NoteView(**own, mine=note.author_id == seat.member_id)


@router.get("/papers/{paper_id}/notes")
def list_notes(seat: Delegated, tx: Read, now: Now, paper_id: str) -> list[NoteView]:
    """The caller's own, tombstones too, and what others share."""
    paper = find_open(tx, now, seat, paper_id, None)[0]
    return [_view(note, seat) for note in notes_on(tx, paper.id, seat.member_id)]


@router.put("/papers/{paper_id}/notes/{note_id}")
def put_note(seat: Delegated, tx: Tx, now: Now, paper_id: str, note_id: NoteId, body: NoteBody) -> NoteView:
    return _view(actions.put_note(tx, now, seat, paper_id, note_id, body.model_dump()), seat)


@router.get("/notes")
def my_notes(seat: Delegated, tx: Read, q: Annotated[str, Query(max_length=100)] = "") -> list[NoteView]:
    """The caller's notes over all papers of the meeting; `q` searches their words without tone marks."""
    return [_view(note, seat) for note in notes_by(tx, seat.meeting_id, seat.member_id) if fold(q) in fold(note.text)]


@router.get("/papers/{paper_id}/copy")
def annotated_copy(
    request: Request, seat: Delegated, store: Shelf, now: Now, paper_id: str, version: int | None = None
) -> Response:
    """A copy of the paper in which the caller's notes, and the shared ones, are PDF annotations (ISO 32000-2, 12.5)."""
    from docs_store.annotations import annotate  # pypdf, which no other request needs

    with request.app.state.db.read() as tx:
        paper, found = find_open(tx, now, seat, paper_id, version)
        marks = _marks(tx, seat, paper.id, found.number)
    copy = annotate(b"".join(store.read(found.sha256, 0, found.size)), marks)
    name = content_disposition("attachment", f"{paper.title} - ghi chú.pdf")
    return Response(copy, media_type="application/pdf", headers={"Content-Disposition": name})


def _marks(tx: Session, seat: Seat, paper_id: str, version: int) -> "list[NoteMark]":
    from docs_store.annotations import MAX_POINTS, NoteMark

    notes = [note for note in notes_on(tx, paper_id, seat.member_id) if not note.deleted and note.version == version]
    # One's own first; of the others', what else there is room for.
    notes.sort(key=lambda note: note.author_id != seat.member_id)
    inked = accumulate(sum(map(len, note.strokes)) for note in notes)
    return [
        NoteMark(
            id=note.id,
            page=note.page,
            kind=cast(Kind, note.kind),
            strokes=note.strokes,
            quads=note.quads,
            at=note.at or (0, 0),
            color=note.color,
            width=note.width,
            text=note.text,
            author=tx.get_one(Member, note.author_id).full_name,
            modified=note.modified_at,
        )
        for note, points in zip(notes, inked, strict=True)
        if points <= MAX_POINTS or note.author_id == seat.member_id
    ]
