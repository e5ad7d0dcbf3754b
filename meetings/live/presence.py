"""Whose tablets are connected, by all processes together: each writes down its own in one row, and reads the others'."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from meetings.live.models import Connected
from shared.clock import now
from shared.db import Database, after_commit
from shared.ids import new_id
from shared.prepared import Prepared

logger = structlog.get_logger()
HINT = "connected:"  # and the meeting's id
PAUSE = 2.0  # seconds between two writings while people come and go
AGAIN = 15.0  # seconds between two while nobody does, or no hint of it arrives
FRESH = timedelta(seconds=25)  # for which a row holds: its process may have died

_MINE = Connected.meeting_id == bindparam("meeting_id"), Connected.node == bindparam("node")
_STILL = Prepared(update(Connected).where(*_MINE).values(at=bindparam("now")))
_FORGET = Prepared(delete(Connected).where(or_(and_(*_MINE), Connected.at < bindparam("since"))))
_KEEP = Prepared(insert(Connected), *Connected.__table__.c.keys())
_OTHERS = Prepared(
    select(Connected.members).where(_MINE[0], Connected.node != bindparam("node"), Connected.at > bindparam("since"))
)


@dataclass
class Present:
    """Of one meeting, as one process knows it."""

    here: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)  # what the desk knows
    moved: bool = False  # somebody came or went since it was told
    asked: bool = False  # another process has news, or a desk has come
    kept: set[str] | None = None  # of `here`, what stands in the row
    kept_at: float = -AGAIN
    busy: bool = False

    def is_news(self, here: Iterable[str]) -> bool:
        """Whether the desk is to be told another list."""
        before, self.moved, self.here = self.told, False, set(here)
        self.told = sorted(self.here | self.elsewhere)
        return self.told != before

    def is_due(self, instant: float) -> bool:
        """Whether it is time to exchange."""
        wait = PAUSE if self.asked or self.here != self.kept else AGAIN
        return not self.busy and instant >= self.kept_at + wait


class Presence:
    """One a process."""

    def __init__(self, db: Database) -> None:
        self._writes, self._node = db.group("presence"), new_id()

    async def exchange(self, meeting_id: str, present: Present, instant: float, *, desk: bool) -> None:
        """`desk`: somebody is here who is told of the others."""
        here, present.busy, present.asked, present.kept_at = present.here, True, False, instant
        try:
            elsewhere = await self._writes.run(partial(self._swap, meeting_id, here, here != present.kept, now(), desk))
            present.moved |= elsewhere != present.elsewhere
            present.kept, present.elsewhere = here, elsewhere
        except Exception:
            logger.warning("presence.not-exchanged", meeting=meeting_id, exc_info=True)
        finally:
            present.busy = False

    def _swap(self, meeting_id: str, here: set[str], moved: bool, at: datetime, desk: bool, tx: Session) -> set[str]:
        mine, since = {"meeting_id": meeting_id, "node": self._node}, at - FRESH
        if moved or (here and not _STILL.run(tx, **mine, now=at)):
            _FORGET.run(tx, **mine, since=since)
            if here:
                _KEEP.run(tx, **mine, at=at, members=sorted(here))
            if bus := tx.info.get("bus"):
                after_commit(tx, partial(bus.publish, HINT + meeting_id))
        return {one for (members,) in _OTHERS.all(tx, **mine, since=since) for one in members} if desk else set()

    def close(self) -> None:
        self._writes.close()
