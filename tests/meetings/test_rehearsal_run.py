"""Whole rehearsals against `dienhong serve meetings`, over its own wire; a server that is slow or loses a ballot fails."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from docs_store import pdf
from docs_store.store import derive_key, open_store
from meetings.live import log
from meetings.papers import actions as papers
from meetings.rehearsal import actions
from meetings.rehearsal.models import Rehearsal, Result
from meetings.rehearsal.rules import State
from meetings.rehearsal.run import run
from meetings.voting.models import Ballot, Poll
from shared import clock
from shared.db import Database
from tests.bench.providers import BIN, free_port, running
from tests.conftest import servers
from tests.makers import House, make_house
from tests.meetings.conftest import emptied
from tests.meetings.scene import PDF
from tests.meetings.test_rehearsal import kept

SECRET = "0123456789abcdef" * 3


@dataclass
class Served:
    db: Database
    house: House
    url: str
    pid: int

    def rehearse(self, delegates: int, beside: Callable[["Served"], None] | None = None) -> Result:
        """The result; `beside` goes on in a thread meanwhile."""
        with self.db.write() as tx:
            rehearsal_id = actions.ask(tx, clock.now(), self.house.meeting_id, delegates, "-")
        thread = threading.Thread(target=beside, args=(self,)) if beside else None
        if thread:
            thread.start()
        result = run(self.db, self.url, self.url, rehearsal_id)
        if thread:
            thread.join(30)
        assert result
        with self.db.read() as tx:
            row = tx.get_one(Rehearsal, rehearsal_id)
        assert (row.state == State.PASSED, row.copy_id) == (result.passed, None)
        return result

    def until(self, rows: object) -> None:
        """Wait until the statement finds something."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with self.db.read() as tx:
                if tx.scalars(rows).first():  # type: ignore[call-overload]
                    return
            time.sleep(0.005)
        raise AssertionError("it never came")


def fill(db: Database, folder: object) -> House:
    """A meeting with a paper, another of the desk alone, and two polls."""
    house = make_house(db)
    blob = open_store(str(folder), derive_key(SECRET, "documents")).put(PDF)
    secretary, found = house.seats["secretary"], pdf.intake(PDF, "to-trinh.pdf")
    with db.write() as tx:
        for audience in ("delegates", "desk"):
            plan = {"item_id": house.item_id, "name": f"{audience}.pdf", "title": None, "audience": audience}
            papers.add_paper(tx, clock.now(), secretary, **plan, blob=blob, found=found)
        papers.publish(tx, clock.now(), secretary)
    house.prepare_poll()
    house.prepare_poll(title="Lần hai", duration=60)
    return house


@contextmanager
def serving(db: Database, url: str, folder) -> Iterator[Served]:
    house, port = fill(db, folder / "documents"), free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {
        "PUBLIC_URL": address,
        "DATABASE_URL": url,
        "STORAGE_URL": str(folder / "documents"),
        "SECRET": SECRET,
        "ISSUER": "http://127.0.0.1:1",  # nobody signs in
        "CLIENT_ID": "meetings-web",
        "AUDIENCE": address,
        "LOG_LEVEL": "WARNING",
    }
    command = [str(BIN / "dienhong"), "serve", "meetings", "--port", str(port)]
    with running("meetings", command, port, environment, folder) as pid:
        yield Served(db, house, address, pid)


@pytest.fixture(scope="module")
def served(request, sqlite_template, postgres_urls, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("rehearsal")
    url = postgres_urls.get(request.param) or f"sqlite:///{folder}/meetings.db"
    if request.param == "sqlite":
        (folder / "meetings.db").write_bytes(sqlite_template.read_bytes())
    db = emptied(url)
    with serving(db, url, folder) as served:
        yield served
    db.close()


def found(result: Result) -> dict[str, int]:
    return {figure.name: figure.count for figure in result.figures}


def head(served: Served) -> tuple[int, str]:
    with served.db.read() as tx:
        one = log.head(tx, served.house.meeting_id)
        return one.seq, one.hash


@pytest.mark.parametrize("served", ["sqlite", *servers()][:2], indirect=True)
def test_forty_delegates_rehearse_the_meeting_and_nothing_of_it_changes(served):
    before, at = kept(served.db), head(served)
    result = served.rehearse(40)
    acts = 2 + 1 + 1 + 6 + 6  # open and close; the item; its paper's one page; two speeches; two polls
    assert found(result) == {
        "connection": 40,
        "first_page": 40,
        "event": 40 * acts,
        "ballot": 80,
        "errors": 0,
        "lost": 0,
        "doubled": 0,
    }, result.errors
    assert result.server
    assert result.server.memory > 50
    assert head(served) == at
    after = kept(served.db)
    changed = {name for name in after if after[name] != before[name]}
    assert not changed


def pause(served: Served) -> None:
    """The server's process stands still for two seconds in the midst of the session."""
    served.until(select(Poll.id).where(Poll.stage == "open"))
    os.kill(served.pid, signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        os.kill(served.pid, signal.SIGCONT)


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_a_server_that_stands_still_for_a_moment_fails_though_nothing_is_lost(served):
    result = served.rehearse(20, beside=pause)
    verdicts = {figure.name: figure.verdict for figure in result.figures}
    assert not result.passed
    assert "fail" in (verdicts["ballot"], verdicts["event"])
    assert (found(result)["errors"], found(result)["lost"], found(result)["doubled"]) == (0, 0, 0), result.errors


def lose(served: Served) -> None:
    """A ballot that was acknowledged goes out of the box."""
    served.until(select(Ballot.key))
    with served.db.write() as tx:
        tx.delete(tx.scalars(select(Ballot).limit(1)).one())


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_a_server_that_loses_one_ballot_fails(served):
    result = served.rehearse(10, beside=lose)
    assert (found(result)["lost"], result.passed) == (1, False), result.errors


def end(served: Served) -> None:
    """Whoever runs the rehearsal ends it, as the service does with its own when it ends."""
    served.until(select(Ballot.key))
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_a_rehearsal_that_is_ended_on_its_way_leaves_nothing_behind(served):
    before = kept(served.db)
    with pytest.raises(KeyboardInterrupt):
        served.rehearse(10, beside=end)
    assert kept(served.db) == before
    with served.db.read() as tx:
        newest = tx.scalars(select(Rehearsal).order_by(Rehearsal.asked_at.desc())).first()
    assert (newest.state, newest.copy_id, newest.pass_digest) == (State.BROKEN, None, None)
