"""Who gave up while waiting to be served is not served any more, and who sends next to nothing is not waited for.

In a rush the door holds thousands of connections whose clients have long come back with another one. Working for those first
takes so long that the next give up too, and nobody is ever served (measured by F6 of `docs/promises.md`). Connections of which
each sends a byte now and then would fill the table of open files (F8).
"""

import asyncio
import select

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN = 10.0  # seconds for the head of a request
BODY_WITHIN, LEAST = 30.0, 8 * 1024  # seconds for its body; for a long one so many bytes in each second
AGAIN = 1.0  # seconds between two looks


class Arriving(HttpToolsProtocol):
    """uvicorn's protocol, for its argument `http`."""

    _arriving = True  # a request is awaited or under way
    _head_is_here = False
    _began = 0.0  # by the loop's clock: this request, or its body
    _bytes = 0  # of the body
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._began = self.loop.time()
        self._patience = self.loop.call_later(HEAD_WITHIN, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if _hears(self.transport, select.POLLRDHUP):  # the other side has closed, although it has heard no answer
            self.transport.abort()
            return
        super().data_received(data)
        if self._arriving and self._patience is None:  # seldom: most requests come whole
            self._patience = self.loop.call_later(AGAIN, self._look)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving, self._head_is_here, self._began, self._bytes = True, False, self.loop.time(), 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_is_here, self._began = True, self.loop.time()

    def on_body(self, body: bytes) -> None:
        self._bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arriving = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._rest()
        super().handle_websocket_upgrade()

    def _rest(self) -> None:
        """What is over is not held for a look that may come: ten thousand sockets' handshakes make the collector stop all."""
        self._arriving = False
        if self._patience:
            self._patience.cancel()
            self._patience = None

    def _look(self) -> None:
        """At a request that has not come whole: on time, or too slow? What waits to be read has come in time."""
        self._patience = None
        if not self._arriving or self.transport.is_closing():
            return
        took = self.loop.time() - self._began
        slow = took > BODY_WITHIN and self._bytes < took * LEAST if self._head_is_here else took > HEAD_WITHIN
        if slow and not self.flow.read_paused and not _hears(self.transport, select.POLLIN):
            self.transport.abort()
        else:
            self._patience = self.loop.call_later(AGAIN, self._look)


def _hears(transport: asyncio.Transport, what: int) -> bool:
    look = select.poll()
    look.register(transport.get_extra_info("socket").fileno(), what)
    return bool(look.poll(0))
