"""The socket over a real server: what happens before and below the application."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from meetings import app as meetings_app
from meetings.live.wires import SERVING
from tests.makers import House, make_house
from tests.meetings.conftest import make_settings
from tests.meetings.issuer import Issuer


class Server:
    """The application in a thread of its own, set up as `dienhong serve` does."""

    def __init__(self, settings: Any, issuer: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url, self.issuer = f"http://127.0.0.1:{self.port}", issuer
        self.app = meetings_app.build(settings.model_copy(update={"public_url": self.url, "audience": self.url}))
        config = uvicorn.Config(self.app, port=self.port, log_config=None, access_log=False, **SERVING)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.house: House = make_house(self.app.state.db)

    def ticket(self, who: str) -> str:
        headers = {"authorization": f"Bearer {self.issuer.token(who, audience=self.url)}"}
        answer = httpx2.post(f"{self.url}/api/meetings/{self.house.meeting_id}/ticket", headers=headers)
        return str(answer.json()["ticket"])

    def open(self, who: str = "m3", **arguments: Any) -> ClientConnection:
        address = f"ws://127.0.0.1:{self.port}/api/live?ticket={self.ticket(who)}"
        return connect(address, **({"origin": self.url, "max_size": None} | arguments))


@contextmanager
def serve(sqlite_template: Path, folder: Path, issuer: Issuer) -> Iterator[Server]:
    shutil.copy(sqlite_template, folder / "meetings.db")
    server = Server(make_settings(f"sqlite:///{folder}/meetings.db", folder, issuer), issuer)
    yield server
    server.server.should_exit = True
    server.thread.join(timeout=20)


@pytest.fixture(scope="module")
def server(sqlite_template, tmp_path_factory, issuer) -> Iterator[Server]:
    with serve(sqlite_template, tmp_path_factory.mktemp("server"), issuer) as server:
        yield server


def end_of(line: ClientConnection) -> int:
    try:
        while True:
            line.recv(timeout=10)
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd else 1006


def test_a_foreign_origin_is_403_before_the_handshake(server):
    for origin in (None, "null", "https://evil.example", server.url + ".evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            server.open(origin=origin)
        assert refused.value.response.status_code == 403


def test_a_socket_reads_the_meeting_aloud_and_ends_with_the_process(sqlite_template, tmp_path, issuer):
    with serve(sqlite_template, tmp_path, issuer) as server, server.open() as line:
        line.send('{"type": "hello"}')
        while json.loads(line.recv(timeout=10))["type"] != "snapshot":
            pass
        server.house.check_in(["m4"])
        while json.loads(line.recv(timeout=10))["type"] != "events":
            pass
        server.server.should_exit = True
        assert end_of(line) == 1012


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([Frame(Opcode.BINARY, b'{"type": "hello"}')], 4400),
        ([Frame(Opcode.TEXT, b"\xff\xfe")], 1007),
        ([Frame(Opcode.TEXT, b"x" * (17 << 20))], 1009),
        ([Frame(Opcode.TEXT, b"x" * 1000, fin=False)] * 20 + [Frame(Opcode.CONT, b"")], 1002),
        ([Frame(Opcode.CONT, b"x")], 1002),
        ([Frame(Opcode.TEXT, b"x" * 1000, fin=False)] + [Frame(Opcode.CONT, b"x" * 1000, fin=False)] * 20, 1009),
        ([Frame(Opcode.TEXT, b"", fin=False)] + [Frame(Opcode.CONT, b"", fin=False)] * 500, 1008),
        ([Frame(Opcode.PING, b"x")] * 500, 1008),
        ([Frame(Opcode.TEXT, b'{"type": "hello"}')] * 500, 1008),
        ([Frame(Opcode.TEXT, b"x", rsv1=True)], 1002),  # as if it were compressed, which nobody agreed on
    ],
    ids=[
        "binary",
        "not-utf-8",
        "large",
        "begun-twice",
        "continued-from-nothing",
        "fragments-without-end",
        "empty-fragments-without-end",
        "pings",
        "many",
        "compressed",
    ],
)
def test_a_crooked_frame_ends_this_socket_and_no_other(server, frames, code):
    with server.open("m4") as other, server.open() as line:
        other.send('{"type": "hello"}')
        for frame in frames:
            masked = Frame(frame.opcode, frame.data, frame.fin)
            try:
                first, *rest = masked.serialize(mask=True)
                line.socket.sendall(bytes([first | (0x40 if frame.rsv1 else 0), *rest]))
            except OSError:  # the other side has had enough already
                break
        assert end_of(line) == code
        while json.loads(other.recv(timeout=10))["type"] != "snapshot":
            pass
        other.send('{"type": "hello"}')
        assert json.loads(other.recv(timeout=10))["type"]
