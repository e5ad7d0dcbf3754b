"""The one socket of a relay: the tablets of a room behind it are listeners like all others.

What goes to several of them goes over the socket once. A message is one line of JSON, then the bytes it is about:

    relay:  {"type": "enter", "line": 7, "ticket": "...", "origin": "..."}   a tablet asks to come in
            {"type": "said", "line": 7} + its text, to the byte
            {"type": "left", "line": 7}
            {"type": "silent", "lines": [7, 8]}   do not answer heartbeats now; all others do
            {"type": "token", "token": "..."}     in place of the one that ends soon
    server: {"in": 7}
            {"out": 7, "code": 4401, "reason": ""}   as a close frame would end it
            {"to": [7, 8]} + a finished frame; with "keep": n it may come again as "kept": n, with "ping" a ping follows it,
                                               "large": see `Way.write_large`
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import structlog
from anyio.to_thread import run_sync
from fastapi import WebSocket
from pydantic import Field, TypeAdapter, ValidationError
from websockets.frames import Opcode

from meetings.live.doors import retry_hint
from meetings.live.frames import Said
from meetings.live.hub import BEAT, NOT_UNDERSTOOD, RESTART, SIGNED_OUT, SILENCE, Listener
from meetings.live.socket import NO_ENTRY, TOO_MANY, Front, Refused, router, wire_of
from meetings.live.ways import PING, finished
from meetings.live.wires import MOST_SAID, Wire
from shared.app import record_refusal
from shared.clock import now
from shared.problems import Problem

logger = structlog.get_logger()
MOST_LINES = 500  # tablets behind one relay
MOST_MESSAGE = 2 * MOST_SAID  # bytes: what a tablet says, and the line before it; or a token
AS_TABLETS = 16  # as many frames and bytes as so many tablets may let wait, or say
KEPT, KEPT_FROM = 8, 1024  # so many of the last frames of so many bytes are sent by number when others are told the same
MISSED = BEAT + 5  # seconds after which a relay tells that a tablet has not answered a heartbeat
LEEWAY = timedelta(seconds=60)  # after the end of its token, in which a relay must bring another
TOO_LARGE = 1009

Number = Annotated[int, Field(ge=1, lt=1 << 53)]
Admit = Callable[[str, datetime], tuple[str, datetime]]  # token -> the relay's client id, until when; or a Problem


class Enter(Said):
    type: Literal["enter"]
    line: Number
    ticket: Annotated[str, Field(max_length=200)]
    origin: Annotated[str, Field(max_length=300)]


class Spoke(Said):
    type: Literal["said"]
    line: Number


class Left(Said):
    type: Literal["left"]
    line: Number


class Silent(Said):
    type: Literal["silent"]
    lines: Annotated[list[Number], Field(max_length=MOST_LINES)]


class Token(Said):
    type: Literal["token"]
    token: Annotated[str, Field(max_length=6000)]


_told: TypeAdapter[Enter | Spoke | Left | Silent | Token] = TypeAdapter(
    Annotated[Enter | Spoke | Left | Silent | Token, Field(discriminator="type")]
)


class Line:
    """The way to one tablet, as the hub knows it."""

    def __init__(self, relay: "Relay", number: int) -> None:
        self.relay, self.number = relay, number
        self.listener: Listener | None = None
        self.silent_since: float | None = None

    @property
    def heard_at(self) -> float:
        """The relay tells who has gone or is silent; so else the line lives while the relay does."""
        return self.relay.wire.heard_at if self.silent_since is None else self.silent_since

    @property
    def delay(self) -> float | None:
        return self.relay.wire.delay

    def write(self, frame: bytes, *, large: bool = False) -> None:
        if self.relay.lines.get(self.number) is self:
            self.relay.tell(self.number, frame, large)

    def write_large(self, frame: bytes) -> None:
        self.write(frame, large=True)

    def ping(self, frame: bytes = b"") -> None:
        self.write(frame + PING)

    def end(self, code: int, reason: str = "") -> None:
        if self.relay.lines.get(self.number) is self:
            self.relay.say(out=self.number, code=code, reason=reason)
            self.gone()

    def cut(self) -> None:
        if self.silent_since is None:
            self.relay.wire.cut()
        else:
            self.end(RESTART)

    def gone(self) -> None:
        if self.relay.lines.pop(self.number, None) and self.listener:
            self.listener.gone()


class Relay:
    """The ear of a relay's wire."""

    def __init__(self, front: Front, wire: Wire, admit: Admit, origin: str, client_id: str, until: datetime) -> None:
        self.front, self.wire, self.origin, self.client_id = front, wire, origin, client_id
        self.lines: dict[int, Line] = {}
        self._admit, self._until = admit, until
        self._waiting: list[tuple[list[int], bytes, bool]] = []
        self._kept: list[bytes] = []
        self._next = 0
        self._watching = asyncio.create_task(self._watch())
        logger.info("relay.came", client=client_id)

    def hear(self, text: str) -> None:
        head, _, body = text.partition("\n")
        try:
            told = _told.validate_json(head)
        except ValidationError:
            self.wire.end(NOT_UNDERSTOOD)
            return
        if isinstance(told, Token):
            self.front.hub.work(self._renew(told.token))
        elif isinstance(told, Enter):
            self._enter(told)
        elif isinstance(told, Silent):
            since = self.wire.loop.time() - MISSED
            for number, one in self.lines.items():
                one.silent_since = (one.silent_since or since) if number in told.lines else None
        elif line := self.lines.get(told.line):  # else it was ended a moment ago, and the relay does not know yet
            if isinstance(told, Left):
                line.gone()
            elif len(body.encode()) > MOST_SAID:
                line.end(TOO_LARGE)
            elif line.listener:
                line.listener.hear(body)

    def _enter(self, asked: Enter) -> None:
        if asked.line in self.lines:
            self.wire.end(NOT_UNDERSTOOD)
        elif len(self.lines) >= MOST_LINES:
            self.say(out=asked.line, code=TOO_MANY, reason="")
        else:
            line = self.lines[asked.line] = Line(self, asked.line)
            self.front.hub.work(self._let_in(line, asked))

    async def _let_in(self, line: Line, asked: Enter) -> None:
        found = Refused(NO_ENTRY) if asked.origin != self.origin else await self.front.find(asked.ticket)
        if self.lines.get(line.number) is not line:
            return
        if isinstance(found, Refused):
            line.end(found.code, found.reason)
        elif self.front.is_full(found):
            line.end(TOO_MANY)
        else:
            self.say(**{"in": line.number})
            line.listener = self.front.join(found, line, via=self.client_id)

    def tell(self, line: int, frame: bytes, large: bool) -> None:
        """Sent when this turn of the event loop is over; with the one before, if that says the same."""
        if not self._waiting:
            self.wire.loop.call_soon(self._send)
        if self._waiting and self._waiting[-1][1] == frame:
            self._waiting[-1][0].append(line)
        else:
            self._waiting.append(([line], frame, large))

    def say(self, **head: Any) -> None:
        self._send()  # what was told before comes before
        self.wire.write(_message(head))

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for lines, frame, large in waiting:
            head: dict[str, Any] = {"to": lines} | ({"large": True} if large else {})
            if frame.endswith(PING):  # the relay's own matter: it hears the answers
                head["ping"], frame = True, frame.removesuffix(PING)
            if len(frame) >= KEPT_FROM:
                head |= self._keep(frame)
            message = _message(head, b"" if "kept" in head else frame)
            self.wire.write_large(message) if large else self.wire.write(message)

    def _keep(self, frame: bytes) -> dict[str, int]:
        """What is told now and again stays with the relay: a snapshot crosses once, however many come in."""
        if frame in self._kept:
            return {"kept": self._kept.index(frame)}
        place = self._next
        self._kept[place : place + 1] = [frame]
        self._next = (place + 1) % KEPT
        return {"keep": place}

    async def _renew(self, token: str) -> None:
        try:
            client_id, until = await run_sync(self._admit, token, now())
        except Problem:
            client_id, until = "", self._until
        if client_id != self.client_id:
            self.wire.end(SIGNED_OUT)
        self._until = until

    async def _watch(self) -> None:
        """A relay that is silent, or does not renew its token, is let go with all its lines."""
        while True:
            await asyncio.sleep(BEAT)
            if now() > self._until + LEEWAY:
                self.wire.end(SIGNED_OUT)
            elif self.wire.loop.time() > self.wire.heard_at + SILENCE:
                self.wire.cut()
            else:
                self.wire.ping()

    def gone(self) -> None:
        self._watching.cancel()
        logger.info("relay.went", client=self.client_id, lines=len(self.lines))
        for line in list(self.lines.values()):
            line.gone()

    def restart(self) -> None:
        self.wire.end(RESTART, retry_hint(self.front.hub.count))


def _message(head: dict[str, Any], body: bytes = b"") -> bytes:
    return finished(json.dumps(head, separators=(",", ":")).encode() + b"\n" + body, Opcode.BINARY)


async def live_relay(socket: WebSocket) -> None:
    """For the relay of a room, which shows an access token of its own; nobody else comes in."""
    state = socket.app.state
    wire = wire_of(socket)
    token = socket.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        client_id, until = await run_sync(state.admit_relay, token, now())
    except Problem as problem:
        await record_refusal(state.db, problem, actor="-", object="/api/live/relay")
        await socket.close(NO_ENTRY)
        return
    await socket.accept()
    wire.widen(AS_TABLETS, MOST_MESSAGE)
    wire.attach(Relay(state.front, wire, state.admit_relay, state.settings.public_url, client_id, until))


router.add_websocket_route("/api/live/relay", live_relay)
