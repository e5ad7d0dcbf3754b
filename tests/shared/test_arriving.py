"""Who has left is not worked for: a real server whose loop is held up, as it is in a rush."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from shared.arriving import Arriving

HELD, PATIENCE = b"/held", 30


class Counted:
    """An application that stands still in its first request, and says which came."""

    def __init__(self) -> None:
        self.paths: list[bytes] = []
        self.inside, self.go_on = threading.Event(), threading.Event()

    async def __call__(self, scope, receive, send) -> None:
        self.paths.append(scope["raw_path"])
        if scope["raw_path"] == HELD:
            self.inside.set()
            assert self.go_on.wait(PATIENCE)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def serving(app: Counted) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(app, http=Arriving, ws="none", lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, args=([door],))
        thread.start()
        try:
            yield door.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


def ask(address: tuple[str, int], path: bytes) -> socket.socket:
    line = socket.create_connection(address, timeout=PATIENCE)
    line.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    return line


def test_who_left_while_waiting_is_not_worked_for_and_who_stayed_is_answered():
    app = Counted()
    with serving(app) as address, ask(address, HELD) as held:
        assert app.inside.wait(PATIENCE)
        with ask(address, b"/left"), ask(address, b"/left-too"):
            pass
        with ask(address, b"/stayed") as stayed:
            app.go_on.set()
            assert held.recv(100).startswith(b"HTTP/1.1 204")
            assert stayed.recv(100).startswith(b"HTTP/1.1 204")
            stayed.sendall(b"GET /again HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stayed.recv(100).startswith(b"HTTP/1.1 204")
    assert app.paths == [HELD, b"/stayed", b"/again"]
