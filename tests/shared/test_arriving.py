"""Who has left is not worked for, and who trickles is let go: a real server, whose loop is held up as it is in a rush."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn

from shared import arriving
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
        while (await receive()).get("more_body"):
            pass
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


def let_go(line: socket.socket, bytes_: bytes) -> bool:
    """Whether the server closes while a byte now and then is sent."""
    line.settimeout(0.1)
    for byte in bytes_:
        try:
            line.sendall(bytes([byte]))
            if not line.recv(100):
                return True
        except TimeoutError:
            pass
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    "head",
    [
        b"GET /slow HTTP/1.1\r\n",
        b"GET /fast HTTP/1.1\r\n\r\nGET /slow HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n",
    ],
    ids=["head", "second head", "body"],
)
def test_who_sends_next_to_nothing_is_let_go(head, monkeypatch):
    monkeypatch.setattr(arriving, "HEAD_WITHIN", 0.5)
    monkeypatch.setattr(arriving, "BODY_WITHIN", 0.5)
    monkeypatch.setattr(arriving, "AGAIN", 0.1)
    with serving(Counted()) as address, socket.create_connection(address, timeout=PATIENCE) as line:
        line.sendall(head)
        assert let_go(line, b"x-trickle: " + b"x" * 500)


def test_who_says_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(arriving, "HEAD_WITHIN", 0.5)
    with serving(Counted()) as address, socket.create_connection(address, timeout=PATIENCE) as line, suppress(ConnectionError):
        assert line.recv(1) == b""


def test_a_long_body_over_a_thin_line_is_waited_for(monkeypatch):
    monkeypatch.setattr(arriving, "BODY_WITHIN", 0.2)
    monkeypatch.setattr(arriving, "LEAST", 10)
    monkeypatch.setattr(arriving, "AGAIN", 0.1)
    app = Counted()
    with serving(app) as address, socket.create_connection(address, timeout=PATIENCE) as line:
        line.sendall(b"POST /paper HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
            line.sendall(b"x" * 100)
        assert line.recv(100).startswith(b"HTTP/1.1 204")
    assert app.paths == [b"/paper"]
