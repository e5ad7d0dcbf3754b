"""The socket that reads a meeting's log aloud, and takes ballots."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, WebSocket
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import bindparam, delete, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from meetings.live import log
from meetings.live.doors import TRY_LATER, Doors, retry_hint
from meetings.live.frames import EventsFrame, Hello, VoteCast
from meetings.live.hub import NOT_UNDERSTOOD, RESTART, Hub, Listener, Room, encode
from meetings.live.log import Level
from meetings.live.models import Ticket
from meetings.live.snapshot import Snapshots
from meetings.live.ways import Way
from meetings.live.wires import Wire
from shared.clock import now
from shared.db import Database, kept
from shared.ids import digest, new_token
from shared.prepared import Prepared

router = APIRouter()
TOGETHER = 0.02  # seconds in which those who come share a transaction, while many come
TICKET_LIFE = timedelta(minutes=1)
TAIL_LIMIT = 1000  # a reader further behind gets a snapshot
MOST_TAILS = 10  # that are kept: thousands who lost their lines at one event and come back at once are told the same
SOCKETS_PER_SESSION, SOCKETS_PER_MEMBER = 5, 50
NO_ENTRY, TOO_MANY = 4403, 4429

_KEEP = Prepared(insert(Ticket), *Ticket.__table__.c.keys())
_SWEEP = Prepared(delete(Ticket).where(Ticket.expires_at < bindparam("now")))
_REDEEM = Prepared(
    delete(Ticket)
    .where(Ticket.digest == bindparam("digest"))
    .returning(Ticket.meeting_id, Ticket.sid, Ticket.member_id, Ticket.level, Ticket.expires_at)
)
_said: TypeAdapter[Hello | VoteCast] = TypeAdapter(Annotated[Hello | VoteCast, Field(discriminator="type")])

Cast = Callable[[Listener, VoteCast], None]  # takes a ballot; its answer goes to the listener's wire
Entry = tuple[str, str, str, int, datetime]  # meeting, sign-in, member, level, until when
Found = tuple[Entry, Room]


@dataclass(frozen=True, slots=True)
class Refused:
    """With which close code, and its reason."""

    code: int
    reason: str = ""


def issue_ticket(tx: Session, instant: datetime, meeting_id: str, sid: str, member_id: str, level: Level) -> str:
    """One entry to one socket, valid for a minute; only its digest is stored."""
    token = new_token()
    kept(tx, "tickets swept", lambda: _SWEEP.run(tx, now=instant))
    _KEEP.run(
        tx,
        digest=digest(token),
        meeting_id=meeting_id,
        sid=sid,
        member_id=member_id,
        level=int(level),
        expires_at=instant + TICKET_LIFE,
    )
    return token


class Front:
    """What the sockets of one process share."""

    def __init__(self, hub: Hub, db: Database, cast: Cast) -> None:
        self.hub, self.db, self.cast = hub, db, cast
        self.doors, self.snapshots = Doors(), Snapshots(db)
        self.tickets = db.group("tickets", pause=TOGETHER)
        self._tails: dict[tuple[str, Level, str, int, int], bytes] = {}  # meeting, level, epoch, from event, to event

    async def enter(self, socket: WebSocket, wire: Wire, ticket: str) -> None:
        found = await self.find(ticket)
        if isinstance(found, Refused):
            if found.code != NO_ENTRY:  # a browser tells its page codes of open sockets only
                await socket.accept()
            await socket.close(found.code, found.reason)
            return
        await socket.accept()
        if self.is_full(found):
            await socket.close(TOO_MANY)
            return
        wire.attach(self.join(found, wire))

    async def find(self, ticket: str) -> Found | Refused:
        """What the ticket is for; it is used up, unless one is to come later."""
        if hint := self.doors.admit(asyncio.get_running_loop().time()):
            return Refused(TRY_LATER, hint)
        try:
            entry = await self._redeem(ticket)
            return (entry, await self.hub.room(entry[0])) if entry else Refused(NO_ENTRY)
        except SQLAlchemyError:
            return Refused(TRY_LATER, retry_hint(self.hub.count + 1))

    def is_full(self, found: Found) -> bool:
        _, sid, member_id, *_ = found[0]
        return self.hub.of_session[sid] >= SOCKETS_PER_SESSION or self.hub.of_member[member_id] >= SOCKETS_PER_MEMBER

    def join(self, found: Found, way: Way, via: str = "") -> Listener:
        (meeting_id, sid, member_id, level, _), room = found
        listener = Listener(way, meeting_id, sid, member_id, Level(level), self.hub, self.answer, via=via)
        self.hub.join(room, listener)
        return listener

    async def _redeem(self, token: str) -> Entry | None:
        """Deleted and read by one statement, so that of two who come with the same ticket one gets in."""
        rows: list[Entry] = await self.tickets.run(lambda tx: _REDEEM.all(tx, digest=digest(token)))
        return rows[0] if rows and rows[0][4] >= now() else None

    def answer(self, listener: Listener, text: str) -> Awaitable[None] | None:
        """A `hello` gets what the client misses, a ballot its receipt or refusal; anything else ends the socket."""
        try:
            said = _said.validate_json(text)
        except ValidationError:
            listener.wire.end(NOT_UNDERSTOOD)
            return None
        if isinstance(said, VoteCast):
            self.cast(listener, said)
            return None
        listener.greeted = True
        if frame := self.hub.nothing_missed(listener, said):
            listener.wire.write(frame)
            return None
        return self._tell(listener, said)

    async def _tell(self, listener: Listener, hello: Hello) -> None:
        try:
            listener.wire.write_large(await self._catch_up(listener.meeting_id, listener.level, hello))
        except SQLAlchemyError:
            listener.wire.end(RESTART, retry_hint(1))

    async def _catch_up(self, meeting_id: str, level: Level, hello: Hello) -> bytes:
        """The tail where epoch and distance allow it, else a snapshot: recovery is the same as starting."""
        since = hello.since

        def read(tx: Session) -> bytes | None:
            seq, epoch = log.position(tx, meeting_id)
            if hello.epoch != epoch or since is None or not 0 <= seq - since <= TAIL_LIMIT:
                return None
            which = (meeting_id, level, epoch, since, seq)
            if not (told := self._tails.get(which)):
                tail = log.tail(tx, meeting_id, since, TAIL_LIMIT) if since < seq else []
                seen = [log.logged(event) for event in tail if event.level <= level]
                told = encode(EventsFrame(after=since, up_to=seq, events=seen))
                if len(self._tails) >= MOST_TAILS:
                    self._tails.clear()
                self._tails[which] = told
            return told

        return await self.db.reads.run(read) or await self.snapshots.frame(meeting_id, level)


def wire_of(socket: WebSocket) -> Wire:
    wire: Wire | None = socket.scope["extensions"].get("wire")
    if wire is None:
        raise RuntimeError("the live socket needs uvicorn with meetings.live.wires.SERVING")
    return wire


async def live(socket: WebSocket) -> None:
    """Close codes: 4400 not understood, 4401 signed out, 4403 wrong origin or ticket, 4408 too slow, 4429 too many,
    1008 too much said, 1009 too large, 1012 restart, 1013 later; the reason of the last two says when: `retry_after_ms=N`."""
    app, wire = socket.app, wire_of(socket)
    if socket.headers.get("origin") != app.state.settings.public_url:
        await socket.close(NO_ENTRY)
        return
    await app.state.front.enter(socket, wire, socket.query_params.get("ticket", "")[:200])


router.add_websocket_route("/api/live", live)
