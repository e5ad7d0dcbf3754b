"""The speaking list and its clock: whole seconds, counted by the server."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from meetings.speaking.problems import SpeechNotInState


class SpeechState(StrEnum):
    WAITING = "waiting"
    SPEAKING = "speaking"
    PAUSED = "paused"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


HAS_FLOOR = (SpeechState.SPEAKING, SpeechState.PAUSED)


def need_state(state: SpeechState, *allowed: SpeechState) -> None:
    if state not in allowed:
        raise SpeechNotInState(state=state.value)


def used(before: int, resumed_at: datetime | None, now: datetime) -> int:
    """Seconds spoken: what was counted before the last pause, and since the clock was started again; never less, where a clock
    was set back meanwhile or another node's is behind."""
    return before + (max(0, int((now - resumed_at).total_seconds())) if resumed_at else 0)


def reorder(waiting: Sequence[str], moved: str, place: int) -> list[str]:
    """The ids that wait, with `moved` at `place` (from 0; past the end means last)."""
    rest = [one for one in waiting if one != moved]
    rest.insert(place, moved)
    return rest
