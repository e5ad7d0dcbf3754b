"""What a simulated person may do, how fast the crowd acts, and whether what was measured is good enough."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

LEAST, MOST = 2, 5000  # delegates
LONGEST = timedelta(minutes=30)  # of a whole run; its pass opens nothing afterwards
SITTING = timedelta(hours=1)  # an open meeting in which nothing has happened for so long was left open

# A second: the peak of a morning on which 1,540 come, and more than turn to another paper in a hall of thousands.
ARRIVALS, READINGS = 30.0, 40.0
MOST_READINGS = 2000
SPEAKERS = 2  # of each item
VOTING, BALLOTS = 10.0, 100.0  # a small hall casts so many a second, a large one is done in so many seconds


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"  # it did not come to its end, so nothing is known


UNDER_WAY = (State.WAITING, State.RUNNING)

_ID = "[0-9a-f]+"
_OPENS = {
    "GET": ("", f"papers/{_ID}/file"),
    "POST": (
        "ticket",
        "check-in",
        "speeches",
        f"papers/{_ID}/opened",
        f"polls/{_ID}/ballots",
        "open",
        "enter",
        "lead",
        f"speeches/{_ID}/(give|end)",
        f"polls/{_ID}/(open|close|declare)",
        "close",
    ),
}


def opens(method: str, path: str, copy_id: str) -> bool:
    """Whether a pass opens this: what a session needs, in the copy, and nothing else. The seat decides as it always does."""
    below = path.removeprefix(f"/api/meetings/{copy_id}").removeprefix("/")
    return path.startswith(f"/api/meetings/{copy_id}") and any(re.fullmatch(one, below) for one in _OPENS.get(method, ()))


def voting_time(delegates: int, duration: int | None) -> float:
    """Seconds over which the ballots of a poll are spread; one with a clock leaves time for the last of them."""
    return min(VOTING, delegates / BALLOTS, (duration or 3600) / 2)


def readings(delegates: int, papers: int) -> list[tuple[int, int]]:
    """Who opens which paper, by their places: each delegate every paper in a small hall, at least one in a large one."""
    rounds = min(papers, max(1, MOST_READINGS // delegates))
    return [(one, (one + turn) % papers) for turn in range(rounds) for one in range(delegates)]


# --- what was found ---


@dataclass(frozen=True, slots=True)
class Ballot:
    member_id: str
    choice: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Recount:
    """`lost`: acknowledged, but not in the box as acknowledged, or not in the tally. `doubled`: more than one of a member, or
    of somebody who cast none."""

    lost: int
    doubled: int


def recount(acknowledged: Sequence[Ballot], unsure: set[str], stored: Sequence[Ballot], tally: Mapping[str, int]) -> Recount:
    """`unsure`: members whose ballot was sent and never answered: it may be in the box or not."""
    box = {(ballot.member_id, ballot.receipt): ballot.choice for ballot in stored}
    lost = sum(box.get((ballot.member_id, ballot.receipt)) != ballot.choice for ballot in acknowledged)
    own = {ballot.member_id for ballot in acknowledged} | unsure
    of_member = Counter(ballot.member_id for ballot in stored)
    doubled = sum(count - 1 for count in of_member.values()) + len(of_member.keys() - own)
    counted = Counter(ballot.choice for ballot in stored)
    away = sum(abs(counted[choice] - tally.get(choice, 0)) for choice in counted.keys() | tally.keys())
    return Recount(lost + (0 if doubled else away), doubled)


Name = Literal["connection", "first_page", "event", "ballot", "errors", "lost", "doubled"]
Verdict = Literal["pass", "fail", "unmeasured"]


@dataclass(frozen=True, slots=True)
class Limit:
    name: Name
    part: Literal["p95", "p99", "count"]
    most: int  # milliseconds, or how many


# Ballots and events as the service was laid out for them (docs/performance-live.md). A connection is ticket, socket and
# snapshot; a first page, what a tablet has to fetch of a paper before it can draw it.
LIMITS = (
    Limit("connection", "p95", 5000),
    Limit("first_page", "p95", 1000),
    Limit("event", "p99", 1000),
    Limit("ballot", "p99", 500),
    Limit("errors", "count", 0),
    Limit("lost", "count", 0),
    Limit("doubled", "count", 0),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """Times in milliseconds; `count` is of what was measured, or of what should not have been."""

    name: Name
    part: str
    most: int
    count: int
    p50: int | None
    p95: int | None
    p99: int | None
    verdict: Verdict


def percentile(ordered: Sequence[float], part: float) -> int:
    """The nearest-rank percentile of ascending values, rounded."""
    rank = -(-part * len(ordered) // 100)
    return round(ordered[max(0, int(rank) - 1)])


def judge(times: Mapping[str, Sequence[float]], counts: Mapping[str, int]) -> list[Figure]:
    """Each figure beside its limit. What nobody could measure (a meeting without papers) is no failure."""
    return [_judge(limit, sorted(times.get(limit.name, ())), counts.get(limit.name, 0)) for limit in LIMITS]


def _judge(limit: Limit, ordered: list[float], count: int) -> Figure:
    if limit.part == "count":
        return Figure(limit.name, limit.part, limit.most, count, None, None, None, "pass" if count <= limit.most else "fail")
    if not ordered:
        return Figure(limit.name, limit.part, limit.most, 0, None, None, None, "unmeasured")
    parts = {f"p{part}": percentile(ordered, part) for part in (50, 95, 99)}
    verdict: Verdict = "pass" if parts[limit.part] <= limit.most else "fail"
    return Figure(limit.name, limit.part, limit.most, len(ordered), parts["p50"], parts["p95"], parts["p99"], verdict)


def passed(verdicts: Iterable[Verdict]) -> bool:
    return all(verdict != "fail" for verdict in verdicts)
