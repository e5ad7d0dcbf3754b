from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.agenda.models import Meeting
from meetings.bodies.models import voters_of
from meetings.bodies.rules import Quorum, quorum
from meetings.live.log import Level
from meetings.live.views import AttendanceView, QuorumView
from shared.db import Base


class Attendance(Base):
    """Where a member is now; no row means that nothing is known yet, which counts as absent."""

    __tablename__ = "attendance"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), primary_key=True)
    state: Mapped[str]
    how: Mapped[str]
    at: Mapped[datetime]


class DoorCode(Base):
    """The secret of the QR code at the door; shown to the desk alone, so it is stored as it is."""

    __tablename__ = "door_code"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    code: Mapped[str]


def present_of(tx: Session, meeting_id: str) -> set[str]:
    """Ids of the members who are here, with or without a vote."""
    here = select(Attendance.member_id).where(Attendance.meeting_id == meeting_id, Attendance.state == "present")
    return set(tx.scalars(here))


def quorum_of(tx: Session, meeting: Meeting) -> Quorum:
    """By the body's rule, over all its members with a vote."""
    voters = {member.id for member in voters_of(tx, meeting.body_id)}
    return quorum(meeting.body.quorum_share, len(voters), len(voters & present_of(tx, meeting.id)))


def quorum_view(tx: Session, meeting_id: str, _level: Level = Level.GUEST) -> QuorumView:
    return QuorumView.model_validate(quorum_of(tx, tx.get_one(Meeting, meeting_id)))


def attendance_view(tx: Session, meeting_id: str, _level: Level) -> dict[str, AttendanceView]:
    rows = tx.scalars(select(Attendance).where(Attendance.meeting_id == meeting_id))
    return {row.member_id: AttendanceView.model_validate(row) for row in rows}
