from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, func, or_, select, true
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.agenda.models import Meeting
from meetings.bodies.models import Member, bridges_of, count_voters
from meetings.bodies.rules import LostBridge, Quorum, quorum
from meetings.live.log import Level
from meetings.live.views import AttendanceView, BridgeRoll, BridgeView, QuorumView
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


class BridgeLine(Base):
    """Where a bridge stands in a meeting, and how its roll was closed; no row means that nobody has come there yet."""

    __tablename__ = "bridge_line"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    bridge_id: Mapped[str] = mapped_column(ForeignKey("bridge.id"), primary_key=True)
    state: Mapped[str] = mapped_column(default="waiting")
    since: Mapped[datetime | None]
    rolled_at: Mapped[datetime | None]
    rolled_by: Mapped[str | None]
    rolled_present: Mapped[int | None]
    rolled_total: Mapped[int | None]

    @property
    def roll(self) -> BridgeRoll | None:
        if self.rolled_at is None:
            return None
        return BridgeRoll(present=self.rolled_present or 0, total=self.rolled_total or 0, at=self.rolled_at)


def has_checked_in(tx: Session, meeting_id: str, member_id: str) -> bool:
    row = tx.get(Attendance, (meeting_id, member_id))
    return row is not None and row.state == "present"


def _heard(tx: Session, meeting: Meeting) -> ColumnElement[bool]:
    """Of a member: not at a bridge that is lost, where by the body's rule such members do not count."""
    lost: list[str] = []
    if meeting.body.lost_bridge != LostBridge.COUNTS:
        lines = select(BridgeLine.bridge_id).where(BridgeLine.meeting_id == meeting.id, BridgeLine.state == "lost")
        lost = list(tx.scalars(lines))
    return or_(Member.bridge_id.is_(None), Member.bridge_id.not_in(lost)) if lost else true()


def present_of(tx: Session, meeting_id: str) -> set[str]:
    """Ids of the members who are here, with or without a vote; by the body's rule without those at lost bridges."""
    here = select(Attendance.member_id).join(Member, Member.id == Attendance.member_id)
    here = here.where(Attendance.meeting_id == meeting_id, Attendance.state == "present")
    return set(tx.scalars(here.where(_heard(tx, tx.get_one(Meeting, meeting_id)))))


def quorum_of(tx: Session, meeting: Meeting) -> Quorum:
    """By the body's rule, over all its members with a vote. Counted by the database: it is asked at each check-in."""
    here = select(func.count()).select_from(Attendance).join(Member, Member.id == Attendance.member_id)
    here = here.where(Attendance.meeting_id == meeting.id, Attendance.state == "present", Member.active, Member.votes)
    present = tx.execute(here.where(_heard(tx, meeting))).scalar_one()
    return quorum(meeting.body.quorum_share, count_voters(tx, meeting.body_id), present)


def quorum_view(tx: Session, meeting_id: str, _level: Level = Level.GUEST) -> QuorumView:
    return QuorumView.model_validate(quorum_of(tx, tx.get_one(Meeting, meeting_id)))


def attendance_view(tx: Session, meeting_id: str, _level: Level) -> dict[str, AttendanceView]:
    rows = tx.scalars(select(Attendance).where(Attendance.meeting_id == meeting_id))
    return {row.member_id: AttendanceView.model_validate(row) for row in rows}


def bridges_view(tx: Session, meeting_id: str, _level: Level = Level.GUEST) -> dict[str, BridgeView]:
    body_id = tx.get_one(Meeting, meeting_id).body_id
    bridges = bridges_of(tx, body_id)
    if not bridges:
        return {}
    lines = {line.bridge_id: line for line in tx.scalars(select(BridgeLine).where(BridgeLine.meeting_id == meeting_id))}
    names = {bridge.lead_username for _, bridge in bridges if bridge.lead_username}
    leads = select(Member.username, Member.id).where(Member.body_id == body_id, Member.active, Member.username.in_(names))
    ids: dict[str, str] = dict(tx.execute(leads).all())
    return {
        bridge.id: BridgeView.model_validate(
            {
                **{name: getattr(bridge, name) for name in ("id", "name", "short", "cluster")},
                "place": place,
                "lead_id": ids.get(bridge.lead_username),
                "state": line.state if (line := lines.get(bridge.id)) else "waiting",
                "since": line.since if line else None,
                "roll": line.roll if line else None,
            }
        )
        for place, bridge in bridges
    }
