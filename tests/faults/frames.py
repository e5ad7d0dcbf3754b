"""A websocket-aware proxy with a seed: it drops, doubles, reorders, delays frames and cuts lines, as bad boxes on the way do.

TCP never does this to a stream; overlapping reconnects, relays and fan-outs do it to messages.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Weather:
    """Parts of the frames; seconds."""

    drop: float = 0.05
    double: float = 0.05
    reorder: float = 0.1
    window: int = 5
    delay: float = 2.0
    delayed: float = 0.1
    cut: float = 1 / 200


CALM = Weather(0, 0, 0, 0, 0, 0, 0)


class FrameProxy:
    """Listens on a port of its own; `upstream` is a node's. `keep(frame)` sees each frame of the server in calm weather, and
    may hold it back."""

    def __init__(self, upstream: int, seed: int, weather: Weather, keep: Callable[[bytes], bool] | None = None) -> None:
        self.upstream, self.weather, self.keep = upstream, weather, keep
        self.random = random.Random(seed)
        self.port, self.harmed = 0, 0
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> "FrameProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for task in [*self._lines]:
            task.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.close()
            return
        try:
            head = await _head(reader)
            back.write(head)
            if b"upgrade: websocket" in head.lower():
                writer.write(await _head(there))
                ways = (self._frames(reader, back, False), self._frames(there, writer, True))
            else:
                ways = (_bytes(reader, back), _bytes(there, writer))
            await _first_ends(*ways)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for one in (writer, back):
                with suppress(OSError):
                    one.transport.abort()

    async def _frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_server: bool) -> None:
        """Frame for frame. Control frames pass: who loses them loses the line, which is the cut."""
        way = _Way(writer)
        while True:
            frame = await read_frame(reader)
            if frame[0] & 15 not in (1, 2) or self.weather is CALM:
                way.release()
                if not (from_server and self.keep and self.keep(frame)):
                    writer.write(frame)
            elif self.random.random() < self.weather.cut:
                self.harmed += 1
                return
            else:
                self._harm(way, frame)

    def _harm(self, way: "_Way", frame: bytes) -> None:
        weather, fate = self.weather, self.random.random()
        copies = 0 if fate < weather.drop else 2 if fate < weather.drop + weather.double else 1
        self.harmed += copies != 1
        for _ in range(copies):
            fate = self.random.random()
            self.harmed += fate < weather.delayed + weather.reorder
            if fate < weather.delayed:
                way.later(frame, self.random.random() * weather.delay)
            elif fate < weather.delayed + weather.reorder:
                way.held.append(frame)
            else:
                way.writer.write(frame)
        if len(way.held) >= weather.window or (way.held and self.random.random() < 0.3):
            self.random.shuffle(way.held)
            way.release()


class _Way:
    """One direction of a line, with what is held back on it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.held: list[bytes] = []
        self._late: set[asyncio.Task[None]] = set()

    def release(self) -> None:
        for one in self.held:
            self.writer.write(one)
        self.held.clear()

    def later(self, frame: bytes, seconds: float) -> None:
        task = asyncio.ensure_future(_later(self.writer, frame, seconds))
        self._late.add(task)
        task.add_done_callback(self._late.discard)


async def _later(writer: asyncio.StreamWriter, frame: bytes, seconds: float) -> None:
    await asyncio.sleep(seconds)
    if not writer.is_closing():
        writer.write(frame)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One frame as it came, with its mask."""
    head = await reader.readexactly(2)
    size = head[1] & 127
    if size > 125:
        more = await reader.readexactly(2 if size == 126 else 8)
        head, size = head + more, int.from_bytes(more, "big")
    return head + await reader.readexactly(size + (4 if head[1] & 128 else 0))


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(HEAD_END)


async def _bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _first_ends(*ways: "asyncio.Future[None] | object") -> None:
    tasks = [asyncio.ensure_future(one) for one in ways]  # type: ignore[arg-type]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
