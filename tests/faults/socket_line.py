"""A websocket and an HTTP connection of one tablet, over plain asyncio: cheap enough for a thousand of them in one process."""

import asyncio
import json
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bench.browser import Connection
from tests.bench.ws_swarm import frame, handshake

HEAD_END = b"\r\n\r\n"
CLOSED_WITHOUT_A_WORD = 1006


@dataclass
class Way:
    """How a site reaches the service: its doors in the order in which they are tried, and the address it comes from."""

    origin: str
    meeting_id: str
    doors: list[tuple[str, int]]
    source: str | None = None
    tls: ssl.SSLContext | None = None
    turn: int = 0

    @property
    def door(self) -> tuple[str, int]:
        return self.doors[self.turn % len(self.doors)]

    @property
    def local(self) -> tuple[str, int] | None:
        return (self.source, 0) if self.source else None

    def next_door(self) -> None:
        self.turn += 1


class Line(asyncio.Protocol):
    """An open socket. `hear(text)` for each message, `gone(code, reason)` once."""

    def __init__(self, request: bytes, hear: Callable[[bytes], None], gone: Callable[[int, str], None]) -> None:
        self._request, self._hear, self._gone = request, hear, gone
        self._rest, self._open, self._over = b"", False, False
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._open:
            head, found, rest = self._rest.partition(HEAD_END)
            if not found:
                return
            if b" 101 " not in head[:20]:
                self._end(int(head[9:12] or 0), "")
                return
            self._open, self._rest = True, rest
            if not self.opened.done():
                self.opened.set_result(True)
        while (taken := _take(self._rest)) and not self._over:
            operation, payload, self._rest = taken
            if operation == 1:
                self._hear(payload)
            elif operation == 9:
                self._write(frame(payload, 10))
            elif operation == 8:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                self._write(frame(payload[:2], 8))
                self._end(code, payload[2:].decode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(CLOSED_WITHOUT_A_WORD, "")

    def say(self, message: Mapping[str, Any]) -> None:
        self._write(frame(json.dumps(message).encode()))

    def cut(self) -> None:
        """Away without a close frame."""
        if self._transport:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, code: int, reason: str) -> None:
        if self._over:
            return
        self._over = True
        if not self.opened.done():
            self.opened.set_result(False)
        if self._transport:
            self._transport.close()
        self._gone(code, reason)


def _take(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The first whole frame of a server: operation, payload, what is after it."""
    if len(data) < 2:
        return None
    size, head = data[1] & 127, 2
    if size == 126:
        size, head = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, head = int.from_bytes(data[2:10], "big"), 10
    if len(data) < head + size:
        return None
    return data[0] & 15, data[head : head + size], data[head + size :]


async def open_line(way: Way, ticket: str, hear: Callable[[bytes], None], gone: Callable[[int, str], None]) -> Line | None:
    """None where nobody lets us in; then `gone` has been told why, or nobody was there."""
    host, port = way.door
    request = handshake(port, f"/api/live?ticket={ticket}", f"Origin: {way.origin}")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(10):
            _, line = await loop.create_connection(
                lambda: Line(request, hear, gone), host, port, local_addr=way.local, ssl=way.tls
            )
            return line if await line.opened else None
    except (OSError, TimeoutError):
        return None


@dataclass
class Http:
    """Requests of one person; a connection is kept for the next, and one carries one request at a time."""

    way: Way
    token: str
    _idle: list[Connection] = field(default_factory=list)

    async def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        within: float = 10,
    ) -> tuple[int, Any]:
        """Status and JSON of the answer. OSError or TimeoutError where there was none."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.way.door[0]}:{self.way.door[1]}",
            f"Authorization: Bearer {self.token}",
            f"Content-Length: {len(content)}",
            *([] if body is None else ["Content-Type: application/json"]),
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        connection = self._idle.pop() if self._idle else Connection()
        try:
            async with asyncio.timeout(within):
                if not connection.is_open:
                    loop, (host, port) = asyncio.get_running_loop(), self.way.door
                    _, connection = await loop.create_connection(
                        Connection, host, port, local_addr=self.way.local, ssl=self.way.tls
                    )
                answer = await connection.send("\r\n".join([*lines, "", ""]).encode() + content)
        except BaseException:
            if connection.transport:
                connection.transport.abort()  # an answer that comes later is nobody's
            raise
        self._idle.append(connection)
        return answer.status, json.loads(answer.body) if answer.body[:1] in (b"{", b"[") else None

    def close(self) -> None:
        for one in self._idle:
            if one.transport:
                one.transport.abort()
        self._idle.clear()
