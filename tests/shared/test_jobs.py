"""Work after the commit: at least once, never twice at a time, tried again, and never for a transaction that failed."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from shared.clock import now
from shared.db import Database
from shared.jobs import LEASE, MAX_TRIES, Job, Worker, enqueue, run_due


def add(db: Database, *names: str, after: timedelta = timedelta(), unique_key: str | None = None) -> None:
    with db.write() as tx:
        for name in names:
            enqueue(tx, "write", {"name": name}, now() + after, unique_key=unique_key)


def jobs(db: Database) -> list[Job]:
    with db.read() as tx:
        return list(tx.scalars(select(Job).order_by(Job.run_at)))


class Pen:
    """A handler that notes what it did, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.written: list[str] = []
        self.failures = failures

    def __call__(self, db: Database, body: dict) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the relay is away")
        self.written.append(body["name"])


def test_a_due_job_runs_once_and_a_later_one_waits(db):
    pen = Pen()
    add(db, "now")
    add(db, "later", after=timedelta(hours=1))
    assert run_due(db, {"write": pen}) == 1
    assert run_due(db, {"write": pen}) == 0
    assert pen.written == ["now"]
    with time_machine.travel(now() + timedelta(hours=1, seconds=1), tick=True):
        assert run_due(db, {"write": pen}) == 1
    assert pen.written == ["now", "later"]


def test_jobs_run_in_the_order_of_their_hours(db):
    pen = Pen()
    for minutes in (-1, -3, -2):
        add(db, str(minutes), after=timedelta(minutes=minutes))
    run_due(db, {"write": pen})
    assert pen.written == ["-3", "-2", "-1"]


def test_there_is_no_job_of_a_transaction_that_failed(db):
    def fail() -> None:
        with db.write() as tx:
            enqueue(tx, "write", {"name": "a"}, now())
            raise LookupError("half way")

    with pytest.raises(LookupError):
        fail()
    assert jobs(db) == []


def test_one_key_makes_one_job(db):
    add(db, "first", "second", unique_key="letter:1")
    add(db, "third", unique_key="letter:1")
    assert [job.body["name"] for job in jobs(db)] == ["first"]
    run_due(db, {"write": Pen()})
    add(db, "fourth", unique_key="letter:1")
    assert run_due(db, {"write": Pen()}) == 0


def test_a_job_that_fails_is_tried_again_later_and_later(db):
    pen = Pen(failures=3)
    add(db, "a")
    waits = []
    with time_machine.travel(now(), tick=False) as clock:
        while pen.failures:
            assert run_due(db, {"write": pen}) == 0
            [job] = jobs(db)
            assert (job.done_at, job.last_error) == (None, "OSError")
            waits.append((job.run_at - now()).total_seconds())
            clock.move_to(job.run_at - timedelta(seconds=1))
            assert run_due(db, {"write": pen}) == 0
            clock.move_to(job.run_at)
        assert run_due(db, {"write": pen}) == 1
    assert waits == [2, 4, 8]
    assert pen.written == ["a"]


def test_a_job_that_always_fails_is_given_up_and_holds_up_no_other(db):
    never, tries, began, last = Pen(failures=1000), 0, now(), now()
    add(db, "never")
    with time_machine.travel(began, tick=False) as clock:
        for _ in range(MAX_TRIES + 3):
            run_due(db, {"write": never})
            last = now() if 1000 - never.failures > tries else last
            tries = 1000 - never.failures
            clock.move_to(jobs(db)[0].run_at)
        add(db, "other")
        never.failures = 0
        run_due(db, {"write": never})
    assert tries == MAX_TRIES
    assert timedelta(hours=24) < last - began < timedelta(hours=25)  # whoever was away for a night hears of it
    assert never.written == ["other"]


def test_a_kind_that_nobody_here_knows_is_left_to_a_process_that_does(db):
    with db.write() as tx:
        enqueue(tx, "unknown", {"name": "b"}, now() - timedelta(seconds=1))
    add(db, "a")
    pen, other = Pen(), Pen()
    assert run_due(db, {"write": pen}) == 1
    assert {job.kind: job.tries for job in jobs(db)} == {"unknown": 0, "write": 1}
    assert run_due(db, {"unknown": other}) == 1
    assert (pen.written, other.written) == (["a"], ["b"])


