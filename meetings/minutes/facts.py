"""What the log says happened: the part of the minutes that nobody can edit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from meetings.agenda.models import Meeting, members_view
from meetings.agenda.rules import Stage
from meetings.attendance.models import bridges_view, quorum_view
from meetings.bodies.rules import LostBridge
from meetings.live import events
from meetings.live.log import Level, logged
from meetings.live.models import Event
from meetings.live.snapshot import Part
from meetings.live.views import (
    AttendanceView,
    BridgeView,
    ItemView,
    MeetingView,
    MemberView,
    PollView,
    QuorumView,
    SpeechView,
    View,
)
from meetings.minutes.models import Minutes
from meetings.voting.models import Ballot, counted_of


@dataclass(frozen=True, slots=True)
class Spoke:
    """`used` in seconds."""

    at: datetime
    member_id: str
    item_id: str | None
    kind: str
    used: int


@dataclass(slots=True)
class Outage:
    """While the house sat, nobody was heard from a bridge; it ends at the latest when the house rises."""

    bridge_id: str
    start: datetime
    end: datetime | None = None


class House(View):
    """Who belonged to the meeting at its close. The body's list goes on to change for its next meetings."""

    members: dict[str, MemberView]
    bridges: dict[str, BridgeView]
    quorum: QuorumView | None = None  # None: of before it was kept


def house_of(tx: Session, meeting_id: str) -> House:
    """As they were at the close of a meeting that is over, else as they are now."""
    if house := _kept(tx, meeting_id):
        return house
    members, bridges = members_view(tx, meeting_id, Level.DESK), bridges_view(tx, meeting_id)
    return House(members=members, bridges=bridges, quorum=quorum_view(tx, meeting_id))


def _kept(tx: Session, meeting_id: str) -> House | None:
    over = tx.get_one(Meeting, meeting_id).stage == Stage.CLOSED
    minutes = tx.get(Minutes, meeting_id) if over else None
    return House.model_validate(minutes.house) if minutes and minutes.house else None


def as_at_the_close(name: str, now: Part) -> Part:
    """A part of the snapshot that is the house's: once the meeting is over it is `now` no longer."""

    def part(tx: Session, meeting_id: str, level: Level) -> Any:
        house = _kept(tx, meeting_id)
        return getattr(house, name) if house and getattr(house, name) is not None else now(tx, meeting_id, level)

    return part


@dataclass
class Facts:
    """Members by id; lists in the order of the log. `roll` is the attendance when the meeting was opened."""

    meeting: MeetingView
    members: dict[str, MemberView]
    agenda: dict[str, ItemView] = field(default_factory=dict)
    roll: dict[str, AttendanceView] = field(default_factory=dict)
    came: dict[str, datetime] = field(default_factory=dict)  # since then, when first
    reasons: dict[str, str] = field(default_factory=dict)
    quorum: QuorumView | None = None
    entered: list[tuple[datetime, str]] = field(default_factory=list)
    spoke: list[Spoke] = field(default_factory=list)
    polls: list[PollView] = field(default_factory=list)
    adjourned: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    attendance: dict[str, AttendanceView] = field(default_factory=dict)
    bridges: dict[str, BridgeView] = field(default_factory=dict)
    lost_counts: bool = False  # members at a lost bridge count for the quorum
    outages: list[Outage] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # at this place of the log
    sitting: bool = False
    ballots: dict[str, list[Ballot]] = field(default_factory=dict)  # that count, by poll, in the order of names

    @property
    def voters(self) -> list[MemberView]:
        return [member for member in self.members.values() if member.votes]

    def present(self) -> list[MemberView]:
        return [one for one in self.voters if one.id in self.roll and self.roll[one.id].state == "present"]

    def missing(self) -> list[MemberView]:
        present = {member.id for member in self.present()}
        return [one for one in self.voters if one.id not in present]

    def gone(self) -> list[MemberView]:
        """Who had been there, and was not at the end."""
        at_the_end = {one.member_id for one in self.attendance.values() if one.state == "present"}
        there = {one.id for one in self.present()} | self.came.keys()
        return [one for one in self.voters if one.id in there - at_the_end]


