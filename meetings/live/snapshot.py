"""The whole state of a meeting at one `seq`: what a screen starts from, and returns to after a cut."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from meetings.live import log
from meetings.live.apply import apply
from meetings.live.events import event_adapter
from meetings.live.log import Level
from meetings.live.views import State, View
from meetings.live.ways import finished
from shared.db import Database

# Each room puts its part here (in meetings/app.py); `live` itself knows no room.
Part = Callable[[Session, str, Level], Any]
parts: dict[str, Part] = {}
FRESH = 30.0  # seconds for which a snapshot is carried forward by its events instead of being read anew
MOST_FOLDED = 200  # events


class Snapshot(View):
    epoch: str
    seq: int
    state: State


def take(tx: Session, meeting_id: str, level: Level) -> Snapshot:
    """Must run in one reading transaction (`Database.read`), so that state and `seq` belong together."""
    head = log.head(tx, meeting_id)
    state = {name: part(tx, meeting_id, level) for name, part in parts.items()}
    return Snapshot(epoch=head.epoch, seq=head.seq, state=State(**state))


@dataclass(frozen=True)
class _Kept:
    snapshot: Snapshot
    frame: bytes
    until: float


class Snapshots:
    """The newest of each meeting and level, as finished bytes: thousands who come back at once cost one reading."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: dict[tuple[str, Level], _Kept] = {}
        self._making: defaultdict[tuple[str, Level], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def frame(self, meeting_id: str, level: Level) -> bytes:
        """No older than this question. Those who ask while one is made share it: in a hall that comes in, where each check-in
        moves the log on, they would else wait for one another's."""
        which = (meeting_id, level)
        seq, epoch = await self._db.reads.run(lambda tx: log.position(tx, meeting_id))
        async with self._making[which]:
            known = self._kept.get(which)
            if not known or time.monotonic() > known.until or known.snapshot.epoch != epoch or known.snapshot.seq < seq:
                known = await run_sync(self._make, meeting_id, level, known)
                if len(self._kept) > 100:
                    self._kept.clear()
                self._kept[which] = known
            return known.frame

    def _make(self, meeting_id: str, level: Level, known: _Kept | None) -> _Kept:
        with self._db.read() as tx:
            seq, epoch = log.position(tx, meeting_id)
            now = time.monotonic()
            if known and now <= known.until and known.snapshot.epoch == epoch and 0 <= seq - known.snapshot.seq <= MOST_FOLDED:
                snapshot, until = _carried(tx, meeting_id, level, known.snapshot), known.until
            else:
                snapshot, until = take(tx, meeting_id, level), now + FRESH
        text = b'{"type":"snapshot","snapshot":' + snapshot.model_dump_json().encode() + b"}"  # as `SnapshotFrame` has it
        return _Kept(snapshot, finished(text), until)


def _carried(tx: Session, meeting_id: str, level: Level, old: Snapshot) -> Snapshot:
    """`apply(snapshot, events) == snapshot` holds for every course of a meeting: tests/meetings/test_live_state.py."""
    tail = log.tail(tx, meeting_id, old.seq)
    seen = [event_adapter.validate_python(event.body) for event in tail if event.level <= level]
    return Snapshot(epoch=old.epoch, seq=tail[-1].seq if tail else old.seq, state=reduce(apply, seen, old.state))
