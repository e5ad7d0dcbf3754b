"""The live lines of a room: many tablets here, one socket upstream, spoken as `meetings.live.relay` says.

The relay never answers for the service: what a tablet says goes up to the byte, what it hears came down so. Where the socket
upstream is lost, the tablets are told when to come back, and recovery is the same as starting.
"""

import asyncio
import json
from contextlib import suppress
from itertools import count
from random import random
from ssl import SSLContext
from typing import Any

import structlog
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from deploy.relay.credentials import UNAVAILABLE, Credentials
from deploy.relay.settings import RelaySettings
from meetings.live.doors import TRY_LATER, retry_hint
from meetings.live.hub import RESTART, SILENCE
from meetings.live.relay import MISSED
from meetings.live.socket import NO_ENTRY, wire_of
from meetings.live.wires import MOST_FRAMES, TOO_SLOW, Wire

log = structlog.get_logger()
LARGEST = 64 << 20  # bytes of a message from upstream: the snapshot of a large meeting
MOST_WAITING = 10_000  # messages for an upstream that does not take them
ENTER_WITHIN = 10.0  # seconds that a tablet waits at the door
LOOK = 5.0  # seconds between two looks for tablets that have fallen silent
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between tries, with full jitter
RENEW_AT = 0.6  # of a token's life
Close = tuple[int, str]


class Tablet:
    """The ear of a tablet's wire; what comes before the wire is open waits."""

    wire: Wire | None = None

    def __init__(self, lines: "Lines", number: int) -> None:
        self.lines, self.number = lines, number
        self.verdict: asyncio.Future[Close | None] = asyncio.get_running_loop().create_future()
        self._early: list[bytes] = []
        self._ended: Close | None = None

    def attach(self, wire: Wire) -> None:
        self.wire = wire
        wire.attach(self)
        for frame in self._early:
            wire.write_large(frame)
        self._early.clear()
        if self._ended:
            wire.end(*self._ended)

    def write(self, frame: bytes, head: dict[str, Any]) -> None:
        if self.wire:
            way = self.wire.write_large if "large" in head else self.wire.ping if "ping" in head else self.wire.write
            way(frame)
        elif len(self._early) < MOST_FRAMES:
            self._early.append(frame)
        else:
            self._ended = TOO_SLOW, ""

    def end(self, code: int, reason: str) -> None:
        """Refused, where it is not in yet."""
        if not self.verdict.done():
            self.verdict.set_result((code, reason))
        elif self.wire:
            self.wire.end(code, reason)
        else:
            self._ended = code, reason

    def hear(self, text: str) -> None:
        self.lines.say({"type": "said", "line": self.number}, text)

    def gone(self) -> None:
        self.lines.left(self)

    def restart(self) -> None:
        self.end(RESTART, retry_hint(len(self.lines.tablets)))


