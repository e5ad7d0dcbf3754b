"""The demo as its user has it: `dienhong demo` in a folder of its own, on ports of its own, all of it real.

One demo serves all stories and a chapter rests on those before: they run in their order (`-n0 -p no:randomly`).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.flows.person import Person

ROOT = Path(__file__).parents[2]
ATTACHED = os.environ.get("DEMO_DIR", "")  # the VAR_DIR of a demo that already runs on the usual ports, while writing stories
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in (one for one in items if one.path.parent == Path(__file__).parent):
        item.add_marker(pytest.mark.timeout(300))  # a demo is made for the first of them, beside all other tests


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Demo:
    """A running demo, and what a tester does to it from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ("IDP_PORT", "MEETINGS_PORT", "CALENDAR_PORT", "PKI_PORT")
        self.ports = dict(zip(names, [8400, 8500, 8600, 8700] if ATTACHED else free_ports(4), strict=True))
        self.environment = {**os.environ, "VAR_DIR": str(folder), **{name: str(port) for name, port in self.ports.items()}}
        self.persons: list[Person] = []
        self.process = None if ATTACHED else self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        file = self.folder / "demo" / "demo.json"
        file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "deploy.cli", "demo"]
        with (self.folder / "demo.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 200
        while not file.exists():
            assert process.poll() is None, (self.folder / "demo.log").read_text()
            assert time.monotonic() < deadline, "not ready in time"
            time.sleep(0.2)
        return process

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / "demo" / "demo.json").read_text())
        return facts

    def people(self, role: str) -> list[str]:
        return [one["username"] for one in self.facts["accounts"] if one["role"] == role]

    def person(self, role: str, place: int = 0) -> Person:
        """The `place`-th person of a role, signed in; closed with the demo."""
        person = Person(self.facts, self.people(role)[place])
        self.persons.append(person)
        return person.sign_in()

    def kill_meetings(self) -> None:
        """SIGKILL to the process that serves meetings; the demo starts it again."""
        wanted = f"serve meetings --port {self.ports['MEETINGS_PORT']}"
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            if wanted in entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"):
                os.kill(int(entry.parent.name), signal.SIGKILL)
                return
        raise AssertionError("no meetings process")

    def await_meetings(self) -> None:
        """Until what was killed serves again: screens that had their answers before do not wait for it."""
        deadline = time.monotonic() + 60
        while True:
            with suppress(httpx2.TransportError):
                if httpx2.get(f"{self.facts['meetings']}/readyz").status_code == 200:
                    return
            assert time.monotonic() < deadline, "not back in time"
            time.sleep(0.1)

    def stop(self) -> None:
        for person in self.persons:
            person.http.close()
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(Path(ATTACHED) if ATTACHED else tmp_path_factory.mktemp("demo"))
    yield demo
    demo.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()
