"""How the bridges are heard by one process: measured from its sockets, told to the desk, and every 15 s written down, so that
all processes together know which bridge is lost."""

from collections.abc import Mapping, Sequence
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
from meetings.bridges.models import BridgeHeard, BridgeReading, heard_of, readings_of
from meetings.bridges.rules import (
    BACK,
    EVERY,
    FRESH,
    KEPT,
    LOST_AFTER,
    BridgeState,
    Heard,
    comes_and_goes,
    is_unsteady,
    is_watched,
    measure,
    next_state,
    together,
)
from meetings.live.frames import BridgeHealth, BridgesFrame
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

Sockets = list[tuple[str, float | None, bool]]  # of each its member, its delay in seconds, whether it is behind a relay

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
    select(BridgeHeard.bridge_id, BridgeHeard.members, BridgeHeard.relayed, BridgeHeard.delay).where(
        BridgeHeard.meeting_id == bindparam("meeting_id"),
        BridgeHeard.at > bindparam("since"),
        BridgeHeard.node != bindparam("node"),
    )
)
_TRAILS = Prepared(
    select(BridgeReading.bridge_id, BridgeReading.at, BridgeReading.node, BridgeReading.online)
    .where(BridgeReading.meeting_id == bindparam("meeting_id"), BridgeReading.at > bindparam("since"))
    .order_by(BridgeReading.at)
)


@dataclass
class Known:
    """What this process knows of a meeting's bridges since it last wrote down what it hears."""

    since: datetime  # from when on it has been watching
    at: datetime
    seats: dict[str, str] = field(default_factory=dict)  # member to bridge
    states: dict[str, BridgeState] = field(default_factory=dict)  # of the active bridges; empty: the body has none
    others: dict[str, list[Heard]] = field(default_factory=dict)  # of the other processes, by bridge
    restless: set[str] = field(default_factory=set)  # where members come and go
    seen: dict[str, datetime] = field(default_factory=dict)
    watched: bool = False

    def settled(self, mine: Mapping[str, Heard]) -> dict[str, BridgeState]:
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

    def frame(self, mine: Mapping[str, Heard], at: datetime) -> BridgesFrame:
        told = {}
        for bridge_id, seen_at in self.seen.items():
            if bridge_id in self.states:
                here = [mine[bridge_id]] if bridge_id in mine else []
                heard = [*here, *self.others.get(bridge_id, ())]
                told[bridge_id] = health_of(heard, seen_at, restless=bridge_id in self.restless)
        return BridgesFrame(at=at, bridges=told)


def health_of(heard: Sequence[Heard], seen_at: datetime | None, *, restless: bool) -> BridgeHealth:
    """`heard`: by each process."""
    reading = together(heard)
    return BridgeHealth(**reading._asdict(), seen_at=seen_at, unsteady=is_unsteady(reading, restless=restless))


class Health:
    """One a process; `look` goes to the hub."""

    def __init__(self, db: Database, node: str = "") -> None:
        self._db, self._node = db, node or new_id()
        self._writes = Group(db.write, "bridges")  # a thread of its own: the event loop has other things to do
        self._known: dict[str, Known] = {}
        self._looked: dict[str, tuple[float, Sockets]] = {}
        self._busy: set[str] = set()  # meetings whose last look still waits for the database

    def look(self, hub: Hub, meeting_id: str, room: Room, instant: float) -> None:
        """Called with every turn of the hub; every 5 s it looks, beside everything else."""
        if meeting_id in self._looked and instant < self._looked[meeting_id][0] + LOOK:
            return
        if len(self._looked) > MOST_KEPT:
            self._looked.clear()
            self._known.clear()
        since = instant - HEARD_WITHIN
        live = [one for one in room.everybody() if one.wire.heard_at >= since]
        sockets = [(one.member_id, one.wire.delay, bool(one.via)) for one in live]
        self._looked[meeting_id] = instant, sockets
        if meeting_id not in self._busy:
            self._busy.add(meeting_id)
            hub.work(self._tell(meeting_id, room, sockets))

    def one(self, tx: Session, meeting_id: str, bridge_id: str, at: datetime) -> tuple[BridgeHealth, set[str]]:
        """How one bridge is heard, and who is online there: here at the last look, elsewhere as it was written down."""
        heard = heard_of(tx, meeting_id, bridge_id, at - FRESH)
        if meeting_id in self._looked:
            here = tx.scalars(select(Member.id).where(Member.bridge_id == bridge_id, Member.active))
            mine = measure(dict.fromkeys(here, bridge_id), self._looked[meeting_id][1])
            heard = {node: one for node, one in heard.items() if node != self._node} | mine
        readings = readings_of(tx, meeting_id, bridge_id, at - KEPT)
        trail = [(one.at, one.node, one.online) for one in readings if one.at > at - BACK]
        seen_at = at if heard else max((one.at for one in readings), default=None)
        health = health_of([*heard.values()], seen_at, restless=comes_and_goes(trail, at))
        return health, {member_id for one in heard.values() for member_id in one.members}

    async def _tell(self, meeting_id: str, room: Room, sockets: Sockets) -> None:
        try:
            frame = await self.measure(meeting_id, sockets)
            if frame and (room.bridges is None or frame.bridges != room.bridges.bridges):
                room.bridges = frame
                await room.say({Level.DESK: encode(frame)})
        except Exception:
            logger.warning("bridges.not-measured", meeting=meeting_id, exc_info=True)
        finally:
            self._busy.discard(meeting_id)

    async def measure(self, meeting_id: str, sockets: Sockets) -> BridgesFrame | None:
        """What the desk is told; None where there are no bridges, or nothing goes on any more."""
        at, known = now(), self._known.get(meeting_id)
        mine = measure(known.seats, sockets) if known else {}
        # Also where the clock was set back.
        due = known is None or not known.at <= at < known.at + EVERY
        if known is None or due or (known.watched and self._somebody_came(known, mine)):
            known = await self._db.reads.run(partial(self._read, meeting_id, known, at))
            mine = measure(known.seats, sockets)
            moved = known.settled(mine)
            if mine or moved:
                await self._writes.run(partial(self._write, meeting_id, known, mine, moved))
            self._known[meeting_id] = known
        return known.frame(mine, at) if known.states else None

    @staticmethod
    def _somebody_came(known: Known, mine: Mapping[str, Heard]) -> bool:
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
        for bridge_id, members, relayed, delay in _OTHERS.all(tx, meeting_id=meeting_id, since=at - FRESH, node=self._node):
            known.others.setdefault(bridge_id, []).append(Heard(tuple(members), relayed, delay))
        trails: dict[str, list[tuple[datetime, str, int]]] = {}
        for bridge_id, *reading in _TRAILS.all(tx, meeting_id=meeting_id, since=at - BACK):
            trails.setdefault(bridge_id, []).append((reading[0], reading[1], reading[2]))
        known.restless = {bridge_id for bridge_id, trail in trails.items() if comes_and_goes(trail, at)}
        known.seen = {one: seen_at for one, seen_at in before.seen.items() if seen_at > at - KEPT} if before else {}
        known.seen |= dict(_SEEN.all(tx, meeting_id=meeting_id, since=at - (OVERLAP if known.seen else KEPT)))
        return known

    def _write(
        self, meeting_id: str, known: Known, mine: Mapping[str, Heard], moved: dict[str, BridgeState], tx: Session
    ) -> None:
        if mine:
            actions.keep_readings(tx, known.at, meeting_id, self._node, mine)
        if moved:
            actions.settle(tx, known.at, meeting_id, moved)

    def close(self) -> None:
        self._writes.close()
