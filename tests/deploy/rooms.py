"""A meetings service and the relay of a room, each a process of its own, and tablets on either way."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx2
from websockets.sync.client import connect

from shared import migrate
from shared.db import Database
from tests.makers import House, make_house
from tests.meetings.issuer import Issuer
from tests.meetings.lines import Line
from tests.meetings.scene import PDF, upload

ROOT = Path(__file__).parents[2]
PATIENCE = 100.0  # seconds
CLIENT, SECRET = "relay-hoa-vang", token_urlsafe(32)


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


class Process:
    """A command that answers on its port; killed and started again as a test asks."""

    def __init__(self, name: str, folder: Path, port: int, environment: dict[str, str], *command: str) -> None:
        self.log, self.port = folder / f"{name}.log", port
        self._command, self._environment = [sys.executable, "-m", "deploy.cli", *command, "--port", str(port)], environment

    def start(self) -> "Process":
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, cwd=ROOT, env={**os.environ, **self._environment}, stdout=log, stderr=log
            )
        return self

    def ready(self, path: str = "/readyz") -> None:
        def answers() -> bool:
            assert self._running.poll() is None, self.log.read_text()[-3000:]
            try:
                return asking.get(f"http://127.0.0.1:{self.port}{path}").status_code == 200
            except httpx2.TransportError:
                return False

        with httpx2.Client() as asking:
            until(answers, f"ready: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        self._running.kill()
        self._running.wait()

    def end(self) -> None:
        self._running.terminate()
        self._running.wait(20)

    @property
    def connections(self) -> int:
        """TCP connections that others have to it."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        established = [line.split()[1] for line in lines if line.split()[3] == "01"]
        return sum(address.endswith(f":{self.port:04X}") for address in established)


class Province:
    """`direct` and `relayed` are the addresses at which tablets find the one service."""

    def __init__(self, folder: Path, issuer: Issuer, voters: int = 22) -> None:
        self.folder, self.issuer = folder, issuer
        url = f"sqlite:///{folder}/meetings.db"
        self.db = Database(url)
        migrate.upgrade(self.db.engine, "meetings")
        self.house: House = make_house(self.db, voters).open()
        port, relay_port = free_port(), free_port()
        self.poll = self.paper_id = ""
        self.direct, self.relayed = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{relay_port}"
        issuer.clients[f"{CLIENT}:{SECRET}"] = self.direct, "meetings.relay"
        common = {"PUBLIC_URL": self.direct, "ISSUER": issuer.url, "LOG_LEVEL": "INFO"}
        service = {
            "DATABASE_URL": url,
            "STORAGE_URL": f"{folder}/documents",
            "SECRET": token_urlsafe(48),
            "CLIENT_ID": "meetings-web",
            "AUDIENCE": self.direct,
            "RELAYS": f"another, {CLIENT}",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        room = {"RELAY_CLIENT_ID": CLIENT, "RELAY_CLIENT_SECRET": SECRET, "CACHE_FOLDER": f"{folder}/cache"}
        self.meetings = Process("meetings", folder, port, common | service, "serve", "meetings").start()
        self._room = common | room
        self.relay = Process("relay", folder, relay_port, self._room, "relay").start()
        self.ready()

    def ready(self) -> None:
        self.meetings.ready()
        self.relay.ready()

    def call(self, way: str, who: str, method: str, path: str, **arguments: Any) -> httpx2.Response:
        url = path if path.startswith("/") else f"/api/meetings/{self.house.meeting_id}/{path}".rstrip("/")
        headers = {"authorization": f"Bearer {self.token(who)}"} | arguments.pop("headers", {})
        return httpx2.request(method, way + url, headers=headers, timeout=PATIENCE, **arguments)

    def token(self, who: str) -> str:
        return self.issuer.token(who, audience=self.direct)

    def ticket(self, who: str, way: str = "") -> str:
        answer = self.call(way or self.direct, who, "POST", "ticket")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    @contextmanager
    def line(self, way: str, who: str = "", entry: str | None = None, **arguments: Any) -> Iterator[Line]:
        entry = self.ticket(who) if entry is None else entry
        arguments = {"origin": self.direct, "max_size": None, "close_timeout": 2, "compression": None} | arguments
        with connect(f"{way.replace('http', 'ws')}/api/live?ticket={entry}", **arguments) as session:
            yield Line(session)

    def publish(self, content: bytes = PDF, **form: str) -> str:
        """A new paper for all; its id."""
        path = f"items/{self.house.item_id}/papers"
        answer = self.call(self.direct, "secretary", "POST", path, data=form, **upload(content))
        assert answer.status_code == 201, answer.text
        assert self.call(self.direct, "secretary", "POST", "publish").status_code == 200
        return str(answer.json()["paper_id"])

    def open_vote(self) -> str:
        """The one that is open now; its id."""
        if self.poll:
            assert self.call(self.direct, "chair", "POST", f"polls/{self.poll}/close").status_code == 204
        self.poll = self.house.open_poll()
        return self.poll

    @contextmanager
    def another_relay(self, **changes: str) -> Iterator[tuple[Process, str]]:
        port = free_port()
        folder = {"CACHE_FOLDER": f"{self.folder}/cache-{port}"}
        relay = Process(f"relay-{port}", self.folder, port, self._room | folder | changes, "relay").start()
        try:
            relay.ready("/healthz")
            yield relay, f"http://127.0.0.1:{port}"
        finally:
            relay.end()

    def close(self) -> None:
        for process in (self.relay, self.meetings):
            process.end()
        self.db.close()
