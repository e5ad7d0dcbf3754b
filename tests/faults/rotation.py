"""New signing keys in the middle of a meeting, at the real identity provider: in good order, and because one was stolen."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx2

from idp.accounts.actions import create_account
from idp.clients.actions import register_client
from idp.clients.rules import ApplicationType, AuthMethod, Metadata
from shared import migrate
from shared.clock import now
from shared.db import Database
from tests.faults.cluster import Cluster
from tests.faults.processes import ROOT, Process, free_port, listens, running, until
from tests.faults.table import Run, fault
from tests.flows.person import Person

CALLERS, SECONDS = ("chair", "secretary", "teller", "guest"), 12.0
PASSWORD, BACK = "mot-cau-ngan-de-nho", "http://127.0.0.1/callback"


class Work(threading.Thread):
    """Signs in, looks at the meeting with the token, signs in again; each failure is tried once more."""

    def __init__(self, facts: dict[str, Any], username: str, over: threading.Event) -> None:
        super().__init__()
        self.facts, self.username, self.over = facts, username, over
        self.done: Counter[str] = Counter()
        self.first = Person(facts, username).sign_in()

    def run(self) -> None:
        while not self.over.is_set():
            person = Person(self.facts, self.username)
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


class Front(Process):
    """`dienhong serve idp`, with accounts for those who conduct the meeting and a public client."""

    def __init__(self, folder: Path, meetings: str) -> None:
        self.port, self.meetings = free_port(), meetings
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "PUBLIC_URL": self.url,
            "DATABASE_URL": f"sqlite:///{folder}/idp.db",
            "SECRET": token_urlsafe(48),
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "deploy.cli", "serve", "idp", "--port", str(self.port)]
        super().__init__("idp", command, folder, settings)

    def make(self) -> None:
        with closing(Database(self.environment["DATABASE_URL"])) as db:
            migrate.upgrade(db.engine, "idp")
            client = Metadata(
                name="Ứng dụng thử",
                redirect_uris=(BACK,),
                auth_method=AuthMethod.NONE,
                application_type=ApplicationType.NATIVE,
                audiences=(self.meetings,),
                trusted=True,
            )
            with db.write() as tx:
                register_client(tx, now(), client, client_id="test-client")
                for name in CALLERS:
                    create_account(tx, now(), username=name, full_name=name.title(), honorific="Ông", password=PASSWORD)

    def wait_ready(self, within: float = 60) -> float:
        return until(lambda: listens(self.port), within, f"{self.name} is not ready: {self.log}", self)

    def facts(self, meeting_id: str) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "meetings": self.meetings,
            "meeting_id": meeting_id,
            "test_client": {"client_id": "test-client", "redirect_uri": BACK},
            "accounts": [{"username": name, "password": PASSWORD, "name": name.title()} for name in CALLERS],
        }

    def rotate(self, *words: str) -> None:
        command = [sys.executable, "-m", "deploy.cli", "rotate-keys", *words]
        environment = {**os.environ, **self.environment}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def under_load(run: Run, front: Front, facts: dict[str, Any], *words: str) -> None:
    over = threading.Event()
    works = [Work(facts, name, over) for name in CALLERS]
    old = [work.first for work in works]
    for work in works:
        work.start()
    time.sleep(SECONDS / 3)
    front.rotate(*words)
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
        assert done[what] > len(CALLERS), f"{what}: {done}"
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
    fronts: list[Front] = []

    def prepare(cluster: Cluster) -> None:
        fronts.append(Front(cluster.folder, cluster.address))
        cluster.nodes[0].environment["ISSUER"] = fronts[0].url

    with Cluster(voters=0, prepare=prepare) as cluster:
        [front] = fronts
        front.make()
        with running(front):
            facts = front.facts(cluster.meeting_id)
            under_load(run, front, facts)
            under_load(run, front, facts, "--compromised")
