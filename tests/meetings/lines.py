"""Sockets to the application of a test: over a real server in its event loop, as `dienhong serve` runs it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from meetings.live.wires import SERVING

if TYPE_CHECKING:
    from tests.meetings.conftest import Web

PATIENCE = 20  # seconds


class Line:
    """An open socket, and what has been heard on it."""

    def __init__(self, session: ClientConnection) -> None:
        self.session = session
        self.heard: list[dict[str, Any]] = []

    def say(self, message: Any) -> "Line":
        self.session.send(message if isinstance(message, str | bytes) else json.dumps(message))
        return self

    def hello(self, epoch: str | None = None, since: int | None = None) -> dict[str, Any]:
        """The answer to `hello`: a snapshot, or the events since then."""
        self.say({"type": "hello", "epoch": epoch, "since": since})
        answer = self.until("snapshot" if since is None else "events")
        while since is not None and answer["after"] != since:  # what is new may be told before
            answer = self.until("events")
        return answer

    def vote(self, poll_id: str, choice: str, key: str, replaces: str | None = None) -> dict[str, Any]:
        """The answer to a ballot; `heard` keeps the rest."""
        self.say({"type": "vote.cast", "poll_id": poll_id, "choice": choice, "key": key, "replaces": replaces})
        return self.until("vote.receipt", "vote.refused")

    def until(self, *kinds: str) -> dict[str, Any]:
        while True:
            self.raw = self.session.recv(timeout=PATIENCE)
            frame: dict[str, Any] = json.loads(self.raw)
            self.heard.append(frame)
            if frame["type"] in kinds:
                return frame

    def closed(self) -> int:
        """The code with which the other side ends it."""
        return self.end().code

    def end(self) -> Any:
        """The close frame of the other side."""
        while True:
            try:
                self.heard.append(json.loads(self.session.recv(timeout=PATIENCE)))
            except ConnectionClosed as end:
                return end.rcvd


def address(web: "Web") -> str:
    """Of the application's socket; its server starts when first asked for, and ends with the test's application."""
    state = web.client.app.state
    if not hasattr(state, "port"):
        server = uvicorn.Server(uvicorn.Config(web.client.app, port=0, lifespan="off", log_config=None, **SERVING))
        serving = web.client.portal.start_task_soon(server.serve)
        while not server.started:
            time.sleep(0.005)

        def stop() -> None:
            server.should_exit = True
            serving.result(PATIENCE)

        state.port, state.stop = server.servers[0].sockets[0].getsockname()[1], stop
    return f"ws://127.0.0.1:{state.port}/api/live"


def ticket(web: "Web", who: str) -> str:
    answer = web.call(who, "POST", "ticket")
    assert answer.status_code == 201
    return str(answer.json()["ticket"])


@contextmanager
def line(web: "Web", who: str = "", entry: str | None = None, **arguments: Any) -> Iterator[Line]:
    entry = ticket(web, who) if entry is None else entry
    arguments = {"origin": web.client.app.state.settings.public_url, "max_size": None, "close_timeout": 2} | arguments
    with connect(f"{address(web)}?ticket={entry}", **arguments) as session:
        yield Line(session)


def turned_away(web: "Web", entry: str, **arguments: Any) -> int:
    """The status with which nobody even comes in."""
    with pytest.raises(InvalidStatus) as end, line(web, entry=entry, **arguments):
        pass
    return end.value.response.status_code