class Lines:
    def __init__(self, settings: RelaySettings, credentials: Credentials, tls: SSLContext) -> None:
        self._url = settings.upstream.replace("http", "ws", 1) + "/api/live/relay"
        self._tls = tls if self._url.startswith("wss:") else None
        self._credentials = credentials
        self._numbers = count(1)
        self._kept: dict[int, bytes] = {}
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._line: ClientConnection | None = None  # upstream
        self.tablets: dict[int, Tablet] = {}

    @property
    def up(self) -> bool:
        return self._line is not None

    async def enter(self, socket: WebSocket) -> None:
        wire = wire_of(socket)
        verdict = await self._ask(socket.headers.get("origin", "")[:300], socket.query_params.get("ticket", "")[:200])
        if isinstance(verdict, Tablet):
            try:
                await socket.accept()
            except BaseException:
                self.left(verdict)
                raise
            verdict.attach(wire)
            return
        if verdict[0] != NO_ENTRY:
            await socket.accept()
        await socket.close(*verdict)

    async def _ask(self, origin: str, ticket: str) -> Tablet | Close:
        if not self.up:
            return TRY_LATER, retry_hint(len(self.tablets) + 100)
        tablet = Tablet(self, next(self._numbers))
        self.tablets[tablet.number] = tablet
        self.say({"type": "enter", "line": tablet.number, "ticket": ticket, "origin": origin})
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                refused = await tablet.verdict
        except BaseException as error:
            self.left(tablet)
            if isinstance(error, TimeoutError):
                return TRY_LATER, retry_hint(len(self.tablets))
            raise
        return refused or tablet

    def say(self, head: dict[str, Any], text: str = "") -> None:
        """To upstream, after all that was said before."""
        if self._line is None:
            return
        self._waiting.put_nowait(json.dumps(head, separators=(",", ":")) + ("\n" + text if head["type"] == "said" else ""))
        if self._waiting.qsize() > MOST_WAITING:  # nothing is left out in silence: all come back, and begin anew
            self._line.transport.abort()

    def left(self, tablet: Tablet) -> None:
        if self.tablets.pop(tablet.number, None):
            self.say({"type": "left", "line": tablet.number})

    async def run(self) -> None:
        """Keep a line upstream, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                token, lives = await self._credentials.token()
                bearer = {"Authorization": f"Bearer {token}"}
                async with connect(
                    self._url, additional_headers=bearer, ssl=self._tls, max_size=LARGEST, proxy=None,
                    compression=None, ping_interval=10, ping_timeout=15, close_timeout=2, user_agent_header=None,
                ) as line:  # fmt: skip
                    pause = FIRST_PAUSE
                    log.info("relay.up")
                    await self._carry(line, lives)
                log.warning("relay.lost", code=line.close_code)
            except Exception as error:  # whatever it is, the room goes on trying
                if isinstance(error, InvalidStatus):
                    self._credentials.forget()
                expected = isinstance(error, (OSError, WebSocketException, *UNAVAILABLE))
                log.warning("relay.no-line", error=type(error).__name__, status=_status(error), exc_info=not expected)
            await asyncio.sleep(random() * pause)  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _carry(self, line: ClientConnection, lives: float) -> None:
        self._line, self._waiting = line, asyncio.Queue()
        beside = [asyncio.create_task(deed) for deed in (self._send(line), self._renew(lives), self._look())]
        try:
            with suppress(ConnectionClosed):
                async for message in line:
                    self._hear(message if isinstance(message, bytes) else message.encode())
        finally:
            self._line = None
            for task in beside:
                task.cancel()
            self._kept.clear()
            for tablet in list(self.tablets.values()):
                tablet.restart()
            self.tablets.clear()

    async def _send(self, line: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await line.send(await self._waiting.get())

    async def _renew(self, lives: float) -> None:
        """Show upstream a fresh token in time; it ends the line itself where none comes."""
        while True:
            await asyncio.sleep(max(lives * RENEW_AT, 1.0))
            try:
                token, lives = await self._credentials.token()
                self.say({"type": "token", "token": token})
            except UNAVAILABLE as error:
                log.warning("relay.no-token", error=type(error).__name__)
                lives = LONGEST_PAUSE

    async def _look(self) -> None:
        """A tablet that does not even answer pings is gone, and upstream is to know it."""
        loop, told = asyncio.get_running_loop(), list[int]()
        while True:
            await asyncio.sleep(LOOK)
            silent = []
            for tablet in list(self.tablets.values()):
                if tablet.wire and loop.time() > tablet.wire.heard_at + SILENCE:
                    tablet.wire.cut()
                elif tablet.wire and loop.time() > tablet.wire.heard_at + MISSED:
                    silent.append(tablet.number)
            if silent != told:
                self.say({"type": "silent", "lines": silent})
                told = silent

    def _hear(self, message: bytes) -> None:
        first, _, frame = message.partition(b"\n")
        head = json.loads(first)
        if "to" in head:
            if "kept" in head:
                frame = self._kept[head["kept"]]
            elif "keep" in head:
                self._kept[head["keep"]] = frame
            for number in head["to"]:
                if tablet := self.tablets.get(number):
                    tablet.write(frame, head)
        elif tablet := self.tablets.get(head.get("in") or head["out"]):
            if "out" in head:
                del self.tablets[tablet.number]  # upstream knows
                tablet.end(head["code"], head["reason"])
            elif not tablet.verdict.done():
                tablet.verdict.set_result(None)


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)
