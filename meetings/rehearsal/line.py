"""A simulated tablet's two ways to the server: its open line, and requests. Written for thousands in one process."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Origin
from websockets.uri import parse_uri

from meetings.rehearsal.door import write_pass
from meetings.rehearsal.models import ServerView
from shared.trust import authorities

PATIENCE = 30.0  # seconds for an answer
AT_ONCE = 64  # requests under way; what a slow server makes wait here counts as its time


class LineRefused(Exception):
    """The handshake ended with another status than 101, or with nothing."""


class Line(asyncio.Protocol):
    """One socket. `heard` gets each whole text, `ended` the code and reason of the close; 1006 where there was none."""

    transport: asyncio.Transport

    def __init__(self, url: str, origin: str, heard: Callable[[bytes], None], ended: Callable[[int, str], None]) -> None:
        self._protocol = ClientProtocol(parse_uri(url), origin=Origin(origin), max_size=None)
        self._heard, self._ended = heard, ended
        self._parts: list[bytes] = []
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def open(self) -> bool:
        return self._protocol.state is State.OPEN

    @classmethod
    async def connect(cls, url: str, origin: str, heard: Callable[[bytes], None], ended: Callable[[int, str], None]) -> "Line":
        at, loop = urlsplit(url), asyncio.get_running_loop()
        secure = at.scheme == "wss"
        line = cls(url, origin, heard, ended)
        async with asyncio.timeout(PATIENCE):
            await loop.create_connection(
                lambda: line, str(at.hostname), at.port or (443 if secure else 80), ssl=authorities() if secure else None
            )
            await line._opened
        return line

    def say(self, text: str) -> None:
        if self.open:
            self._protocol.send_text(text.encode())
            self._flush()

    def leave(self) -> None:
        if self.open:
            self._protocol.send_close(1000)
            self._flush()
        self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its deeds, not by its class
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._shake(event)
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._parts.append(bytes(event.data))
                if event.fin:
                    text, self._parts = b"".join(self._parts), []
                    if self.open:
                        self._heard(text)
        self._flush()

    def _shake(self, response: Response) -> None:
        if self._opened.done():  # nobody waits for it any more
            self.transport.close()
        elif self._protocol.handshake_exc is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(LineRefused(str(response.status_code)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        if not self._opened.done():
            self._opened.set_exception(LineRefused(type(exc).__name__ if exc else "closed"))
        elif not self._opened.cancelled() and not self._opened.exception():
            self._ended(self._protocol.close_code or 1006, self._protocol.close_reason or "")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.close()


class Unanswered(Exception):
    """Whether the server has done it is not known; the text says what happened instead."""


class Requests:
    """HTTP of all simulated people, each with a pass of their own."""

    def __init__(self, url: str, copy_id: str, secret: str) -> None:
        self.url, self._secret, self._below = url, secret, f"{url}/api/meetings/{copy_id}"
        # A connection that rests is given up before the server does, which closes it after five seconds.
        many = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=2.0)
        self.http = httpx2.AsyncClient(timeout=PATIENCE, limits=many, verify=authorities())
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def send(self, place: int, method: str, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        """As the person at `place`; `path` below the copy. Any answer counts as one."""
        address = f"{self._below}/{path}".rstrip("/")
        own = {"Authorization": f"Bearer {write_pass(self._secret, place)}"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._turn:
            try:
                return await self.http.request(method, address, json=json, headers=own)
            except httpx2.HTTPError as error:
                raise Unanswered(type(error).__name__) from None


class Server:
    """The process that serves, as it tells of itself on `/metrics`, to the same machine only."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._cpu: list[float] = []  # seconds
        self._memory: list[float] = []  # bytes

    async def look(self) -> None:
        try:
            answer = await self._requests.http.get(f"{self._requests.url}/metrics")
        except httpx2.HTTPError:
            return
        told = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line.startswith("process_"))
        if answer.status_code == 200 and "process_cpu_seconds_total" in told:
            self._cpu.append(float(told["process_cpu_seconds_total"]))
            self._memory.append(float(told["process_resident_memory_bytes"]))

    async def watch(self, pause: float = 2.0) -> None:
        while True:
            await asyncio.sleep(pause)
            await self.look()

    def seen(self, seconds: float) -> ServerView | None:
        if len(self._cpu) < 2:
            return None
        cpu = 100 * (self._cpu[-1] - self._cpu[0]) / seconds
        return ServerView(cpu=round(cpu), memory=round(max(self._memory) / (1 << 20)))


class Lateness:
    """How much too late this process comes to what it has to do: beyond some 100 ms its own times are not to be believed."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    async def watch(self, pause: float = 0.05) -> None:
        while True:
            due = monotonic() + pause
            await asyncio.sleep(pause)
            self.seen.append(max(0.0, monotonic() - due) * 1000)
