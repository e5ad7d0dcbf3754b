"""Choices, tally and outcome. Integers only; every share is of all members of the body."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from meetings.bodies.rules import Share, needed
from meetings.voting.problems import PollNotClosed, PollNotOpen, PollNotPrepared

MOST_TURNS = 100  # ballots of one member in a poll: each stays in the box for good, and goes into the evidence


class Choice(StrEnum):
    """The three choices of the law (tán thành, không tán thành, không biểu quyết), in its order."""

    IN_FAVOUR = "in_favour"
    AGAINST = "against"
    ABSTAINING = "abstaining"


class PollStage(StrEnum):
    PREPARED = "prepared"
    OPEN = "open"
    CLOSED = "closed"
    DECLARED = "declared"


class Outcome(StrEnum):
    CARRIED = "carried"
    NOT_CARRIED = "not_carried"


@dataclass(frozen=True, slots=True)
class Tally:
    """The four buckets, never merged; `absent` tells how many of `not_voted` were not in the room."""

    in_favour: int
    against: int
    abstaining: int
    not_voted: int
    absent: int

    @property
    def electorate(self) -> int:
        return self.in_favour + self.against + self.abstaining + self.not_voted


def count(electorate: set[str], ballots: dict[str, Choice], present: set[str]) -> Tally:
    """Count one choice for each voter. A ballot of someone outside the electorate is a bug, not a bucket."""
    if strangers := ballots.keys() - electorate:
        raise ValueError(f"{len(strangers)} ballots from outside the electorate")
    chosen = Counter(ballots.values())
    silent = electorate - ballots.keys()
    return Tally(
        in_favour=chosen[Choice.IN_FAVOUR],
        against=chosen[Choice.AGAINST],
        abstaining=chosen[Choice.ABSTAINING],
        not_voted=len(silent),
        absent=len(silent - present),
    )


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    needed: int
    tie_decided_by_chair: bool


def decide(tally: Tally, majority: Share, *, chair_breaks_tie: bool, chair: Choice | None) -> Decision:
    """Carried when `in_favour` reaches the share of the whole body.

    Where the body's law gives the chairman the tie (People's Committee), as many for as against are decided by the
    side that he voted on; if he did not take a side, nothing is carried.
    """
    least = needed(majority, tally.electorate)
    tie = chair_breaks_tie and majority is Share.MORE_THAN_HALF and tally.in_favour == tally.against > 0
    reached = tally.electorate > 0 and tally.in_favour >= least
    carried = chair is Choice.IN_FAVOUR if tie else reached
    return Decision(
        outcome=Outcome.CARRIED if carried else Outcome.NOT_CARRIED,
        needed=least,
        tie_decided_by_chair=tie and chair in (Choice.IN_FAVOUR, Choice.AGAINST),
    )


def need_prepared(stage: PollStage) -> None:
    if stage is not PollStage.PREPARED:
        raise PollNotPrepared(stage=stage.value)


def is_open(stage: PollStage, closes_at: datetime | None, now: datetime) -> bool:
    """The hour of closing is a line, even when nobody has yet pressed the button."""
    return stage is PollStage.OPEN and (closes_at is None or now < closes_at)


def need_open(stage: PollStage, closes_at: datetime | None, now: datetime) -> None:
    if not is_open(stage, closes_at, now):
        raise PollNotOpen(stage=stage.value)


def need_closed(stage: PollStage) -> None:
    if stage is not PollStage.CLOSED:
        raise PollNotClosed(stage=stage.value)
