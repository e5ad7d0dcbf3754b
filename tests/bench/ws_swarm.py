"""Thousands of websocket clients of one thread, over plain epoll; loopback only. It costs 3 to 5 us of a core an event."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEAD_END = b"\r\n\r\n"
WINDOW = 128  # handshakes under way


class Refused(Exception):
    """The server closed, or did not answer in time."""


def frame(payload: bytes, operation: int = 1) -> bytes:
    """Of a client; the mask is zero, so the payload stays as it is."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | operation, 0x80 | size)) + bytes(4) + payload
    return bytes((0x80 | operation, 0x80 | 126)) + struct.pack("!H", size) + bytes(4) + payload


def handshake(port: int, path: str, *headers: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Swarm:
    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self.files: list[int] = []
        self.bytes_in = 0

    def connect(self, requests: list[bytes], first: bytes = b"", wanted: bytes = b"", *, within: float = 120) -> float:
        """Open one connection for each request, say `first` on each and wait for a frame that holds `wanted`; the seconds."""
        started, deadline = time.monotonic(), time.monotonic() + within
        waiting, shaking, answering = iter(requests), dict[int, bytes](), set[int]()
        left = len(requests)
        while left:
            self._knock(waiting, shaking)
            for file, _ in self._epoll.poll(1, 4096):
                if file not in shaking:
                    if any(wanted in text for text in self._read(file)) and file in answering:
                        answering.discard(file)
                        left -= 1
                    continue
                shaking[file] += self._receive(file)
                head, found, rest = shaking[file].partition(HEAD_END)
                if not found:
                    continue
                if b" 101 " not in head[:20]:
                    raise Refused(head[:300])
                del shaking[file]
                self.files.append(file)
                self._rest[file] = rest
                if first:
                    self._sockets[file].send(first)
                    answering.add(file)
                else:
                    left -= 1
            if time.monotonic() > deadline:
                raise Refused(f"{left} of {len(requests)} connections are missing")
        return time.monotonic() - started

    def _knock(self, waiting: Iterator[bytes], shaking: dict[int, bytes]) -> None:
        while len(shaking) < WINDOW and (request := next(waiting, b"")):
            one = socket.create_connection(("127.0.0.1", self._port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.send(request)
            one.setblocking(False)
            self._sockets[one.fileno()] = one
            shaking[one.fileno()] = b""
            self._epoll.register(one.fileno(), select.EPOLLIN)

    def quiet(self, seconds: float) -> None:
        """Read whatever comes until nothing came for so long."""
        while events := self._epoll.poll(seconds, 8192):
            for file, _ in events:
                self._read(file)

    def fan_out(self, trigger: Callable[[], None], wanted: bytes, *, within: float = 60) -> tuple[float, list[float]]:
        """Seconds from the trigger to the last receive, and to each."""
        left, took, deadline = len(self.files), list[float](), time.monotonic() + within
        started = time.monotonic()
        trigger()
        while left:
            for file, _ in self._epoll.poll(1, 4096):
                if any(wanted in text for text in self._read(file)):
                    left -= 1
                    took.append(time.monotonic() - started)
            if time.monotonic() > deadline:
                raise Refused(f"{left} events are missing")
        return time.monotonic() - started, took

    def burst(self, frames: list[bytes], wanted: bytes, *, at_once: int = 50, within: float = 60) -> tuple[float, list[float]]:
        """Each says its frame as fast as can be; seconds to the last answer, and of each answer from its own sending."""
        sent, took, place, left = dict[int, float](), list[float](), 0, len(frames)
        started, deadline = time.monotonic(), time.monotonic() + within
        while left:
            for file, text in zip(self.files[place : place + at_once], frames[place : place + at_once], strict=True):
                sent[file] = time.monotonic()
                self._sockets[file].send(text)
            place = min(place + at_once, len(frames))
            for file, _ in self._epoll.poll(0 if place < len(frames) else 1, 4096):
                if any(wanted in text for text in self._read(file)):
                    left -= 1
                    took.append(time.monotonic() - sent[file])
            if time.monotonic() > deadline:
                raise Refused(f"{left} answers are missing")
        return time.monotonic() - started, took

    def say(self, place: int, text: bytes) -> None:
        self._sockets[self.files[place]].send(frame(text))

    def close(self) -> None:
        self._epoll.close()
        for one in self._sockets.values():
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no port waits for its end
                one.close()

    def _receive(self, file: int) -> bytes:
        try:
            data = self._sockets[file].recv(1 << 18)
        except BlockingIOError:
            return b""
        if not data:
            raise Refused("the server closed a connection")
        self.bytes_in += len(data)
        return data

    def _read(self, file: int) -> list[bytes]:
        """The texts that are whole now; pings are answered."""
        data = self._rest[file] + self._receive(file)
        texts, start = [], 0
        while len(data) - start >= 2:
            size, head = data[start + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[start + 2 : start + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[start + 2 : start + 10], "big"), 10
            if len(data) - start < head + size:
                break
            operation, payload = data[start] & 15, data[start + head : start + head + size]
            if operation == 9:
                self._sockets[file].send(frame(payload, 10))
            elif operation == 8:
                raise Refused(f"the server closed a connection: {payload!r}")
            else:
                texts.append(payload)
            start += head + size
        self._rest[file] = data[start:]
        return texts
