"""Works that share a transaction: each waits for its commit, none spoils another's, and the loop never waits for a thread."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from shared.db import Database
from shared.group_commit import TRIES
from shared.problems import Unavailable
from tests.conftest import new_database, servers


@pytest.fixture
def db(tmp_path: Path) -> Any:
    made = Database(f"sqlite:///{tmp_path}/group.db")
    with made.write() as tx:
        tx.execute(text("CREATE TABLE line (text TEXT UNIQUE)"))
    yield made
    made.close()


def put(word: str) -> Any:
    def work(tx: Session) -> str:
        tx.execute(text("INSERT INTO line VALUES (:word)"), {"word": word})
        return word

    return work


def lines(db: Database) -> list[str]:
    with db.read() as tx:
        return sorted(tx.execute(text("SELECT text FROM line")).scalars())


def test_a_failing_work_takes_nothing_of_the_others_with_it(db: Database) -> None:
    async def together() -> list[Any]:
        works = [put("a"), put("b"), put("a"), put("c")]
        return await asyncio.gather(*(db.writes.run(work) for work in works), return_exceptions=True)

    answers = asyncio.run(together())
    assert [answer for answer in answers if isinstance(answer, str)] == ["a", "b", "c"]
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert lines(db) == ["a", "b", "c"]


def test_the_loop_goes_on_while_another_holds_the_write_lock_and_waits_for_the_loop(db: Database) -> None:
    """A plain route keeps its transaction open across turns of the loop: waiting for it in the loop would be a deadlock."""

    async def both() -> str:
        holding, loop_turned = threading.Event(), threading.Event()

        def route() -> None:
            with db.write() as tx:
                put("route")(tx)
                holding.set()
                assert loop_turned.wait(5), "the event loop stood still"

        under_way = asyncio.create_task(asyncio.to_thread(route))
        await asyncio.to_thread(holding.wait)
        grouped = asyncio.create_task(db.writes.run(put("grouped")))
        await asyncio.sleep(0.05)
        loop_turned.set()
        await under_way
        return await grouped

    assert asyncio.run(both()) == "grouped"
    assert lines(db) == ["grouped", "route"]


def test_a_work_is_told_only_after_its_commit(db: Database) -> None:
    async def read_back() -> list[str]:
        await db.writes.run(put("kept"))
        return lines(db)

    assert asyncio.run(read_back()) == ["kept"]


def test_while_a_commit_waits_for_the_disk_the_loop_goes_on_and_who_comes_meanwhile_shares_the_next(db: Database) -> None:
    committing, gone_on, commits = threading.Event(), threading.Event(), list[Any]()

    @event.listens_for(db.engine, "commit")
    def wait(connection: Any) -> None:
        commits.append(connection)
        committing.set()
        assert gone_on.wait(5), "the event loop stood still"

    async def all_of_them() -> list[str]:
        first = asyncio.create_task(db.writes.run(put("a")))
        await asyncio.to_thread(committing.wait, 5)
        others = [asyncio.create_task(db.writes.run(put(word))) for word in "bcd"]
        await asyncio.sleep(0.05)
        assert not first.done()
        gone_on.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(all_of_them()) == ["a", "b", "c", "d"]
    assert len(commits) == 2
    assert lines(db) == ["a", "b", "c", "d"]


def test_the_loop_goes_on_while_another_process_holds_the_write_lock(db: Database) -> None:
    """A backup, a command: SQLite's own patience is ten seconds, and nobody else would be served."""
    other = sqlite3.connect(str(db.engine.url.database), isolation_level=None)

    async def meanwhile() -> str:
        other.execute("BEGIN IMMEDIATE")
        grouped = asyncio.create_task(db.writes.run(put("grouped")))
        await asyncio.sleep(0.1)
        assert not grouped.done()
        other.execute("COMMIT")
        return await asyncio.wait_for(grouped, 5)

    assert asyncio.run(meanwhile()) == "grouped"
    assert lines(db) == ["grouped"]
    other.close()


@pytest.mark.parametrize("others", ["", "bcd"])
def test_a_commit_that_fails_is_told_to_whom_it_concerns_and_takes_nothing_of_the_others_with_it(
    db: Database, others: str
) -> None:
    with db.write() as tx:
        tx.execute(text("CREATE TABLE child (line TEXT REFERENCES line (text) DEFERRABLE INITIALLY DEFERRED)"))

    def orphan(tx: Session) -> None:
        tx.execute(text("INSERT INTO child VALUES ('nobody')"))

    async def together() -> list[Any]:
        works = [orphan, *map(put, others)]
        return await asyncio.gather(*(db.writes.run(work) for work in works), return_exceptions=True)

    refused, *kept = asyncio.run(together())
    assert isinstance(refused, IntegrityError)
    assert kept == lines(db) == list(others)


def test_several_event_loops_share_a_group(db: Database) -> None:
    """Each has its own futures: one that is settled from another's thread would never wake."""

    async def some(letter: str) -> list[str]:
        return [await db.writes.run(put(f"{letter}{number}")) for number in range(20)]

    threads = [threading.Thread(target=lambda letter=letter: asyncio.run(some(letter)), daemon=True) for letter in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads)
    assert len(lines(db)) == 6 * 20


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_what_comes_after_the_end_is_refused_at_once(tmp_path: Path, in_a_thread: bool) -> None:
    late = Database(f"sqlite:///{tmp_path}/late.db", alone=not in_a_thread)

    async def work() -> None:
        assert await late.reads.run(lambda _tx: 1) == 1
        late.close()
        for group in (late.reads, late.writes):
            with pytest.raises(Unavailable):
                await asyncio.wait_for(group.run(lambda _tx: 2), 20)

    asyncio.run(work())


def takes(*numbers: int, met: threading.Barrier, runs: list[int]) -> Any:
    """Rows in that order; the first time, it takes the second when the other has its first."""

    def work(tx: Session) -> int:
        runs.append(numbers[0])
        tx.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
        for number in numbers:
            tx.execute(text("UPDATE line SET taken = taken + 1 WHERE number = :number"), {"number": number})
            if runs.count(numbers[0]) == 1 and number == numbers[0]:
                met.wait(20)
        return numbers[0]

    return work


def ends_as_a_victim(runs: list[int]) -> Any:
    def work(tx: Session) -> None:
        runs.append(0)
        tx.execute(text("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"))

    return work


def test_who_met_a_deadlock_with_another_process_is_run_again_so_many_times() -> None:
    if "postgresql18" not in servers():
        pytest.skip("no PostgreSQL")
    url = new_database("postgresql18", "group")
    here, there = Database(url), Database(url)
    with here.write() as tx:
        tx.execute(text("CREATE TABLE line AS SELECT number, 0 AS taken FROM generate_series(1, 2) AS number"))
    met, runs, hopeless = threading.Barrier(2), list[int](), list[int]()

    async def together() -> Any:
        one, other = takes(1, 2, met=met, runs=runs), takes(2, 1, met=met, runs=runs)
        return await asyncio.gather(here.writes.run(one), there.writes.run(other))

    assert list(asyncio.run(together())) == [1, 2]
    assert len(runs) > 2, "one of them was a victim"
    with here.read() as tx:
        assert tx.execute(text("SELECT taken FROM line ORDER BY number")).scalars().all() == [2, 2]
    with pytest.raises(OperationalError):
        asyncio.run(here.writes.run(ends_as_a_victim(hopeless)))
    assert len(hopeless) == TRIES
    here.close()
    there.close()
