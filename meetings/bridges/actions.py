from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.agenda.models import Meeting
from meetings.agenda.rules import Stage
from meetings.attendance.actions import CHECK_IN, tell_meetings
from meetings.attendance.models import Attendance, BridgeLine, bridges_view, quorum_view
from meetings.attendance.problems import CheckInClosed
from meetings.bodies.models import Body, Bridge, Member
from meetings.bodies.problems import RowsInvalid
from meetings.bodies.rules import LostBridge
from meetings.bodies.sheet import RowError
from meetings.bridges.models import BridgeHeard, BridgeNote, BridgeReading
from meetings.bridges.problems import BodyIsSitting, BridgeNameTaken
from meetings.bridges.rules import FRESH, KEPT, LOST_AFTER, BridgeState, Heard, is_watched
from meetings.bridges.sheet import BridgeRow
from meetings.live import events, log
from meetings.live.log import Level
from shared import audit
from shared.ids import new_id
from shared.problems import NotFound
from shared.words import nfc

# --- the list, which is the body's ---


def add_bridge(tx: Session, now: datetime, body_id: str, row: BridgeRow, actor: str) -> str:
    """A new remote room, after all others of the body; its id."""
    number = _next_number(tx, body_id)
    _free(tx, body_id, row.name)
    bridge = _new(body_id, number, row)
    tx.add(bridge)
    tx.flush()
    _changed(tx, now, bridge, actor)
    return bridge.id


def change_bridge(
    tx: Session, now: datetime, body_id: str, bridge_id: str, row: BridgeRow, actor: str, *, active: bool
) -> None:
    """Members of a bridge that is closed are in the hall."""
    tx.get_one(Body, body_id, with_for_update=True)
    bridge = tx.get(Bridge, bridge_id)
    if bridge is None or bridge.body_id != body_id:
        raise NotFound()
    _free(tx, body_id, row.name, bridge_id)
    _fill(bridge, row)
    bridge.active = active
    if not active:
        tx.execute(update(Member).where(Member.bridge_id == bridge_id).values(bridge_id=None))
    tx.flush()
    _changed(tx, now, bridge, actor)


def import_bridges(
    tx: Session, now: datetime, body_id: str, rows: list[BridgeRow], errors: list[RowError], actor: str
) -> tuple[int, int]:
    """Add new bridges and bring known ones (by name) up to date; (added, changed). All rows or none."""
    if errors:
        raise RowsInvalid(errors=[error.__dict__ for error in errors])
    number = _next_number(tx, body_id)
    known = {bridge.name.casefold(): bridge for bridge in tx.scalars(select(Bridge).where(Bridge.body_id == body_id))}
    added = 0
    for row in rows:
        if bridge := known.get(row.name.casefold()):
            _fill(bridge, row)
            bridge.active = True
        else:
            tx.add(_new(body_id, number + added, row))
            added += 1
    tx.flush()
    audit.record(tx, now, "bridges.imported", actor=actor, object=body_id, added=added, changed=len(rows) - added)
    tell_meetings(tx, now, body_id, actor)
    return added, len(rows) - added


def change_rule(tx: Session, now: datetime, body_id: str, rule: LostBridge, actor: str) -> None:
    """Whether members at a lost bridge count as present; never in the middle of a meeting."""
    body = tx.get_one(Body, body_id, with_for_update=True)
    meetings = tx.scalars(select(Meeting).where(Meeting.body_id == body_id).with_for_update())
    for meeting in meetings:  # held, so that none is opened meanwhile
        if meeting.stage in (Stage.OPEN, Stage.ADJOURNED):
            raise BodyIsSitting(title=meeting.title)
    body.lost_bridge = rule
    tx.flush()
    audit.record(tx, now, "body.rule-changed", actor=actor, object=body_id, lost_bridge=rule)
    tell_meetings(tx, now, body_id, actor)


def _free(tx: Session, body_id: str, name: str, but: str | None = None) -> None:
    taken = {bridge.name.casefold(): bridge.id for bridge in tx.scalars(select(Bridge).where(Bridge.body_id == body_id))}
    if taken.get(nfc(name).casefold(), but) != but:
        raise BridgeNameTaken(name=name)


def _next_number(tx: Session, body_id: str) -> int:
    tx.get_one(Body, body_id, with_for_update=True)  # two who add at once get two numbers, and one of them the name
    return 1 + (tx.scalar(select(func.max(Bridge.number)).where(Bridge.body_id == body_id)) or 0)


def _new(body_id: str, number: int, row: BridgeRow) -> Bridge:
    bridge = Bridge(id=new_id(), body_id=body_id, number=number, active=True)
    _fill(bridge, row)
    return bridge


def _fill(bridge: Bridge, row: BridgeRow) -> None:
    for name, value in row.__dict__.items():
        setattr(bridge, name, nfc(value))
    bridge.short = bridge.short or bridge.name


def _changed(tx: Session, now: datetime, bridge: Bridge, actor: str) -> None:
    audit.record(tx, now, "bridge.changed", actor=actor, object=bridge.id, name=bridge.name, active=bridge.active)
    tell_meetings(tx, now, bridge.body_id, actor)


# --- in a meeting ---


