"""One request, one transaction: all or nothing, deeds after the commit, one snapshot for a reader, instants in UTC."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi import APIRouter
from sqlalchemy import delete, event, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

import shared.db
from shared.clock import now
from shared.db import Database, after_commit, lock
from shared.jobs import Job
from shared.problems import Unavailable
from shared.transactions import Tx

VIETNAM = timezone(timedelta(hours=7))


def job(name: str, at: datetime | None = None) -> Job:
    return Job(id=name, kind="test", body={}, run_at=at or now())


def names(db: Database) -> list[str]:
    with db.read() as tx:
        return list(tx.scalars(select(Job.id).order_by(Job.id)))


def twice_by_the_orm(tx: Session) -> None:
    tx.expunge_all()
    tx.add(job("a"))
    tx.flush()


def twice_by_core(tx: Session) -> None:
    tx.execute(insert(Job).values(id="a", kind="test", body={}, run_at=now()))


def test_what_is_written_is_there_for_the_next(db):
    with db.write() as tx:
        tx.add_all([job("a"), job("b")])
    assert names(db) == ["a", "b"]


def test_an_error_undoes_everything_and_calls_nothing(db):
    done = []

    def fail() -> None:
        with db.write() as tx:
            tx.add(job("a"))
            tx.flush()
            after_commit(tx, lambda: done.append("a"))
            raise LookupError("half way")

    with pytest.raises(LookupError):
        fail()
    assert (names(db), done) == ([], [])
    with db.write() as tx:
        tx.add(job("b"))
    assert (names(db), done) == (["b"], [])


def test_deeds_come_after_the_commit_in_their_order(db):
    seen = []
    with db.write() as tx:
        for name in ("a", "b"):
            tx.add(job(name))
            after_commit(tx, lambda name=name: seen.append((name, names(db))))
        assert seen == []
    assert seen == [("a", ["a", "b"]), ("b", ["a", "b"])]


def test_a_commit_that_fails_calls_nothing(db):
    done = []

    def fail() -> None:
        with db.write() as tx:
            if db.is_sqlite:
                tx.execute(text("PRAGMA defer_foreign_keys = ON"))
            serial = "REFERENCES mother DEFERRABLE INITIALLY DEFERRED"
            tx.execute(text("CREATE TABLE mother (id integer PRIMARY KEY)"))
            tx.execute(text(f"CREATE TABLE child (mother integer {serial})"))
            tx.execute(text("INSERT INTO child VALUES (7)"))
            after_commit(tx, lambda: done.append("told"))

    with pytest.raises(DBAPIError):
        fail()
    assert done == []


@pytest.mark.parametrize("passed_over", [twice_by_the_orm, twice_by_core])
def test_who_passes_over_an_error_of_the_database_is_never_told_that_all_is_kept(db, passed_over):
    """PostgreSQL answers the COMMIT of a transaction in which a statement has failed by a quiet ROLLBACK."""
    told = []
    with suppress(RuntimeError), db.write() as tx:
        tx.add(job("a"))
        tx.flush()
        after_commit(tx, lambda: told.append("a"))
        with suppress(DBAPIError):
            passed_over(tx)
    assert told == names(db)
    with db.write() as tx:
        tx.merge(job("b"))
    assert names(db)[-1] == "b"


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(db):
    with db.read() as tx:
        before = tx.scalars(select(Job.id)).all()
        with db.write() as writing:
            writing.add(job("a"))
        assert tx.scalars(select(Job.id)).all() == before == []
    assert names(db) == ["a"]


def test_nothing_can_be_written_through_a_reader_on_postgresql(db):
    if db.is_sqlite:
        assert db.durability()["journal_mode"] == "wal"
        return
    with pytest.raises(DBAPIError, match="read-only"), db.read() as tx:
        tx.execute(delete(Job))


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 12, 9, 8, 30, 0, 123456, VIETNAM),
        datetime(2026, 12, 9, 1, 30, 0, 123456, UTC),
        datetime(2026, 12, 8, 17, 30, 0, 123456, timezone(timedelta(hours=-8))),
    ],
)
def test_an_instant_comes_back_aware_and_in_utc(db, at):
    with db.write() as tx:
        tx.add(job("a", at))
    with db.read() as tx:
        kept = tx.get_one(Job, "a").run_at
    assert kept == datetime(2026, 12, 9, 1, 30, 0, 123456, UTC)
    assert kept.utcoffset() == timedelta(0)


def test_an_instant_without_a_zone_is_refused(db):
    with pytest.raises(StatementError, match="without a zone"), db.write() as tx:
        tx.add(job("a", datetime(2026, 12, 9)))  # noqa: DTZ001
    assert names(db) == []


def test_a_named_lock_is_held_until_the_end_of_the_transaction(db):
    order, inside = [], threading.Event()

    def second() -> None:
        inside.wait()
        with db.write() as tx:
            lock(tx, "poll:1")
            order.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with db.write() as tx:
        lock(tx, "poll:1")
        inside.set()
        time.sleep(0.1)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_shared_locks_do_not_block_each_other_on_postgresql(db):
    if db.is_sqlite:
        assert db.weak_settings() == []  # its one lock is the only one
        return
    both = threading.Barrier(2, timeout=5)

    def hold() -> None:
        with db.write() as tx:
            lock(tx, "poll:1", shared=True)
            both.wait()

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not both.broken


def test_a_writer_who_waits_too_long_for_sqlite_is_told_to_come_again(sqlite_url, monkeypatch):
    monkeypatch.setattr(shared.db, "BUSY", 0.05)
    db, refused = Database(sqlite_url), []

    def other() -> None:
        try:
            with db.write():
                pass
        except Unavailable as refusal:
            refused.append(refusal.code)

    with db.write():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    db.close()
    assert refused == ["unavailable"]


def test_many_writers_lose_nothing(db):
    def write(place: int) -> None:
        for turn in range(5):
            with db.write() as tx:
                tx.add(job(f"{place}-{turn}"))

    threads = [threading.Thread(target=write, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(db)) == 30


router = APIRouter()


@router.post("/keep", status_code=204)
def keep(tx: Tx, good: bool) -> None:
    tx.execute(text("PRAGMA defer_foreign_keys = ON"))
    tx.execute(text("INSERT INTO child VALUES (:mother)"), {"mother": 1 if good else 7})


def test_the_answer_waits_for_the_commit(serve):
    """A ballot must not be confirmed first and committed later, or not at all: here the commit itself fails."""
    with serve(router) as browser:
        with browser.app.state.db.write() as tx:
            tx.execute(text("CREATE TABLE mother (id integer PRIMARY KEY)"))
            tx.execute(text("CREATE TABLE child (mother integer REFERENCES mother)"))
            tx.execute(text("INSERT INTO mother VALUES (1)"))
        assert browser.post("/keep", params={"good": True}).status_code == 204
        assert browser.post("/keep", params={"good": False}).status_code == 500
        assert browser.post("/keep", params={"good": True}).status_code == 204
        with browser.app.state.db.read() as tx:
            assert tx.scalar(text("SELECT count(*) FROM child")) == 2


def test_a_request_says_nothing_of_the_transaction_it_gets(serve):
    """A parameter of a dependency is one of the route's, unless it is known to FastAPI as something else."""
    with serve(router) as browser:
        asked = browser.get("/api/openapi.json").json()["paths"]["/keep"]["post"]["parameters"]
    assert [one["name"] for one in asked] == ["good"]


