from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, UploadFile
from pydantic import Field
from sqlalchemy import select

from docs_store.tables import read_table
from meetings.access.door import Administering, Administers, SignedIn
from meetings.bodies import actions
from meetings.bodies.models import Body, Member, bridge_names, is_seat_of, members_of, views
from meetings.bodies.rules import REHEARSAL, Kind, LostBridge, Role, Share
from meetings.bodies.sheet import Row, RowError, empty_form, read_rows
from meetings.live.views import MemberView, View
from meetings.live.wire import WORDS, Wire
from shared.caller import Caller
from shared.clock import Now
from shared.problems import Forbidden, NotFound
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/bodies")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _managing(request: Request, caller: SignedIn, administers: Administers, body_id: str) -> Caller:
    """An administrator, or the body's own secretary."""
    with request.app.state.db.read() as tx:
        mine = select(Member).where(Member.body_id == body_id, is_seat_of(caller))
        member = tx.scalars(mine).first()
        body = tx.get(Body, body_id)
        if body is None or body.kind == REHEARSAL or not (member or administers):
            raise NotFound()
        if member and member.role != Role.SECRETARY and not administers:
            raise Forbidden()
    return caller


Managing = Annotated[Caller, Depends(_managing)]


def _uploaded(request: Request, _caller: Managing, body_id: str, file: UploadFile) -> tuple[list[Row], list[RowError]]:
    with request.app.state.db.read() as tx:
        bridges = bridge_names(tx, body_id)
    return read_rows(read_table(file.file.read()), bridges)


# The rows of an uploaded spreadsheet; parsed before the transaction begins that takes them.
Uploaded = Annotated[tuple[list[Row], list[RowError]], Depends(_uploaded)]


class NewBody(Wire):
    name: Annotated[str, Field(min_length=1, max_length=300, pattern=WORDS)]
    kind: Kind
    lost_bridge: LostBridge | None = None  # None: as is usual for its kind


class BodyView(View):
    id: str
    name: str
    kind: Kind
    quorum: Share
    majority: Share
    chair_breaks_tie: bool
    lost_bridge: LostBridge
    my_role: Role | None


class ImportPreview(View):
    """What the file would do; nothing is stored yet."""

    rows: list[Row]
    errors: list[RowError]
    new: int
    known: int


@router.get("")
def list_bodies(caller: SignedIn, administers: Administers, tx: Read) -> list[BodyView]:
    """The caller's bodies; an administrator sees all."""
    mine = {member.body_id: Role(member.role) for member in tx.scalars(select(Member).where(is_seat_of(caller)))}
    found = [
        body
        for body in tx.scalars(select(Body).where(Body.kind != REHEARSAL).order_by(Body.name))
        if administers or body.id in mine
    ]
    return [
        BodyView.model_validate(
            {**{name: getattr(body, name, None) for name in BodyView.model_fields}, "my_role": mine.get(body.id)}
        )
        for body in found
    ]


@router.post("", status_code=201)
def create_body(caller: Administering, tx: Tx, now: Now, body: NewBody) -> BodyView:
    made = actions.create_body(tx, now, name=body.name, kind=body.kind, lost_bridge=body.lost_bridge, actor=caller.subject)
    return BodyView.model_validate({**{name: getattr(made, name, None) for name in BodyView.model_fields}, "my_role": None})


@router.get("/{body_id}/members")
def list_members(_caller: Managing, tx: Read, body_id: str) -> list[MemberView]:
    return list(views(tx, body_id).values())


@router.get("/{body_id}/members.xlsx")
def member_form(_caller: Managing) -> Response:
    """The empty form for the import."""
    headers = {"Content-Disposition": 'attachment; filename="thanh-vien.xlsx"'}
    return Response(empty_form(), media_type=XLSX, headers=headers)


@router.post("/{body_id}/members/preview")
def preview_import(_caller: Managing, sheet: Uploaded, tx: Read, body_id: str) -> ImportPreview:
    rows, errors = sheet
    known = {member.username for member in members_of(tx, body_id)}
    old = sum(row.username in known for row in rows)
    return ImportPreview(
        rows=rows,
        errors=errors,
        new=len(rows) - old,
        known=old,
    )
