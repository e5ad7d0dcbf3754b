"""One process's sockets, by meeting. Reads the tail of a log once for all of them when a hint comes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from meetings.live import log
from meetings.live.doors import retry_hint
from meetings.live.frames import BridgesFrame, EventsFrame, Frame, HeartbeatFrame, Hello, PresenceFrame, TurnoutFrame
from meetings.live.log import Level
from meetings.live.presence import HINT, Presence, Present
from meetings.live.ways import Way, finished
from shared.clock import now
from shared.db import Database

logger = structlog.get_logger()
COALESCE = 0.05  # seconds between two readings of one meeting's log: a lone event goes out at once, a burst together
SHARE, RARELY = 4, 0.2  # in a full hall so many times what telling took, up to so many seconds: who comes in is told to all
TICK = 0.5  # seconds between two countings of an open vote
NET = 2.0  # seconds after which the log is read although no hint came
RIGHTS = 3.0  # seconds after which a right that was withdrawn without a word in the log is noticed
BEAT = 15.0  # seconds between heartbeats
SILENCE = 40.0  # seconds after which a wire that does not answer them is dead
LINGER = 90.0  # seconds for which a meeting is followed after the last has left: its bridges are to be known as lost
MOST_ASKED = 8  # questions of one wire that wait for their answers
AT_ONCE = 1000  # wires written to before others get their turn
HELLO_WITHIN = 10.0  # seconds
SIGNED_OUT, NOT_UNDERSTOOD, RESTART, TOO_MUCH = 4401, 4400, 1012, 1008
OVERLAP = timedelta(minutes=1)  # ended sign-ins are read again for so long: the clocks of nodes differ
NEW_RIGHTS = ("meeting.", "members.", "bridges.")  # events after which everybody's level is looked up before they are told

Turnout = Callable[[Session, str], TurnoutFrame | None]
Ended = Callable[[Session, datetime], set[str]]  # sign-ins that ended since then
Levels = Callable[[Session, str], Mapping[str, Level]]  # by member, of everybody who may read along
Measure = Callable[["Hub", str, "Room", float], None]  # looks at how the bridges are heard, now and then, and tells the desk


@dataclass(eq=False, slots=True)
class Listener:
    """One socket. `answer` is told each message."""

    wire: Way
    meeting_id: str
    sid: str
    member_id: str
    level: Level
    hub: "Hub"
    answer: "Callable[[Listener, str], Awaitable[None] | None]"  # None: it is answered, or will be without a task
    joined_at: float = 0.0
    greeted: bool = False
    answering: int = 0
    via: str = ""  # the client id of the relay behind which it is

    def hear(self, text: str) -> None:
        if self.answering >= MOST_ASKED:
            self.wire.end(TOO_MUCH)
        elif work := self.answer(self, text):
            self.answering += 1
            self.hub.work(self._finish(work))

    async def _finish(self, work: Awaitable[None]) -> None:
        try:
            await work
        finally:
            self.answering -= 1

    def gone(self) -> None:
        self.hub.leave(self)

    def restart(self) -> None:
        self.wire.end(RESTART, retry_hint(self.hub.count))


@dataclass
class Room:
    seq: int
    epoch: str
    listeners: dict[Level, dict[Listener, None]] = field(default_factory=lambda: {level: {} for level in Level})  # as they came
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    turnout: TurnoutFrame | None = None
    present: Present = field(default_factory=Present)
    bridges: BridgesFrame | None = None
    reading: bool = False
    rights_at: float = 0.0
    beat_at: float = 0.0
    read_at: float = 0.0

    def everybody(self) -> list[Listener]:
        return [listener for level in Level for listener in self.listeners[level]]

    async def say(self, frames: Mapping[Level, bytes], *, ping: bool = False) -> None:
        """Write to every listener the finished frame of its level; the desk first, which conducts."""
        for level in sorted(frames, reverse=True):
            frame, told = frames[level], list(self.listeners[level])
            for start in range(0, len(told), AT_ONCE):
                for listener in told[start : start + AT_ONCE]:
                    listener.wire.ping(frame) if ping else listener.wire.write(frame)
                if start + AT_ONCE < len(told):
                    await asyncio.sleep(0)


def encode(frame: Frame) -> bytes:
    return finished(frame.model_dump_json().encode())


class Hub:
    def __init__(self, db: Database, turnout: Turnout, ended: Ended, levels: Levels, measure: Measure) -> None:
        self._db, self._turnout, self._ended, self._levels, self._measure = db, turnout, ended, levels, measure
        self._rooms: dict[str, Room] = {}
        self._presence = Presence(db)
        self._tasks: set[asyncio.Task[None]] = set()
        self.of_session: Counter[str] = Counter()
        self.of_member: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return self.of_session.total()

    def heard(self, topic: str) -> None:
        """A hint from the bus: `ended:SID`, or the id of a meeting that has news, or of which another process serves others."""
        if topic.startswith("ended:"):
            for room in self._rooms.values():
                _end(room, {topic.removeprefix("ended:")})
        elif there := self._rooms.get(topic.removeprefix(HINT)):
            there.present.asked |= topic.startswith(HINT)
            there.wake.set()

    def work(self, deed: Awaitable[None]) -> None:
        """Run it beside everything else, and hold it until it is done."""
        task = asyncio.ensure_future(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def room(self, meeting_id: str) -> Room:
        """The meeting's room, which begins to follow the log now."""
        if meeting_id not in self._rooms:
            seq, epoch = await self._db.reads.run(lambda tx: log.position(tx, meeting_id))
            room = self._rooms.setdefault(meeting_id, Room(seq=seq, epoch=epoch))
            room.task = room.task or asyncio.create_task(self._watch(meeting_id, room))
        return self._rooms[meeting_id]

    def join(self, room: Room, listener: Listener) -> None:
        """From here on the listener is told everything; what it then reads of the past may overlap, never gap."""
        room.listeners[listener.level][listener] = None
        room.present.moved = True
        self.of_session[listener.sid] += 1
        self.of_member[listener.member_id] += 1
        listener.joined_at = asyncio.get_running_loop().time()
        if room.turnout:  # what is told beside the log stands in no snapshot: a newcomer hears it at once
            listener.wire.write(encode(_for(listener.level, room.turnout)))
        if listener.level >= Level.DESK:
            room.present.asked = True
            listener.wire.write(encode(PresenceFrame(members=room.present.told)))
            if room.bridges:
                listener.wire.write(encode(room.bridges))

    def nothing_missed(self, listener: Listener, hello: Hello) -> bytes | None:
        """The answer to who has everything that this process has told: what is newer will be told, and nobody need look."""
        room = self._rooms[listener.meeting_id]
        if (hello.epoch, hello.since) != (room.epoch, room.seq) or room.wake.is_set() or room.reading:
            return None
        return encode(EventsFrame(after=room.seq, up_to=room.seq, events=[]))

    def leave(self, listener: Listener) -> None:
        for counter, name in ((self.of_session, listener.sid), (self.of_member, listener.member_id)):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]
        if room := self._rooms.get(listener.meeting_id):
            room.listeners[listener.level].pop(listener, None)
            room.present.moved = True

    def close(self) -> None:
        """The process is going: every socket is told to come back."""
        for room in self._rooms.values():
            for listener in room.everybody():
                listener.restart()
            if room.task:
                room.task.cancel()
        self._presence.close()

    async def _watch(self, meeting_id: str, room: Room) -> None:
        clock = asyncio.get_running_loop().time
        room.rights_at = room.beat_at = left_at = clock()
        while clock() < left_at + LINGER:
            with suppress(TimeoutError):
                await asyncio.wait_for(room.wake.wait(), min(TICK, NET, BEAT))
            told, began = room.seq, clock()
            left_at = began if room.everybody() else left_at
            try:
                await self._turn(meeting_id, room, clock())
            except Exception:
                logger.warning("hub.read-failed", meeting=meeting_id, exc_info=True)
                await asyncio.sleep(TICK)
            if room.seq != told:
                await asyncio.sleep(max(COALESCE, min(SHARE * (clock() - began), RARELY)))
        del self._rooms[meeting_id]

    async def _turn(self, meeting_id: str, room: Room, instant: float) -> None:
        hinted = room.wake.is_set()
        room.wake.clear()
        if hinted or instant >= room.read_at + NET:
            room.read_at = instant
            await self._read_aloud(meeting_id, room)
        elif room.turnout:
            await self._count(meeting_id, room)
        if instant >= room.rights_at + RIGHTS:
            room.rights_at = instant
            await self._look_up_rights(meeting_id, room)
        await self._tell_presence(meeting_id, room, instant)
        self._measure(self, meeting_id, room, instant)
        if instant >= room.beat_at + BEAT:
            room.beat_at = instant
            await room.say(dict.fromkeys(Level, encode(HeartbeatFrame(head=room.seq))), ping=True)
        for listener in room.everybody():
            if not listener.greeted and instant >= listener.joined_at + HELLO_WITHIN:
                listener.wire.end(NOT_UNDERSTOOD)
            elif instant >= listener.wire.heard_at + SILENCE:
                listener.wire.cut()

    async def _read_aloud(self, meeting_id: str, room: Room) -> None:
        room.reading = True
        try:
            events = await self._db.reads.run(lambda tx: log.tail(tx, meeting_id, room.seq))
        finally:
            room.reading = False
        if not events:
            await self._count(meeting_id, room)
            return
        if any(event.body["type"].startswith(NEW_RIGHTS) for event in events):
            await self._look_up_rights(meeting_id, room)
        after, room.seq = room.seq, events[-1].seq
        await room.say(_frames(room, after, events))
        if len(events) == log.MOST:
            room.wake.set()
        await self._count(meeting_id, room)

    async def _count(self, meeting_id: str, room: Room) -> None:
        turnout = await self._db.reads.run(lambda tx: self._turnout(tx, meeting_id))
        if turnout and turnout != room.turnout:
            plain = encode(_for(Level.GUEST, turnout))
            await room.say({Level.GUEST: plain, Level.DELEGATE: plain, Level.DESK: encode(turnout)})
        room.turnout = turnout

    async def _look_up_rights(self, meeting_id: str, room: Room) -> None:
        """Close what nobody has a right to any more (the hint of it may have been lost), and what belongs to another epoch."""

        def read(tx: Session) -> tuple[set[str], Mapping[str, Level], tuple[int, str]]:
            return self._ended(tx, now() - OVERLAP), self._levels(tx, meeting_id), log.position(tx, meeting_id)

        ended, levels, (_, epoch) = await self._db.reads.run(read)
        _end(room, ended)
        for listener in room.everybody():
            level = levels.get(listener.member_id)
            if level is None:
                listener.wire.end(SIGNED_OUT)
            elif level != listener.level or epoch != room.epoch:
                listener.wire.end(RESTART, retry_hint(1))
        if epoch != room.epoch:
            room.seq, room.epoch = await self._db.reads.run(lambda tx: log.position(tx, meeting_id))

    async def _tell_presence(self, meeting_id: str, room: Room, instant: float) -> None:
        present, desk = room.present, room.listeners[Level.DESK]
        if present.moved and present.is_news(one.member_id for one in room.listeners[Level.DELEGATE] | desk):
            await room.say({Level.DESK: encode(PresenceFrame(members=present.told))})
        if not self._db.alone and present.is_due(instant):
            self.work(self._presence.exchange(meeting_id, present, instant, desk=bool(desk)))


def _end(room: Room, sids: set[str]) -> None:
    for listener in room.everybody():
        if listener.sid in sids:
            listener.wire.end(SIGNED_OUT)


def _frames(room: Room, after: int, events: list[log.Line]) -> dict[Level, bytes]:
    """What each level with a listener is told; the same bytes where they see the same."""
    logged = [(event.level, log.logged(event)) for event in events]
    made: dict[int, bytes] = {}
    frames: dict[Level, bytes] = {}
    for level in Level:
        seen: list[Any] = [one for least, one in logged if least <= level]
        if room.listeners[level]:
            if len(seen) not in made:
                made[len(seen)] = encode(EventsFrame(after=after, up_to=events[-1].seq, events=seen))
            frames[level] = made[len(seen)]
    return frames


def _for(level: Level, turnout: TurnoutFrame) -> TurnoutFrame:
    """Who has not voted is told to the desk alone."""
    return turnout if level >= Level.DESK else turnout.model_copy(update={"missing": []})