def gather(tx: Session, meeting_id: str) -> Facts:
    """Read the whole log of a meeting in its order."""
    meeting = tx.get_one(Meeting, meeting_id)
    house = house_of(tx, meeting_id)
    facts = Facts(meeting=meeting.view(), members=house.members, bridges=house.bridges)
    facts.lost_counts = (meeting.lost_bridge or meeting.body.lost_bridge) == LostBridge.COUNTS
    opened = False
    for row in tx.scalars(select(Event).where(Event.meeting_id == meeting_id).order_by(Event.seq)):
        entry = logged(row)
        _take(facts, entry.event, entry.at)
        if isinstance(entry.event, events.MeetingOpened) and not opened:
            opened, facts.roll = True, dict(facts.attendance)
        if not opened and isinstance(entry.event, events.MemberCheckedIn | events.MemberMarked | events.BridgeStands):
            facts.quorum = entry.event.quorum
        elif isinstance(entry.event, events.MemberCheckedIn | events.MemberMarked):
            _take_arrival(facts, entry.event.attendance)
    places = {member_id: place for place, member_id in enumerate(facts.members)}
    for poll in facts.polls:
        cast = counted_of(tx, poll.id).values()
        facts.ballots[poll.id] = sorted(cast, key=lambda ballot: places.get(ballot.member_id, len(places)))
    return facts


def _take(facts: Facts, event: events.AnyEvent, at: datetime) -> None:
    match event:
        case events.AgendaChanged(agenda=agenda):
            facts.agenda = agenda
        case events.MemberCheckedIn(attendance=one):
            facts.attendance[one.member_id] = one
        case events.MemberMarked(attendance=one, reason=reason):
            facts.attendance[one.member_id] = one
            facts.reasons[one.member_id] = reason
        case events.ItemEntered(meeting=meeting) if meeting.current_item_id:
            facts.entered.append((at, meeting.current_item_id))
        case events.SpeechEnded(speech=speech):
            facts.spoke.append(_spoke(speech, at))
        case events.PollCounted(poll=poll):
            facts.polls.append(poll)
        case events.MeetingAdjourned():
            facts.adjourned.append((at, None))
        case events.MeetingOpened() if facts.adjourned:
            facts.adjourned[-1] = (facts.adjourned[-1][0], at)
        case _:
            pass
    _take_outage(facts, event, at)


def _take_arrival(facts: Facts, one: AttendanceView) -> None:
    before = facts.roll.get(one.member_id)
    if one.state == "present" and (before is None or before.state != "present"):
        facts.came.setdefault(one.member_id, one.at)


def _take_outage(facts: Facts, event: events.AnyEvent, at: datetime) -> None:
    """While the house sits; a bridge that is lost when it opens is lost from then on."""
    match event:
        case events.BridgeStands(type="bridge.lost", bridge=bridge):
            facts.lost.add(bridge.id)
            if facts.sitting:
                facts.outages.append(Outage(bridge.id, at))
        case events.BridgeStands(type="bridge.returned", bridge=bridge):
            facts.lost.discard(bridge.id)
            _end_outages(facts, at, bridge.id)
        case events.MeetingOpened():
            facts.sitting = True
            facts.outages += [Outage(bridge_id, at) for bridge_id in sorted(facts.lost)]
        case events.MeetingAdjourned() | events.MeetingClosed():
            facts.sitting = False
            _end_outages(facts, at)
        case _:
            pass


def _end_outages(facts: Facts, at: datetime, bridge_id: str | None = None) -> None:
    for outage in facts.outages:
        if outage.end is None and bridge_id in (None, outage.bridge_id):
            outage.end = at


def _spoke(speech: SpeechView, at: datetime) -> Spoke:
    return Spoke(at=at, member_id=speech.member_id, item_id=speech.item_id, kind=speech.kind, used=speech.used)