def test_a_job_whose_worker_died_runs_again_after_the_lease(db):
    class Death(BaseException):
        """As if the process were gone: nothing after it is done."""

    def die(db: Database, body: dict) -> None:
        raise Death

    add(db, "a")
    pen = Pen()
    with time_machine.travel(now(), tick=False) as clock:
        with pytest.raises(Death):
            run_due(db, {"write": die})
        clock.shift(LEASE - timedelta(seconds=1))
        assert run_due(db, {"write": pen}) == 0
        clock.shift(timedelta(seconds=1))
        assert run_due(db, {"write": pen}) == 1
    assert pen.written == ["a"]


def test_many_workers_share_the_work_and_none_is_done_twice(db):
    add(db, *(str(number) for number in range(24)))
    pen = Pen()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: run_due(db, {"write": pen}), range(4)))
    assert sum(done) == 24
    assert Counter(pen.written) == Counter(str(number) for number in range(24))


def test_a_worker_wakes_at_once_goes_on_after_an_error_and_stops(db):
    pen, woken = Pen(failures=1), threading.Event()

    def write(own: Database, body: dict) -> None:
        pen(own, body)
        woken.set()

    worker = Worker(db, {"write": write}, poll_seconds=30)
    worker.start()
    try:
        add(db, "fails")
        add(db, "works")
        assert woken.wait(5)
    finally:
        started = time.monotonic()
        worker.stop()
    assert time.monotonic() - started < 5
    assert pen.written in (["works"], ["fails"])


def test_a_job_that_waits_holds_up_none_of_another_kind(db):
    begun, goes_on, closed = threading.Event(), threading.Event(), threading.Event()

    def write(_db: Database, _body: dict) -> None:
        begun.set()
        goes_on.wait(30)

    worker = Worker(db, {"write": write, "close": lambda *_: closed.set()})
    worker.start()
    try:
        add(db, "first", "second")
        assert begun.wait(10)
        with db.write() as tx:
            enqueue(tx, "close", {}, now())
        assert closed.wait(10)
        assert not any(job.done_at for job in jobs(db) if job.kind == "write")
    finally:
        goes_on.set()
        worker.stop()


def test_a_worker_that_is_stopped_ends_what_it_does_and_begins_no_more(db):
    begun, goes_on, done = threading.Event(), threading.Event(), list[str]()

    def write(_db: Database, body: dict) -> None:
        begun.set()
        goes_on.wait(30)
        done.append(body["name"])

    add(db, "a", "b", "c")
    worker = Worker(db, {"write": write})
    worker.start()
    assert begun.wait(10)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    goes_on.set()
    stopping.join(10)
    assert not stopping.is_alive()
    assert done == ["a"]
    assert sum(job.done_at is not None for job in jobs(db)) == 1


FEW = 4  # tries, to be quicker; the rule is the same for any number


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(failures=st.lists(st.integers(0, FEW + 2), min_size=1, max_size=3))
def test_every_job_is_done_after_its_failures_or_given_up_after_so_many(db, failures, monkeypatch):
    monkeypatch.setattr("shared.jobs.MAX_TRIES", FEW)
    with db.write() as tx:
        tx.execute(delete(Job))
    pens = {f"kind-{place}": Pen(failures=count) for place, count in enumerate(failures)}
    with time_machine.travel(now(), tick=False) as clock:
        with db.write() as tx:
            for kind in pens:
                enqueue(tx, kind, {"name": kind}, now())
        for _ in range(FEW + 3):
            run_due(db, pens)
            clock.shift(timedelta(hours=2))
    for job, count in zip(sorted(jobs(db), key=lambda job: job.kind), failures, strict=True):
        given_up = count >= FEW
        assert (job.done_at is None) is given_up
        assert job.tries == min(count + 1, FEW)
        assert pens[job.kind].written == ([] if given_up else [job.kind])
