from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, UploadFile
from pydantic import Field, StringConstraints
from sqlalchemy import select

from docs_store.tables import read_table
from meetings.agenda.routes import Created
from meetings.attendance import actions as attendance
from meetings.attendance.models import bridges_view
from meetings.attendance.routes import ImportDone, Mark, door_svg
from meetings.bodies.models import Bridge, Member, bridges_of
from meetings.bodies.routes import XLSX, Managing
from meetings.bodies.rules import LostBridge
from meetings.bodies.sheet import RowError
from meetings.bridges import actions
from meetings.bridges.door import Leading, Noting, Watching
from meetings.bridges.models import notes_of, readings_of, trail
from meetings.bridges.rules import KEPT
from meetings.bridges.sheet import BridgeRow, empty_form, read_rows
from meetings.live.frames import BridgeHealth
from meetings.live.log import Level
from meetings.live.views import BridgeView, View
from meetings.live.wire import WORDS, Wire
from shared.clock import Now
from shared.problems import NotFound
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}/bridges/{bridge_id}")
bodies_router = APIRouter(prefix="/api/bodies/{body_id}")


class BridgePlan(Wire):
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=WORDS)]
    short: Annotated[str, Field(max_length=200)] = ""  # empty: the name
    cluster: Annotated[str, Field(max_length=200)] = ""
    lead_username: Annotated[str, StringConstraints(max_length=64, strip_whitespace=True, to_lower=True)] = ""
    phone: Annotated[str, Field(max_length=200)] = ""

    def row(self) -> BridgeRow:
        return BridgeRow(**{name: getattr(self, name) for name in BridgePlan.model_fields})


class BridgeChange(BridgePlan):
    active: bool = True


class RuleChange(Wire):
    lost_bridge: LostBridge


class BodyBridge(View):
    """A bridge in the list of its body."""

    id: str
    name: str
    short: str
    cluster: str
    lead_username: str
    phone: str
    place: int
    members: int  # who sit there


class BridgePreview(View):
    """What the file would do; nothing is stored yet."""

    rows: list[BridgeRow]
    errors: list[RowError]
    new: int
    known: int


class ReadingView(View):
    """What was heard of the bridge: members online, and the median delay in ms."""

    at: datetime
    online: int
    delay: int | None


class BridgeNoteView(View):
    id: str
    at: datetime
    by: str  # full name
    text: str


class BridgeDetail(View):
    """One bridge for the desk and its lead. Telephone and notes are the desk's; `online`: members, by any process."""

    bridge: BridgeView
    health: BridgeHealth
    phone: str | None
    readings: list[ReadingView]  # of the last half hour, one each 15 s while somebody was online
    notes: list[BridgeNoteView]
    online: list[str]


class NewNote(Wire):
    text: Annotated[str, Field(min_length=1, max_length=1000, pattern=WORDS)]


@router.get("")
def read_bridge(request: Request, post: Watching, tx: Read, now: Now) -> BridgeDetail:
    seat, bridge_id, of_all = post.seat, post.bridge.id, request.app.state.health
    bridge = bridges_view(tx, seat.meeting_id).get(bridge_id)
    if bridge is None:  # closed since it was found at the door
        raise NotFound()
    health, online = of_all.one(tx, seat.meeting_id, bridge_id, now)
    readings = trail(readings_of(tx, seat.meeting_id, bridge_id, now - KEPT))
    desk = seat.level >= Level.DESK
    notes = notes_of(tx, seat.meeting_id, bridge_id) if desk else []
    return BridgeDetail(
        bridge=bridge,
        phone=post.bridge.phone if desk else None,
        health=health,
        readings=[ReadingView(at=at, online=n, delay=delay) for at, n, delay in readings],
        notes=[BridgeNoteView(id=note.id, at=note.at, by=name, text=note.text) for note, name in notes],
        online=sorted(online),
    )


