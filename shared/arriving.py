"""Who gave up while waiting to be served is not served any more.

In a rush the door holds thousands of connections whose clients have long come back with another one. Working for those first
takes so long that the next give up too, and nobody is ever served (measured by F6 of `docs/promises.md`).
"""

import select

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Arriving(HttpToolsProtocol):
    """uvicorn's protocol, for its argument `http`."""

    def data_received(self, data: bytes) -> None:
        if _has_left(self.transport.get_extra_info("socket").fileno()):
            self.transport.abort()
        else:
            super().data_received(data)


def _has_left(descriptor: int) -> bool:
    """The other side has closed, although it has heard no answer."""
    look = select.poll()
    look.register(descriptor, select.POLLRDHUP)
    return bool(look.poll(0))
