"""One process's sockets, by meeting. Reads the tail of a log once for all of them when a hint comes."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from meetings.live import log
from meetings.live.frames import EventsFrame, Frame, HeartbeatFrame, PresenceFrame, TurnoutFrame
from meetings.live.log import Level
from meetings.live.models import Event
from shared.db import Database

logger = structlog.get_logger()
QUEUE_MESSAGES = 256
QUEUE_BYTES = 1 << 20
COALESCE = 0.25  # seconds between two readings of one meeting's log
NET = 2.0  # seconds after which the log is read although no hint came
BEAT = 15.0  # seconds between heartbeats

Turnout = Callable[[Session, str], TurnoutFrame | None]
Ended = Callable[[Session, Collection[str]], set[str]]  # which of these sign-ins are over


@dataclass(eq=False)
class Listener:
    """One socket: a bounded queue that its own task empties; a reader too slow for it is closed with 4408."""

    sid: str
    level: Level
    member_id: str | None
    queue: deque[str] = field(default_factory=deque)
    queued: int = 0
    close_code: int | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, text: str) -> None:
        if len(self.queue) >= QUEUE_MESSAGES or self.queued + len(text) > QUEUE_BYTES:
            self.end(4408)
            return
        self.queue.append(text)
        self.queued += len(text)
        self.wake.set()

    def take(self) -> str | None:
        if not self.queue:
            self.wake.clear()
            return None
        text = self.queue.popleft()
        self.queued -= len(text)
        return text

    def end(self, code: int) -> None:
        self.close_code = code
        self.wake.set()


@dataclass
class Room:
    seq: int
    listeners: set[Listener] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    turnout: TurnoutFrame | None = None
    presence: list[str] = field(default_factory=list)

    def end(self, sids: Collection[str]) -> None:
        """These sign-ins are over."""
        for listener in self.listeners:
            if listener.sid in sids:
                listener.end(4401)

    def say(self, frame: Frame, level: Level = Level.GUEST, below: Level | None = None) -> None:
        """Put a frame to all listeners of at least `level` (and under `below`), encoded once."""
        text = frame.model_dump_json()
        for listener in list(self.listeners):
            if listener.level >= level and (below is None or listener.level < below):
                listener.offer(text)


class Hub:
    def __init__(self, db: Database, turnout: Turnout, ended: Ended) -> None:
        self._db, self._turnout, self._ended = db, turnout, ended
        self._rooms: dict[str, Room] = {}

    def heard(self, topic: str) -> None:
        """A hint from the bus: `ended:SID`, or the id of a meeting that has news."""
        if topic.startswith("ended:"):
            for room in self._rooms.values():
                room.end({topic.removeprefix("ended:")})
        elif topic in self._rooms:
            self._rooms[topic].wake.set()

    def sockets_of(self, sid: str) -> int:
        return sum(listener.sid == sid for room in self._rooms.values() for listener in room.listeners)

    async def join(self, meeting_id: str, listener: Listener) -> None:
        """From here on the listener is offered everything; what it then reads of the past may overlap, never gap."""
        if meeting_id not in self._rooms:
            seq = await run_sync(self._head, meeting_id)
            room = self._rooms.setdefault(meeting_id, Room(seq=seq))
            room.task = room.task or asyncio.create_task(self._watch(meeting_id, room))
        room = self._rooms[meeting_id]
        room.listeners.add(listener)
        if room.turnout:  # what is told beside the log stands in no snapshot: a newcomer hears it at once
            listener.offer(_for(listener.level, room.turnout).model_dump_json())
        if listener.level >= Level.DESK:
            listener.offer(PresenceFrame(members=room.presence).model_dump_json())
        room.wake.set()

    def leave(self, meeting_id: str, listener: Listener) -> None:
        room = self._rooms[meeting_id]
        room.listeners.discard(listener)
        room.wake.set()

    def close(self) -> None:
        """The process is going: every socket is told to come back (1012)."""
        for room in self._rooms.values():
            for listener in room.listeners:
                listener.end(1012)
            if room.task:
                room.task.cancel()

    def _head(self, meeting_id: str) -> int:
        with self._db.read() as tx:
            return log.head(tx, meeting_id).seq

    async def _watch(self, meeting_id: str, room: Room) -> None:
        since_beat = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            with suppress(TimeoutError):
                await asyncio.wait_for(room.wake.wait(), NET)
            room.wake.clear()
            if not room.listeners:
                del self._rooms[meeting_id]
                return
            try:
                await self._refresh(meeting_id, room)
            except Exception:
                logger.warning("hub.read-failed", meeting=meeting_id, exc_info=True)
            await asyncio.sleep(COALESCE)
            since_beat += clock() - started
            if since_beat >= BEAT:
                since_beat = 0.0
                room.say(HeartbeatFrame(head=room.seq))

    async def _refresh(self, meeting_id: str, room: Room) -> None:
        sids = {listener.sid for listener in room.listeners}

        def read() -> tuple[list[Event], TurnoutFrame | None, set[str]]:
            with self._db.read() as tx:
                return log.tail(tx, meeting_id, room.seq), self._turnout(tx, meeting_id), self._ended(tx, sids)

        events, turnout, ended = await run_sync(read)
        room.end(ended)  # the hint of it may have been lost
        if events:
            after, room.seq = room.seq, events[-1].seq
            for level in Level:
                seen = [log.logged(event) for event in events if event.level <= level]
                above = Level(level + 1) if level < Level.DESK else None
                room.say(EventsFrame(after=after, up_to=room.seq, events=seen), level, above)
        if turnout and turnout != room.turnout:
            room.say(turnout, Level.DESK)
            room.say(_for(Level.GUEST, turnout), Level.GUEST, Level.DESK)
        room.turnout = turnout
        presence = sorted({listener.member_id for listener in room.listeners if listener.member_id})
        if presence != room.presence:
            room.presence = presence
            room.say(PresenceFrame(members=presence), Level.DESK)


def _for(level: Level, turnout: TurnoutFrame) -> TurnoutFrame:
    """Who has not voted is told to the desk alone."""
    return turnout if level >= Level.DESK else turnout.model_copy(update={"missing": []})