@router.put("/attendance/{member_id}", status_code=204)
def mark_at_bridge(post: Leading, tx: Tx, now: Now, member_id: str, mark: Mark) -> None:
    """The lead, or the secretary, calls the roll of the bridge's members."""
    attendance.mark(tx, now, post.seat, member_id, mark.state, mark.reason, bridge_id=post.bridge.id)


@router.post("/roll", status_code=204)
def close_roll(post: Leading, tx: Tx, now: Now) -> None:
    actions.close_roll(tx, now, post.seat, post.bridge.id)


@router.post("/notes", status_code=204)
def write_note(post: Noting, tx: Tx, now: Now, note: NewNote) -> None:
    actions.note(tx, now, post.seat, post.bridge.id, note.text)


@router.get("/door.svg")
def bridge_door_qr(request: Request, post: Leading, tx: Tx) -> Response:
    """The QR code for the door of this bridge; it lets in its members only."""
    code = attendance.door_code(tx, post.seat, post.bridge.id)
    return door_svg(request, post.seat.meeting_id, code)


# --- the body's list ---


def _uploaded(_caller: Managing, file: UploadFile) -> tuple[list[BridgeRow], list[RowError]]:
    return read_rows(read_table(file.file.read()))


Uploaded = Annotated[tuple[list[BridgeRow], list[RowError]], Depends(_uploaded)]


@bodies_router.get("/bridges")
def list_bridges(_caller: Managing, tx: Read, body_id: str) -> list[BodyBridge]:
    seats = list(tx.scalars(select(Member.bridge_id).where(Member.body_id == body_id, Member.active)))
    return [
        BodyBridge(
            **{name: getattr(bridge, name) for name in ("id", "name", "short", "cluster", "lead_username", "phone")},
            place=place,
            members=seats.count(bridge.id),
        )
        for place, bridge in bridges_of(tx, body_id)
    ]


@bodies_router.put("/lost-bridge", status_code=204)
def change_rule(caller: Managing, tx: Tx, now: Now, body_id: str, change: RuleChange) -> None:
    """What a lost bridge does to the quorum; refused while a meeting of the body sits."""
    actions.change_rule(tx, now, body_id, change.lost_bridge, caller.subject)


@bodies_router.get("/bridges.xlsx")
def bridge_form(_caller: Managing) -> Response:
    """The empty form for the import."""
    headers = {"Content-Disposition": 'attachment; filename="diem-cau.xlsx"'}
    return Response(empty_form(), media_type=XLSX, headers=headers)


@bodies_router.post("/bridges", status_code=201)
def add_bridge(caller: Managing, tx: Tx, now: Now, body_id: str, plan: BridgePlan) -> Created:
    return Created(id=actions.add_bridge(tx, now, body_id, plan.row(), caller.subject))


@bodies_router.put("/bridges/{bridge_id}", status_code=204)
def change_bridge(caller: Managing, tx: Tx, now: Now, body_id: str, bridge_id: str, change: BridgeChange) -> None:
    """With `active` false the bridge is closed, and its members are in the hall."""
    actions.change_bridge(tx, now, body_id, bridge_id, change.row(), caller.subject, active=change.active)


@bodies_router.post("/bridges/preview")
def preview_bridges(_caller: Managing, sheet: Uploaded, tx: Read, body_id: str) -> BridgePreview:
    rows, errors = sheet
    names = {name.casefold() for name in tx.scalars(select(Bridge.name).where(Bridge.body_id == body_id))}
    old = sum(row.name.casefold() in names for row in rows)
    return BridgePreview(rows=rows, errors=errors, new=len(rows) - old, known=old)


@bodies_router.post("/bridges/import")
def import_bridges(caller: Managing, sheet: Uploaded, tx: Tx, now: Now, body_id: str) -> ImportDone:
    """All rows or none."""
    added, changed = actions.import_bridges(tx, now, body_id, *sheet, caller.subject)
    return ImportDone(added=added, changed=changed)
