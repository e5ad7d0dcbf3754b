from io import BytesIO
from typing import Annotated, Literal

import segno
from fastapi import APIRouter, Request, Response
from pydantic import Field

from meetings.agenda.door import Conducting, Delegated, Preparing
from meetings.attendance import actions
from meetings.bodies.routes import Managing, Uploaded
from meetings.live.views import View
from meetings.live.wire import Wire
from shared.clock import Now
from shared.transactions import Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}")
members_router = APIRouter(prefix="/api/bodies/{body_id}")


class ImportDone(View):
    added: int
    changed: int


class CheckIn(Wire):
    door_code: Annotated[str, Field(max_length=64)] | None = None


class Mark(Wire):
    state: Literal["present", "excused", "absent"]
    reason: Annotated[str, Field(max_length=500)] = ""


@router.post("/check-in", status_code=204)
def check_in(seat: Delegated, tx: Tx, now: Now, how: CheckIn) -> None:
    actions.check_in(tx, now, seat, how.door_code)


@router.put("/attendance/{member_id}", status_code=204)
def mark(seat: Preparing, tx: Tx, now: Now, member_id: str, mark: Mark) -> None:
    actions.mark(tx, now, seat, member_id, mark.state, mark.reason)


@router.post("/open", status_code=204)
def open_meeting(seat: Conducting, tx: Tx, now: Now) -> None:
    actions.open_meeting(tx, now, seat)


@router.get("/door.svg")
def door_qr(request: Request, seat: Preparing, tx: Tx) -> Response:
    """The QR code for the door: the address under which a signed-in member checks in."""
    return door_svg(request, seat.meeting_id, actions.door_code(tx, seat))


def door_svg(request: Request, meeting_id: str, code: str) -> Response:
    address = f"{request.app.state.settings.public_url}/check-in/{meeting_id}#{code}"
    svg = BytesIO()
    segno.make(address, error="m").save(svg, kind="svg", scale=8, border=4, dark="#1C1A16", light="#FFFFFF")
    return Response(svg.getvalue(), media_type="image/svg+xml")


@members_router.post("/members/import")
def import_members(caller: Managing, sheet: Uploaded, tx: Tx, now: Now, body_id: str) -> ImportDone:
    """All rows or none. It stands here because it changes the quorum of the body's meetings."""
    rows, errors = sheet
    added, changed = actions.import_members(tx, now, body_id, rows, errors, caller.subject)
    return ImportDone(added=added, changed=changed)
