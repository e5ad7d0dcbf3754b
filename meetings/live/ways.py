"""What leads to a tablet, as the hub knows it, and who is told what comes from there."""

import struct
from collections.abc import Callable
from typing import Protocol

from websockets.frames import Opcode

PING = b"\x89\x00"


class Way(Protocol):
    """What leads to one tablet: a `Wire`, or a line behind a relay."""

    @property
    def heard_at(self) -> float: ...

    @property
    def delay(self) -> float | None: ...

    @property
    def write(self) -> Callable[[bytes], None]:
        """Send a finished frame. A reader who lets too much wait is let go."""

    def write_large(self, frame: bytes) -> None:
        """The same with an answer that it asked for itself: so much more may wait."""

    def ping(self, frame: bytes = b"") -> None:
        """The same, and a ping after it."""

    def end(self, code: int, reason: str = "") -> None: ...

    def cut(self) -> None: ...


class Ear(Protocol):
    """Who is told what a wire hears; in the event loop, and never after `gone`."""

    def hear(self, text: str) -> None: ...

    def gone(self) -> None: ...

    def restart(self) -> None:
        """The process ends: the wire is to be closed."""


def finished(content: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    """A frame of the server (RFC 6455, 5.2), ready for any number of wires."""
    size, first = len(content), 0x80 | opcode
    if size < 126:
        return bytes((first, size)) + content
    return (struct.pack("!BBH", first, 126, size) if size < 1 << 16 else struct.pack("!BBQ", first, 127, size)) + content
