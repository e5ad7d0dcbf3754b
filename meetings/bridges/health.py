"""How the bridges are heard by one process: measured from its sockets, told to the desk, and every 15 s written down, so that
all processes together know which bridge is lost."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from meetings.agenda.models import Meeting
from meetings.agenda.rules import Stage
from meetings.attendance.models import BridgeLine
from meetings.bodies.models import Bridge, Member
from meetings.bridges import actions
from meetings.bridges.models import BridgeReading
from meetings.bridges.rules import EVERY, FRESH, KEPT, LOST_AFTER, BridgeState, is_watched, measure, next_state, together
from meetings.live.frames import BridgesFrame
from meetings.live.hub import BEAT, Hub, Room, encode
from meetings.live.log import Level
from shared.clock import now
from shared.db import Database
from shared.group_commit import Group
from shared.ids import new_id
from shared.prepared import Prepared

logger = structlog.get_logger()
LOOK = 5.0  # seconds between two looks at the sockets
HEARD_WITHIN = BEAT + 5  # seconds: a socket that has answered the last heartbeat is online
OVERLAP = 4 * EVERY  # readings are looked at again for so long: others commit later, and their clocks differ
MOST_KEPT = 100  # meetings

Heard = list[tuple[str, float | None]]  # of each socket its member, and its delay in seconds
Reading = tuple[int, int | None]  # members online, delay in ms

_MEETING = Prepared(select(Meeting.stage, Meeting.starts_at).where(Meeting.id == bindparam("meeting_id")))
_SEATS = Prepared(
    select(Member.id, Member.bridge_id)
    .join(Meeting, Meeting.body_id == Member.body_id)
    .where(Meeting.id == bindparam("meeting_id"), Member.active, Member.bridge_id.is_not(None))
)
_BRIDGES = Prepared(
    select(Bridge.id)
    .join(Meeting, Meeting.body_id == Bridge.body_id)
    .where(Meeting.id == bindparam("meeting_id"), Bridge.active)
)
_LINES = Prepared(select(BridgeLine.bridge_id, BridgeLine.state).where(BridgeLine.meeting_id == bindparam("meeting_id")))
_SEEN = Prepared(
    select(BridgeReading.bridge_id, func.max(BridgeReading.at, type_=BridgeReading.at.type))
    .where(BridgeReading.meeting_id == bindparam("meeting_id"), BridgeReading.at > bindparam("since"))
    .group_by(BridgeReading.bridge_id)
)
_OTHERS = Prepared(
    select(BridgeReading.bridge_id, BridgeReading.node, BridgeReading.online, BridgeReading.delay)
    .where(
        BridgeReading.meeting_id == bindparam("meeting_id"),
        BridgeReading.at > bindparam("since"),
        BridgeReading.node != bindparam("node"),
    )
    .order_by(BridgeReading.at)
)


@dataclass
class Known:
    """What this process knows of a meeting's bridges since it last wrote down what it hears."""

    since: datetime  # from when on it has been watching
    at: datetime
    seats: dict[str, str] = field(default_factory=dict)  # member to bridge
    states: dict[str, BridgeState] = field(default_factory=dict)  # of the active bridges; empty: the body has none
    others: dict[str, list[Reading]] = field(default_factory=dict)  # of the other processes, by bridge
    seen: dict[str, datetime] = field(default_factory=dict)
    watched: bool = False

    def settled(self, mine: dict[str, Reading]) -> dict[str, BridgeState]:
        """The bridges that have come, are lost or are back; from here on known as such."""
        self.seen |= dict.fromkeys(mine, self.at)
        moved: dict[str, BridgeState] = {}
        for bridge_id, state in self.states.items() if self.watched else ():
            following = next_state(
                state, online=bridge_id in mine, seen_at=self.seen.get(bridge_id), watched_since=self.since, now=self.at
            )
            if following is not state:
                moved[bridge_id] = following
        self.states |= moved
        return moved

    def frame(self, mine: dict[str, Reading], at: datetime) -> BridgesFrame:
        told = {}
        for bridge_id, seen_at in self.seen.items():
            if bridge_id in self.states:
                online, delay = together([mine.get(bridge_id, (0, None)), *self.others.get(bridge_id, ())])
                told[bridge_id] = online, delay, seen_at
        return BridgesFrame(at=at, bridges=told)


