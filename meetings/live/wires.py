"""One socket below the application: the only place that touches its transport.

The handshake goes through ASGI, like any request. After it the endpoint gives the wire an `Ear` and returns: no task waits for
a socket, and a frame is encoded once into finished bytes, which are written to every transport as they are.

Measured by `make bench-live` (`docs/performance.md` has the table); uvicorn stays the one server on the one port.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.speedups import apply_mask

from meetings.live.ways import PING, Ear

MOST_BYTES = 1 << 20  # that wait for one reader; with more it is let go, and comes back to ask for what it missed
MOST_FRAMES = 256
MOST_SAID = 4096  # bytes of one message of a client
FRAMES_PER_SECOND, FRAMES_AT_ONCE = 20.0, 100.0  # that a client may send
CLOSE_WITHIN = 4.0  # seconds for the other side to answer a close
TOO_SLOW, NOT_UNDERSTOOD = 4408, 4400

# Arguments of uvicorn under which the sockets of this room work.
SERVING: dict[str, Any] = {
    "ws": "meetings.live.wires:Wire",
    "ws_max_size": MOST_SAID,
    "ws_per_message_deflate": False,
    "ws_ping_interval": None,  # the hub beats for all at once
}

log = logging.getLogger("meetings.wires")
log.setLevel(logging.WARNING)  # below that uvicorn's protocol tells addresses, and a ticket stands in them


class Wire(WebSocketsSansIOProtocol):
    """uvicorn's protocol; in the ASGI scope it stands under `extensions`, as `wire`."""

    __slots__ = ("write",)  # one place in memory, where the dictionary has several: that is felt when 3,500 are told
    ear: Ear | None = None
    heard_at = 0.0  # by the loop's clock, anything: also the answer to a ping
    delay: float | None = None  # seconds that the last answer to a ping took
    _pinged_at = 0.0  # the oldest ping that waits for its answer; 0: none
    _wide = 1  # tablets for which it carries
    _unsent = 0  # frames since the transport was last empty
    _granted = 0  # bytes beyond MOST_BYTES, while one large frame is under way
    _allowance = FRAMES_AT_ONCE

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.write: Callable[[bytes], None] = _nothing  # the transport's own, while nothing waits there
        super().__init__(*arguments, **named)
        self.logger = self.conn.logger = log

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["wire"] = self

    def attach(self, ear: Ear) -> None:
        """From here on the wire is the ear's; what was said meanwhile is heard first."""
        self.ear, self.heard_at = ear, self.loop.time()
        said, self.queue = self.queue, _nowhere()
        # Tens of kilobytes of a handshake that nobody asks for any more.
        del self.scope, self.request, self.response
        self.writable = _always()
        if self.disconnected:
            ear.gone()
            return
        self.transport.set_write_buffer_limits(1)  # to be told when it is empty, and when not
        self.write = self._queue if self.transport.get_write_buffer_size() else self.transport.write
        while not said.empty():
            if text := said.get_nowait().get("text"):
                self._hear(str(text))
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def write_large(self, frame: bytes) -> None:
        self.write(frame)
        if not self.close_sent and self.transport.get_write_buffer_size():
            self._granted = len(frame)

    def ping(self, frame: bytes = b"") -> None:
        self._pinged_at = self._pinged_at or self.loop.time()
        self.write(frame + PING)

    def _queue(self, frame: bytes) -> None:
        """`write`, while something waits."""
        self._unsent += 1
        waiting = self.transport.get_write_buffer_size()
        if waiting > MOST_BYTES * self._wide + self._granted or self._unsent > MOST_FRAMES * self._wide:
            self.end(TOO_SLOW)
        else:
            self.transport.write(frame)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.write is not _nothing:
            self._unsent, self.write = 0, self._queue

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.write is not _nothing:
            self._granted, self.write = 0, self.transport.write

    def end(self, code: int, reason: str = "") -> None:
        """Close with `code`; a side that does not answer is cut off."""
        if self.close_sent or self.disconnected:
            return
        self._stop_writing()
        try:
            self.conn.send_close(code, reason)
        except InvalidState:  # the other side was first
            self.transport.close()
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(CLOSE_WITHIN, self.transport.abort)

    def cut(self) -> None:
        """Let go without a word of a side that says nothing."""
        self.transport.abort()

    def _stop_writing(self) -> None:
        self.close_sent, self.write = True, _nothing

    def widen(self, tablets: int, most_said: int) -> None:
        """Let it carry what so many tablets would, in messages of `most_said` bytes."""
        self._wide, self._allowance, self.conn.max_message_size = tablets, FRAMES_AT_ONCE * tablets, most_said

    async def run_asgi(self) -> None:
        """As uvicorn does it, but a wire that has an ear outlives the endpoint."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            log.exception("a bug in the endpoint of the socket")
            self.send_500_response()
        if self.ear is None and self.close_timer is None:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        now = self.loop.time()
        if self.ear is not None:
            gained = (now - self.heard_at) * FRAMES_PER_SECOND * self._wide
            self._allowance = min(FRAMES_AT_ONCE * self._wide, self._allowance + gained)
        self.heard_at = now
        if self._hear_at_once(data):
            return
        for start in range(0, len(data), MOST_SAID):  # so that a flood is seen before all of it is taken apart
            if not self.transport.is_closing():
                super().data_received(data[start : start + MOST_SAID])

    def _hear_at_once(self, data: bytes) -> bool:
        """A whole short text alone, as nearly all are: without the parser, which costs ten times as much."""
        size = len(data) - 6
        if size < 0 or data[0] != 0x81 or data[1] != 0x80 | size or size > 125:
            if size < 128 or size > MOST_SAID or data[:2] != b"\x81\xfe" or int.from_bytes(data[2:4], "big") != size - 2:
                return False
            size -= 2
        if self.ear is None or self.close_sent or self.frames or self.conn.reader.buffer:
            return False
        self._allowance -= 1
        if self._allowance < 0:
            self._stop_flood()
            return True
        self.frames = [apply_mask(data[-size:] if size else b"", data[-size - 4 : -size or None])]
        self.send_receive_event_to_app()
        return True

    def handle_events(self) -> None:
        if self.ear is None:
            super().handle_events()
            return
        for event in self.conn.events_received():
            if not isinstance(event, Frame) or (self.close_sent and event.opcode is not Opcode.CLOSE):
                continue
            self._allowance -= 1
            if self._allowance < 0:
                self._stop_flood()
            elif event.opcode in (Opcode.TEXT, Opcode.CONT):
                self.frames = [event.data] if event.opcode is Opcode.TEXT else [*self.frames, event.data]  # type: ignore[list-item]
                if event.fin:
                    self.send_receive_event_to_app()
            elif event.opcode is Opcode.BINARY:
                self.end(NOT_UNDERSTOOD)
            elif event.opcode in (Opcode.PING, Opcode.PONG):
                self._hear_beat(event.opcode)
            elif event.opcode is Opcode.CLOSE:
                self.handle_close(event)
                self._stop_writing()

    def _stop_flood(self) -> None:
        """Nothing more is read, not even the answer to the close: the flood would go on until it comes."""
        self.end(CloseCode.POLICY_VIOLATION)
        self.transport.close()

    def _hear_beat(self, opcode: Opcode) -> None:
        if opcode is Opcode.PING:
            self.handle_ping()
        elif self._pinged_at:
            self.delay, self._pinged_at = self.heard_at - self._pinged_at, 0.0

    def send_receive_event_to_app(self) -> None:
        if self.ear is None:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        try:
            self._hear(data.decode())
        except UnicodeDecodeError:
            self.end(CloseCode.INVALID_DATA)

    def _hear(self, text: str) -> None:
        if self.ear is not None and not self.close_sent:
            self.ear.hear(text)

    def start_keepalive(self) -> None:
        """The hub's heartbeat carries the ping."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_writing()
        if self.ear is not None:
            ear, self.ear = self.ear, _deaf
            ear.gone()

    def shutdown(self) -> None:
        if self.ear is None:
            super().shutdown()
        else:
            self.ear.restart()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._stop_writing()
        self.close_timer = self.loop.call_later(CLOSE_WITHIN, self.transport.abort)


def _nothing(_frame: bytes) -> None:
    """`write` of a wire that is closed, or not yet anyone's."""


class _Deaf:
    def hear(self, text: str) -> None: ...

    def gone(self) -> None: ...

    def restart(self) -> None: ...


class _Nowhere(asyncio.Queue[Any]):
    def put_nowait(self, item: Any) -> None:
        """What ASGI would be told, and nobody asks for."""


@cache
def _nowhere() -> asyncio.Queue[Any]:
    return _Nowhere()


@cache
def _always() -> asyncio.Event:
    """Set for ever, and shared: `write` watches the transport itself."""
    return _Always()


class _Always(asyncio.Event):
    def is_set(self) -> bool:
        return True

    def set(self) -> None: ...

    def clear(self) -> None: ...


_deaf = _Deaf()