def test_nobody_waits_for_the_disk_with_the_route_that_does(serve):
    with serve(router) as browser, ThreadPoolExecutor(1) as other:
        waiting, answered = threading.Event(), threading.Event()
        with browser.app.state.db.write() as tx:
            tx.execute(text("CREATE TABLE child (mother integer)"))

        @event.listens_for(browser.app.state.db.engine, "commit")
        def wait(_connection):
            waiting.set()
            assert answered.wait(5), "the event loop stood still"

        kept = other.submit(browser.post, "/keep", params={"good": True})
        assert waiting.wait(5)
        assert browser.get("/healthz").text == "ok"
        answered.set()
        assert kept.result().status_code == 204


def test_a_transaction_may_end_in_another_thread_than_it_began_in(tmp_path):
    """A route's dependencies are entered and left in whatever thread of the pool is free."""
    db = Database(f"sqlite:///{tmp_path}/threads.db")
    under_way = db.write()
    under_way.__enter__()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(under_way.__exit__, None, None, None).result() is False
    db.close()


@pytest.mark.parametrize(("query", "patience"), [("", 5), ("&connect_timeout=2", "2")])
def test_a_server_that_has_gone_silent_is_given_up_soon(postgres_urls, query, patience):
    url = next(iter(postgres_urls.values()))
    db, told = Database(url + ("" if "?" in url else "?application_name=x") + query), {}

    @event.listens_for(db.engine, "do_connect")
    def keep(_dialect, _record, _arguments, named):
        told.update(named)

    assert db.durability()["fsync"]
    assert told["connect_timeout"] == patience
    assert told["tcp_user_timeout"] == 8000
    db.close()
