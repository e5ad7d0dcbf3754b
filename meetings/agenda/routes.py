from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from sqlalchemy import select

from meetings.access.door import SignedIn
from meetings.agenda import actions
from meetings.agenda.door import Conducting, Preparing, Seated, find_seat
from meetings.agenda.models import Meeting
from meetings.bodies.models import Member, is_seat_of
from meetings.bodies.rules import Role
from meetings.live import snapshot
from meetings.live.snapshot import Snapshot
from meetings.live.socket import issue_ticket
from meetings.live.views import MeetingView, View
from meetings.live.wire import WORDS, Wire
from shared.clock import Now
from shared.problems import Forbidden, NotFound
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings")
Title = Annotated[str, Field(min_length=1, max_length=500, pattern=WORDS)]
Start = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class MeetingPlan(Wire):
    title: Title
    kind: Literal["regular", "extraordinary", "thematic"] = "regular"
    place: Annotated[str, Field(max_length=300)] = ""
    starts_at: Start


class NewMeeting(MeetingPlan):
    body_id: Annotated[str, Field(max_length=64)]


class MeetingFields(Wire):
    title: Title | None = None
    kind: Literal["regular", "extraordinary", "thematic"] | None = None
    place: Annotated[str, Field(max_length=300)] | None = None
    starts_at: Start | None = None
    chair_id: Annotated[str, Field(max_length=64)] | None = None
    secretary_id: Annotated[str, Field(max_length=64)] | None = None


class MeetingChange(MeetingFields):
    """`was` is what the caller saw in the fields it changes: where one is another by now, nothing is changed."""

    was: MeetingFields = MeetingFields()


class ItemPlan(Wire):
    title: Title
    presenter: Annotated[str, Field(max_length=300)] = ""
    minutes: Annotated[int, Field(ge=0, le=1440)] | None = None


class NewItem(ItemPlan):
    parent_id: Annotated[str, Field(max_length=64)] | None = None


class ItemMove(Wire):
    parent_id: Annotated[str, Field(max_length=64)] | None
    position: Annotated[int, Field(ge=0, le=1000)]


class ItemRef(Wire):
    item_id: Annotated[str, Field(max_length=64)]


class Created(View):
    id: str


class MySeat(View):
    """What the caller is in this meeting, and so which screens and buttons there are."""

    member_id: str
    role: Role
    votes: bool
    is_chair: bool
    is_secretary: bool
    now: datetime  # the server's clock, to set the screen's by


class TicketAnswer(View):
    ticket: str


@router.get("")
def list_meetings(caller: SignedIn, tx: Read) -> list[MeetingView]:
    """The caller's meetings, newest first; drafts only for who prepares them."""
    mine = select(Member.body_id).where(is_seat_of(caller))
    found = tx.scalars(select(Meeting).where(Meeting.body_id.in_(mine)).order_by(Meeting.starts_at.desc()).limit(200))
    shown = []
    for meeting in found:
        try:
            find_seat(tx, caller, meeting.id)
        except NotFound:
            continue
        shown.append(meeting.view())
    return shown


@router.post("", status_code=201)
def create_meeting(caller: SignedIn, tx: Tx, now: Now, plan: NewMeeting) -> Created:
    """Open to the body's secretaries."""
    mine = select(Member).where(Member.body_id == plan.body_id, is_seat_of(caller))
    member = tx.scalars(mine).first()
    if member is None:
        raise NotFound()
    if member.role != Role.SECRETARY:
        raise Forbidden()
    meeting = actions.create_meeting(tx, now, actor=caller.subject, **plan.model_dump())
    return Created(id=meeting.id)


@router.get("/{meeting_id}")
def read_meeting(request: Request, seat: Seated) -> Snapshot:
    """The same snapshot that the socket gives, at the caller's level."""
    with request.app.state.db.read() as tx:
        return snapshot.take(tx, seat.meeting_id, seat.level)


@router.get("/{meeting_id}/seat")
def my_seat(seat: Seated, now: Now) -> MySeat:
    return MySeat(
        member_id=seat.member_id,
        role=seat.role,
        votes=seat.votes,
        is_chair=seat.is_chair,
        is_secretary=seat.is_secretary,
        now=now,
    )


@router.post("/{meeting_id}/ticket", status_code=201)
async def get_ticket(request: Request, seat: Seated, now: Now) -> TicketAnswer:
    """One entry to the live socket, within a minute. Thousands ask at once after a cut: they share transactions."""
    to_issue = partial(issue_ticket, instant=now, meeting_id=seat.meeting_id, sid=seat.caller.sid, member_id=seat.member_id)
    return TicketAnswer(ticket=await request.app.state.front.tickets.run(partial(to_issue, level=seat.level)))


@router.patch("/{meeting_id}", status_code=204)
def change_meeting(seat: Preparing, tx: Tx, now: Now, change: MeetingChange) -> None:
    was = change.was.model_dump(exclude_unset=True)
    actions.change_meeting(tx, now, seat, was, **change.model_dump(exclude_none=True, exclude={"was"}))


@router.post("/{meeting_id}/items", status_code=201)
def add_item(seat: Preparing, tx: Tx, now: Now, plan: NewItem) -> Created:
    return Created(id=actions.add_item(tx, now, seat, **plan.model_dump()))


@router.put("/{meeting_id}/items/{item_id}", status_code=204)
def change_item(seat: Preparing, tx: Tx, now: Now, item_id: str, plan: ItemPlan) -> None:
    actions.change_item(tx, now, seat, item_id, **plan.model_dump())


@router.post("/{meeting_id}/enter", status_code=204)
def enter_item(seat: Conducting, tx: Tx, now: Now, item: ItemRef) -> None:
    actions.enter_item(tx, now, seat, item.item_id)
