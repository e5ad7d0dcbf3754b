"""How many have voted in the open poll: counted by what is new since the last time, not from the beginning."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from meetings.attendance.models import present_of
from meetings.live import log
from meetings.live.frames import TurnoutFrame
from meetings.voting.models import Ballot, Poll, electorate_of
from meetings.voting.rules import PollStage
from shared.prepared import Prepared

OVERLAP = timedelta(seconds=15)  # a ballot's instant is that of its coming; its commit may be as much later
MOST_KEPT = 100  # polls

_OPEN = Prepared(
    select(Poll.id, Poll.opened_at).where(Poll.meeting_id == bindparam("meeting_id"), Poll.stage == PollStage.OPEN)
)
_SINCE = Prepared(
    select(Ballot.member_id, Ballot.cast_at).where(Ballot.poll_id == bindparam("poll_id"), Ballot.cast_at >= bindparam("since"))
)


@dataclass
class _Count:
    newest: datetime
    electorate: set[str]
    seq: int = -1  # of the log when `expected` was read: who is here changes only with an event
    expected: set[str] = field(default_factory=set)
    voted: set[str] = field(default_factory=set)
    told: TurnoutFrame | None = None


class Turnout:
    """What one process has counted so far; `__call__` goes to the hub."""

    def __init__(self, waits: Callable[[], bool]) -> None:
        """`waits`: not now. Telling a full hall takes the event loop as long as 700 ballots do, and their receipts go first."""
        self._waits = waits
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __call__(self, tx: Session, meeting_id: str) -> TurnoutFrame | None:
        """How many have voted in the open poll, and who of those present has not."""
        found = _OPEN.one(tx, meeting_id=meeting_id)
        if found is None:
            return None
        poll_id, opened_at = found
        count = self._counts.get(poll_id)
        if count is None:
            count = self._counts[poll_id] = _Count(opened_at, electorate_of(tx, poll_id))
            if len(self._counts) > MOST_KEPT:
                self._counts.popitem(last=False)
        elif count.told and self._waits():
            return count.told
        for member_id, cast_at in _SINCE.all(tx, poll_id=poll_id, since=count.newest - OVERLAP):
            count.voted.add(member_id)
            count.newest = max(count.newest, cast_at)
        seq, _ = log.position(tx, meeting_id)
        if seq != count.seq:
            count.seq, count.expected = seq, count.electorate & present_of(tx, meeting_id)
        missing = sorted(count.expected - count.voted)
        count.told = TurnoutFrame(poll_id=poll_id, cast=len(count.voted), missing=missing)
        return count.told
