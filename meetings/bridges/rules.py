"""When somebody has come to a bridge, when it is lost, when it is back. That it is unsteady is health, not truth."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from meetings.agenda.rules import Stage


class BridgeState(StrEnum):
    WAITING = "waiting"
    UP = "up"
    LOST = "lost"


EVERY = timedelta(seconds=15)  # between two readings of one process
LOST_AFTER = 3 * EVERY  # since the last reading: whoever was online after it has been gone for half a minute at least
FRESH = EVERY + timedelta(seconds=10)  # for which the reading of another process tells who is online there
KEPT = timedelta(minutes=30)  # readings, for the picture of the line
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


def measure(seats: Mapping[str, str], heard: Sequence[tuple[str, float | None]]) -> dict[str, tuple[int, int | None]]:
    """By bridge: members online, and the median delay in ms of their wires where one is known; only bridges with somebody.

    `seats`: member to bridge; `heard`: of each wire its member and its delay in seconds. A member may have several.
    """
    members: dict[str, set[str]] = {}
    delays: dict[str, list[float]] = {}
    for member_id, delay in heard:
        if bridge_id := seats.get(member_id):
            members.setdefault(bridge_id, set()).add(member_id)
            if delay is not None:
                delays.setdefault(bridge_id, []).append(delay)
    return {
        bridge_id: (len(those), round(1000 * median(delays[bridge_id])) if bridge_id in delays else None)
        for bridge_id, those in members.items()
    }


def together(readings: Sequence[tuple[int, int | None]]) -> tuple[int, int | None]:
    """What several processes hear of one bridge: the sum of members, and the worst of the delays."""
    return sum(online for online, _ in readings), max((delay for _, delay in readings if delay is not None), default=None)
