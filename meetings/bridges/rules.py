"""When somebody has come to a bridge, when it is lost, when it is back: that is truth. That it is unsteady is health."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from meetings.agenda.rules import Stage


class BridgeState(StrEnum):
    WAITING = "waiting"
    UP = "up"
    LOST = "lost"


EVERY = timedelta(seconds=15)  # between two readings of one process
LOST_AFTER = 3 * EVERY  # since the last reading: whoever was online after it has been gone for half a minute at least
FRESH = EVERY + timedelta(seconds=10)  # for which the reading of another process tells who is online there
KEPT = timedelta(minutes=30)  # readings, for the picture of the line
BACK = timedelta(minutes=2)  # over which it is watched how many come and go
SLOW = 1000  # ms of delay from which a bridge hears and answers too late
EARLY = timedelta(hours=3)  # before the start: who reads papers at home the day before has not come to the meeting


def is_watched(stage: Stage, starts_at: datetime, now: datetime) -> bool:
    """Whether people are coming, so that a bridge can be joined or lost."""
    return stage in (Stage.OPEN, Stage.ADJOURNED) or (stage is Stage.PUBLISHED and now >= starts_at - EARLY)


def next_state(
    state: BridgeState, *, online: bool, seen_at: datetime | None, watched_since: datetime, now: datetime
) -> BridgeState:
    """`seen_at`: the last reading of any process with somebody online; `watched_since`: from when on this process would have
    noticed, so that a bridge is not lost by a restart of the service."""
    if online:
        return BridgeState.UP
    quiet_since = max(seen_at, watched_since) if seen_at else watched_since
    return BridgeState.LOST if state is BridgeState.UP and now - quiet_since >= LOST_AFTER else state


class Reading(NamedTuple):
    """How a bridge is heard: members online, how many of them behind a relay, and the median delay in ms."""

    online: int
    relayed: int
    delay: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """The same of one process, which knows who they are."""

    members: tuple[str, ...]
    relayed: int
    delay: int | None


def measure(seats: Mapping[str, str], sockets: Sequence[tuple[str, float | None, bool]]) -> dict[str, Heard]:
    """By bridge; only those with somebody online.

    `seats`: member to bridge; `sockets`: of each its member, its delay in seconds where one is known, and whether it is behind
    a relay. A member may have several.
    """
    members: dict[str, dict[str, bool]] = {}
    delays: dict[str, list[float]] = {}
    for member_id, delay, relayed in sockets:
        if bridge_id := seats.get(member_id):
            those = members.setdefault(bridge_id, {})
            those[member_id] = those.get(member_id, False) or relayed
            if delay is not None:
                delays.setdefault(bridge_id, []).append(delay)
    return {
        bridge_id: Heard(
            tuple(sorted(those)),
            sum(those.values()),
            round(1000 * median(delays[bridge_id])) if bridge_id in delays else None,
        )
        for bridge_id, those in members.items()
    }


def together(heard: Sequence[Heard]) -> Reading:
    """What several processes hear of one bridge: its members, of whom one may have tablets at two, and the worst delay."""
    online = len({member_id for one in heard for member_id in one.members})
    return Reading(online, min(online, sum(one.relayed for one in heard)), worst(one.delay for one in heard))


def worst(delays: Iterable[int | None]) -> int | None:
    return max((delay for delay in delays if delay is not None), default=None)


def comes_and_goes(trail: Sequence[tuple[datetime, str, int]], now: datetime) -> bool:
    """Whether members were lost, came back, and were lost again, though the bridge was there all the time.

    `trail`: the readings of the last two minutes, oldest first: when, by which process, and how many were online there.
    """
    latest: dict[str, tuple[datetime, int]] = {}
    totals: list[int] = []
    for at, node, online in (*trail, (now, "", 0)):
        latest = {one: known for one, known in latest.items() if known[0] > at - FRESH}
        if totals:
            totals.append(sum(known for _, known in latest.values()))
        latest[node] = at, online
        totals.append(sum(known for _, known in latest.values()))
    turns = [after - before for before, after in pairwise(totals) if after != before]
    fell = [place for place, turn in enumerate(turns) if turn < 0]
    return len(fell) >= 2 and any(turn > 0 for turn in turns[fell[0] : fell[-1]])


def is_unsteady(reading: Reading, *, restless: bool) -> bool:
    """Of a bridge that is up: nobody is heard for the moment, all too late, or members come and go."""
    return not reading.online or (reading.delay or 0) >= SLOW or restless