class Health:
    """One a process; `look` goes to the hub."""

    def __init__(self, db: Database, node: str = "") -> None:
        self._db, self._node = db, node or new_id()
        self._writes = Group(db.write, "bridges")  # a thread of its own: the event loop has other things to do
        self._known: dict[str, Known] = {}
        self._looked: dict[str, tuple[float, Heard]] = {}
        self._busy: set[str] = set()  # meetings whose last look still waits for the database

    def look(self, hub: Hub, meeting_id: str, room: Room, instant: float) -> None:
        """Called with every turn of the hub; every 5 s it looks, beside everything else."""
        if meeting_id in self._looked and instant < self._looked[meeting_id][0] + LOOK:
            return
        if len(self._looked) > MOST_KEPT:
            self._looked.clear()
            self._known.clear()
        since = instant - HEARD_WITHIN
        heard = [(one.member_id, one.wire.delay) for one in room.everybody() if one.wire.heard_at >= since]
        self._looked[meeting_id] = instant, heard
        if meeting_id not in self._busy:
            self._busy.add(meeting_id)
            hub.work(self._tell(meeting_id, room, heard))

    def online(self, meeting_id: str) -> set[str]:
        """Members who were connected to this process at the last look."""
        return {member_id for member_id, _ in self._looked[meeting_id][1]} if meeting_id in self._looked else set()

    async def _tell(self, meeting_id: str, room: Room, heard: Heard) -> None:
        try:
            frame = await self.measure(meeting_id, heard)
            if frame and (room.bridges is None or frame.bridges != room.bridges.bridges):
                room.bridges = frame
                await room.say({Level.DESK: encode(frame)})
        except Exception:
            logger.warning("bridges.not-measured", meeting=meeting_id, exc_info=True)
        finally:
            self._busy.discard(meeting_id)

    async def measure(self, meeting_id: str, heard: Heard) -> BridgesFrame | None:
        """What the desk is told; None where there are no bridges, or nothing goes on any more."""
        at, known = now(), self._known.get(meeting_id)
        mine = measure(known.seats, heard) if known else {}
        # Also where the clock was set back.
        due = known is None or not known.at <= at < known.at + EVERY
        if known is None or due or (known.watched and self._somebody_came(known, mine)):
            known = await self._db.reads.run(partial(self._read, meeting_id, known, at))
            mine = measure(known.seats, heard)
            moved = known.settled(mine)
            if mine or moved:
                await self._writes.run(partial(self._write, meeting_id, known, mine, moved))
            self._known[meeting_id] = known
        return known.frame(mine, at) if known.states else None

    @staticmethod
    def _somebody_came(known: Known, mine: dict[str, Reading]) -> bool:
        return any(known.states.get(bridge_id) is not BridgeState.UP for bridge_id in mine)

    def _read(self, meeting_id: str, before: Known | None, at: datetime, tx: Session) -> Known:
        # Who has not looked for a while, for the database was away or nobody was here, begins to watch now.
        known = Known(since=before.since if before and before.at <= at < before.at + LOST_AFTER else at, at=at)
        stage, starts_at = _MEETING.one(tx, meeting_id=meeting_id) or (Stage.CLOSED, at)
        if stage in (Stage.DRAFT, Stage.CLOSED):
            return known
        known.states = {bridge_id: BridgeState.WAITING for (bridge_id,) in _BRIDGES.all(tx, meeting_id=meeting_id)}
        if not known.states:
            return known
        known.watched = is_watched(Stage(stage), starts_at, at)
        known.seats = dict(_SEATS.all(tx, meeting_id=meeting_id))
        lines = _LINES.all(tx, meeting_id=meeting_id)
        known.states |= {one: BridgeState(state) for one, state in lines if one in known.states}
        latest: dict[str, dict[str, Reading]] = {}
        for bridge_id, node, online, delay in _OTHERS.all(tx, meeting_id=meeting_id, since=at - FRESH, node=self._node):
            latest.setdefault(bridge_id, {})[node] = online, delay
        known.others = {bridge_id: list(nodes.values()) for bridge_id, nodes in latest.items()}
        known.seen = {one: seen_at for one, seen_at in before.seen.items() if seen_at > at - KEPT} if before else {}
        known.seen |= dict(_SEEN.all(tx, meeting_id=meeting_id, since=at - (OVERLAP if known.seen else KEPT)))
        return known

    def _write(
        self, meeting_id: str, known: Known, mine: dict[str, Reading], moved: dict[str, BridgeState], tx: Session
    ) -> None:
        if mine:
            actions.keep_readings(tx, known.at, meeting_id, self._node, mine)
        if moved:
            actions.settle(tx, known.at, meeting_id, moved)

    def close(self) -> None:
        self._writes.close()