def close_roll(tx: Session, now: datetime, seat: Seat, bridge_id: str) -> None:
    """How many of the bridge's members are there, written down with the hour; again as often as somebody comes late."""
    meeting = agenda.get_meeting(tx, seat.meeting_id)
    if Stage(meeting.stage) not in CHECK_IN:
        raise CheckInClosed(stage=meeting.stage)
    here = select(Member.id).where(Member.bridge_id == bridge_id, Member.active)
    members = set(tx.scalars(here))
    present = here.join(Attendance, Attendance.member_id == Member.id)
    present = present.where(Attendance.meeting_id == meeting.id, Attendance.state == "present")
    line = tx.get(BridgeLine, (meeting.id, bridge_id)) or BridgeLine(
        meeting_id=meeting.id, bridge_id=bridge_id, state=BridgeState.WAITING
    )
    line.rolled_at, line.rolled_by = now, seat.member_id
    line.rolled_present, line.rolled_total = len(set(tx.scalars(present))), len(members)
    tx.add(line)
    tx.flush()
    _tell(tx, now, meeting.id, {bridge_id: "bridge.rolled"}, seat.actor)
    facts = {"present": line.rolled_present, "total": line.rolled_total, "meeting": meeting.id}
    audit.record(tx, now, "bridge.rolled", actor=seat.actor, object=bridge_id, **facts)


def note(tx: Session, now: datetime, seat: Seat, bridge_id: str, text: str) -> None:
    """Write something down about a bridge; for the desk."""
    agenda.get_unclosed(tx, seat.meeting_id)
    text = nfc(text)
    tx.add(BridgeNote(id=new_id(), meeting_id=seat.meeting_id, bridge_id=bridge_id, at=now, by=seat.member_id, text=text))
    event = events.BridgeNoted(bridge_id=bridge_id, text=text)
    log.append(tx, now, seat.meeting_id, event, actor=seat.actor, level=Level.DESK)


def keep_readings(tx: Session, now: datetime, meeting_id: str, node: str, heard: Mapping[str, Heard]) -> None:
    """What this process hears of the bridges at which somebody is online; what is older than half an hour goes."""
    mine = and_(BridgeHeard.meeting_id == meeting_id, BridgeHeard.node == node)
    tx.execute(delete(BridgeHeard).where(or_(mine, BridgeHeard.at < now - KEPT)))
    tx.execute(delete(BridgeReading).where(BridgeReading.at < now - KEPT))
    if heard:
        common = {"meeting_id": meeting_id, "node": node, "at": now}
        before = BridgeHeard.meeting_id == meeting_id, BridgeHeard.node < node, BridgeHeard.at > now - FRESH
        counted = {(row.bridge_id, member) for row in tx.scalars(select(BridgeHeard).where(*before)) for member in row.members}
        history = [
            common | {"bridge_id": one, "online": sum((one, member) not in counted for member in h.members), "delay": h.delay}
            for one, h in heard.items()
        ]
        latest = [
            common | {"bridge_id": one, "members": list(h.members), "relayed": h.relayed, "delay": h.delay}
            for one, h in heard.items()
        ]
        tx.execute(insert(BridgeReading), history)
        tx.execute(insert(BridgeHeard), latest)


def settle(tx: Session, now: datetime, meeting_id: str, found: Mapping[str, BridgeState]) -> None:
    """Write where bridges stand now. Whoever does it first, the others change no row, and so there is one event.

    `found`: UP or LOST by bridge, as one process sees it.
    """
    meeting = agenda.get_meeting(tx, meeting_id)  # held, so that no check-in counts another quorum at the same time
    if not is_watched(Stage(meeting.stage), meeting.starts_at, now):
        return
    known = set(tx.scalars(select(BridgeLine.bridge_id).where(BridgeLine.meeting_id == meeting_id)))
    fresh = [{"meeting_id": meeting_id, "bridge_id": one, "state": BridgeState.WAITING} for one in found if one not in known]
    if fresh:
        tx.execute(insert(BridgeLine), fresh)
    lines = {line.bridge_id: line.state for line in tx.scalars(select(BridgeLine).where(BridgeLine.meeting_id == meeting_id))}
    happened: dict[str, str] = {}
    for bridge_id, state in sorted(found.items()):
        moved = update(BridgeLine).where(BridgeLine.meeting_id == meeting_id, BridgeLine.bridge_id == bridge_id)
        if state is BridgeState.LOST:
            heard = select(BridgeReading.at).where(
                BridgeReading.meeting_id == meeting_id,
                BridgeReading.bridge_id == bridge_id,
                BridgeReading.at > now - LOST_AFTER,
            )
            moved = moved.where(BridgeLine.state == BridgeState.UP, ~heard.exists())
        else:
            moved = moved.where(BridgeLine.state != BridgeState.UP)
        if tx.execute(moved.values(state=state, since=now).returning(BridgeLine.bridge_id)).first():
            up = "bridge.joined" if lines[bridge_id] == BridgeState.WAITING else "bridge.returned"
            happened[bridge_id] = "bridge.lost" if state is BridgeState.LOST else up
    tx.expire_all()
    _tell(tx, now, meeting_id, happened, "clock")


def _tell(tx: Session, now: datetime, meeting_id: str, happened: Mapping[str, str], actor: str) -> None:
    """One event each, with the quorum as it is after all of them, which is what holds at this instant.

    None of a bridge that was closed meanwhile.
    """
    if happened:
        quorum, bridges = quorum_view(tx, meeting_id), bridges_view(tx, meeting_id)
        for bridge_id, kind in ((one, kind) for one, kind in happened.items() if one in bridges):
            event = events.BridgeStands.model_validate({"type": kind, "bridge": bridges[bridge_id], "quorum": quorum})
            log.append(tx, now, meeting_id, event, actor=actor)
