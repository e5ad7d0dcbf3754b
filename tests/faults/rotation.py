"""New signing keys in the middle of a meeting, at the real identity provider: in good order, and because one was stolen."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2

from tests.faults.cluster import DISK, Skip
from tests.faults.processes import ROOT
from tests.faults.table import Run, fault
from tests.flows.conftest import Demo
from tests.flows.person import Person

CALLERS, SECONDS = 4, 12.0


class Work(threading.Thread):
    """Signs in, looks at the meeting with the token, signs in again; each failure is tried once more."""

    def __init__(self, demo: Demo, username: str, over: threading.Event) -> None:
        super().__init__()
        self.demo, self.username, self.over = demo, username, over
        self.done: Counter[str] = Counter()
        self.first = Person(demo.facts, username).sign_in()

    def run(self) -> None:
        while not self.over.is_set():
            person = Person(self.demo.facts, self.username)
            self.twice("sign-in", lambda person=person: bool(person.sign_in().tokens))  # type: ignore[misc]
            self.twice("look", lambda person=person: person.call("GET", "/api/me").status_code != 401)  # type: ignore[misc]
            person.http.close()

    def twice(self, what: str, deed: Callable[[], bool]) -> None:
        for turn in ("first", "second"):
            try:
                good = deed()
            except (AssertionError, KeyError, httpx2.HTTPError):
                good = False
            if good:
                self.done[what] += 1
                self.done[f"{what} at the second try"] += turn == "second"
                return
        self.done[f"{what} failed"] += 1


def rotate(demo: Demo, *words: str) -> None:
    from deploy.demo.run import Demo as Made

    saved = {name: os.environ.get(name) for name in demo.environment}
    os.environ.update(demo.environment)
    try:
        made = Made()
        environment = made.environment("idp", made.state())
    finally:
        for name, value in saved.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    command = [sys.executable, "-m", "deploy.cli", "rotate-keys", *words]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def under_load(run: Run, demo: Demo, *words: str) -> None:
    over = threading.Event()
    works = [Work(demo, name, over) for name in demo.people("member")[:CALLERS]]
    old = [work.first for work in works]
    for work in works:
        work.start()
    time.sleep(SECONDS / 3)
    rotate(demo, *words)
    run.kills += 1
    time.sleep(2)
    accepted = [person.call("GET", "/api/me").status_code for person in old]
    time.sleep(SECONDS)
    over.set()
    for work in works:
        work.join(60)
    done = sum((work.done for work in works), Counter())
    run.runs += 1
    how = "stolen" if words else "in good order"
    for what in ("sign-in", "look"):
        assert done[what] > CALLERS, f"{what}: {done}"
        run.figure(f"{what}: failed after one retry, {how}", done[f"{what} failed"], 0)
        run.figure(f"{what}: done, {how}", done[what])
    if not words and set(accepted) != {200}:
        run.violations.append(f"I8 a token of before a rotation in good order is refused: {accepted}")
    if words:
        # The service asks for the keys again when it meets one that it does not know, and then the old ones are gone.
        late = [person.call("GET", "/api/me").status_code for person in old]
        if set(late) != {401}:
            run.violations.append(f"I8 a token signed by a withdrawn key is taken: {late}")


@fault("F20", "signing keys rotated in a meeting, and withdrawn as stolen")
def rotated(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="dienhong-faults-", dir=DISK) as folder:
        demo = Demo(Path(folder))
        try:
            under_load(run, demo)
            under_load(run, demo, "--compromised")
        finally:
            demo.stop()


@fault("F20b", "the certificate of TLS renewed in a meeting")
def renewed(run: Run) -> None:
    raise Skip("the deployment's own proxy, where TLS ends")
