import hmac
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.agenda.models import Meeting, members_view
from meetings.agenda.rules import Stage
from meetings.attendance.models import Attendance, DoorCode, bridges_view, quorum_of, quorum_view
from meetings.attendance.problems import CheckInClosed, WrongDoorCode
from meetings.bodies import actions as bodies
from meetings.bodies.models import Bridge, Member
from meetings.bodies.sheet import Row, RowError
from meetings.live import events, log
from meetings.live.log import Level
from meetings.live.views import AttendanceView
from shared import audit
from shared.ids import new_id, same
from shared.problems import NotFound

CHECK_IN = (Stage.PUBLISHED, Stage.OPEN, Stage.ADJOURNED)


def check_in(tx: Session, now: datetime, seat: Seat, door_code: str | None = None) -> None:
    """The member is here; by the tablet, or with the code of the QR at the door. Twice changes nothing."""
    meeting = _checking_in(tx, seat)
    if door_code is not None:
        known, bridge_id = tx.get(DoorCode, meeting.id), tx.get_one(Member, seat.member_id).bridge_id
        codes = [known.code, *([_code_of(known, bridge_id)] if bridge_id else [])] if known else []
        if not any(same(code, door_code) for code in codes):
            raise WrongDoorCode()
    row = tx.get(Attendance, (meeting.id, seat.member_id))
    if row is None or row.state != "present":
        view = _set(tx, now, meeting, seat.member_id, "present", "tablet" if door_code is None else "door")
        event = events.MemberCheckedIn(attendance=view, quorum=quorum_view(tx, meeting.id))
        log.append(tx, now, meeting.id, event, actor=seat.actor)


def mark(
    tx: Session, now: datetime, seat: Seat, member_id: str, state: str, reason: str, *, bridge_id: str | None = None
) -> None:
    """The secretary calls the roll: present, excused (with a reason) or absent; the lead of a bridge among its members."""
    meeting = _checking_in(tx, seat)
    member = tx.get(Member, member_id)
    if member is None or member.body_id != meeting.body_id or not member.active:
        raise NotFound()
    if bridge_id and member.bridge_id != bridge_id:
        raise NotFound()
    view = _set(tx, now, meeting, member_id, state, "roll_call")
    event = events.MemberMarked(attendance=view, quorum=quorum_view(tx, meeting.id), reason=reason)
    log.append(tx, now, meeting.id, event, actor=seat.actor)
    audit.record(tx, now, "member.marked", actor=seat.actor, object=member_id, state=state, meeting=meeting.id)


def open_meeting(tx: Session, now: datetime, seat: Seat) -> None:
    """The chair opens the meeting; refused without quorum."""
    agenda.open_meeting(tx, now, seat, quorum_of(tx, agenda.get_meeting(tx, seat.meeting_id)))


def door_code(tx: Session, seat: Seat, bridge_id: str | None = None) -> str:
    """The secret in the QR code at the door, made on first need; that at the door of a bridge is good for its members only."""
    agenda.get_meeting(tx, seat.meeting_id)  # its lock: two who ask for it first get the same
    known = tx.get(DoorCode, seat.meeting_id)
    if known is None:
        known = DoorCode(meeting_id=seat.meeting_id, code=new_id())
        tx.add(known)
    return _code_of(known, bridge_id) if bridge_id else known.code


def _code_of(door: DoorCode, bridge_id: str) -> str:
    return hmac.digest(door.code.encode(), bridge_id.encode(), "sha256").hex()[:32]


def _checking_in(tx: Session, seat: Seat) -> Meeting:
    meeting = agenda.get_meeting(tx, seat.meeting_id)
    if Stage(meeting.stage) not in CHECK_IN:
        raise CheckInClosed(stage=meeting.stage)
    return meeting


def _set(tx: Session, now: datetime, meeting: Meeting, member_id: str, state: str, how: str) -> AttendanceView:
    row = tx.merge(Attendance(meeting_id=meeting.id, member_id=member_id, state=state, how=how, at=now))
    tx.flush()
    return AttendanceView.model_validate(row)


def import_members(
    tx: Session, now: datetime, body_id: str, rows: list[Row], errors: list[RowError], actor: str
) -> tuple[int, int]:
    """Import into the body, and tell its meetings that are not yet over; (added, changed)."""
    done = bodies.import_members(tx, now, body_id, rows, errors, actor)
    tell_meetings(tx, now, body_id, actor)
    return done


def tell_meetings(tx: Session, now: datetime, body_id: str, actor: str) -> None:
    """Those of the body that are not yet over: who its members are, and what its bridges."""
    bridges = tx.scalars(select(Bridge.id).where(Bridge.body_id == body_id)).first() is not None
    for meeting in tx.scalars(
        select(Meeting).where(Meeting.body_id == body_id, Meeting.stage != Stage.CLOSED).with_for_update()
    ):
        log.drop_tickets(tx, meeting.id)
        members, quorum = members_view(tx, meeting.id, Level.DESK), quorum_view(tx, meeting.id)
        event: events.AnyEvent = events.MembersChanged(members=members, quorum=quorum)
        if bridges:
            event = events.BridgesChanged(bridges=bridges_view(tx, meeting.id), members=members, quorum=quorum)
        log.append(tx, now, meeting.id, event, actor=actor, level=meeting.seen_from)
