"""Work that must happen after a commit: a table of jobs, written in the caller's transaction, and its worker.

At least once: a job whose worker dies runs again after `LEASE`; handlers are idempotent.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import JSON, ColumnElement, Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.clock import now
from shared.db import Base, Database, after_commit
from shared.ids import new_id

log = structlog.get_logger()
LEASE = timedelta(minutes=5)
LONGEST_WAIT = 7200  # seconds between two tries; waits double until then
MAX_TRIES = 24  # the last one a day after the first

Handler = Callable[[Database, dict[str, Any]], None]


class Job(Base):
    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_waiting", "run_at", postgresql_where=text("done_at IS NULL"), sqlite_where=text("done_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    unique_key: Mapped[str | None] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    run_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


def enqueue(tx: Session, kind: str, body: dict[str, Any], run_at: datetime, *, unique_key: str | None = None) -> Job:
    """Add a job in the caller's transaction; with a `unique_key` that is taken, return the job that has it."""
    if unique_key and (known := tx.scalars(select(Job).where(Job.unique_key == unique_key)).first()):
        return known
    job = Job(id=new_id(), kind=kind, body=body, run_at=run_at, unique_key=unique_key, tries=0)
    tx.add(job)
    after_commit(tx, tx.info["db"].wake.set)
    return job


def _due() -> tuple[ColumnElement[bool], ...]:
    return Job.done_at.is_(None), Job.run_at <= now(), Job.tries < MAX_TRIES


def _claim(db: Database, kinds: Collection[str]) -> Job | None:
    with db.write() as tx:
        due = select(Job).where(Job.kind.in_(kinds), *_due()).order_by(Job.run_at).limit(1)
        job = tx.scalars(due.with_for_update(skip_locked=True)).first()
        if job:
            job.tries += 1
            job.run_at = now() + LEASE
        return job


def run_due(db: Database, handlers: Mapping[str, Handler], stop: threading.Event | None = None) -> int:
    """Run every due job of a kind that has a handler, one after the other; the number that succeeded. None is begun after
    `stop`."""
    done = 0
    while not (stop and stop.is_set()) and (job := _claim(db, handlers)):
        try:
            handlers[job.kind](db, job.body)
        except Exception as error:
            log.warning("job.failed", kind=job.kind, job=job.id, tries=job.tries, exc_info=True)
            with db.write() as tx:
                again = tx.get_one(Job, job.id)
                again.run_at = now() + timedelta(seconds=min(2**job.tries, LONGEST_WAIT))
                again.last_error = type(error).__name__
        else:
            done += 1
            with db.write() as tx:
                tx.get_one(Job, job.id).done_at = now()
    return done


class Worker:
    """Runs due jobs until stopped; woken at once by a job of this process. Each kind has a thread of its own while it has work:
    a thousand letters to a relay that does not answer hold up no vote's end."""

    def __init__(self, db: Database, handlers: Mapping[str, Handler], poll_seconds: float = 1.0) -> None:
        self._db, self._handlers, self._poll = db, handlers, poll_seconds
        self._stop = threading.Event()
        self._busy: set[str] = set()
        self._threads = [threading.Thread(target=self._run, name="jobs", daemon=True)]

    def start(self) -> None:
        self._threads[0].start()

    def stop(self) -> None:
        """Begins no further job, and waits ten seconds for those under way."""
        self._stop.set()
        self._db.wake.set()
        until = time.monotonic() + 10
        for thread in self._threads:
            thread.join(max(0, until - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._db.wake.clear()
            try:
                self._begin()
            except Exception:
                log.warning("jobs.database-away", exc_info=True)
            if not self._stop.is_set():  # asked after `clear`, which may have erased the call to stop
                self._db.wake.wait(self._poll)

    def _begin(self) -> None:
        with self._db.read() as tx:
            due = tx.scalars(select(Job.kind).where(Job.kind.in_(self._handlers), *_due()).distinct()).all()
        self._threads = [self._threads[0], *(thread for thread in self._threads[1:] if thread.is_alive())]
        for kind in set(due) - self._busy:
            self._busy.add(kind)
            thread = threading.Thread(target=self._work, args=(kind,), name=f"jobs-{kind}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self, kind: str) -> None:
        try:
            run_due(self._db, {kind: self._handlers[kind]}, self._stop)
            self._busy.discard(kind)
            self._db.wake.set()  # for what was added after its last look
        except Exception:
            self._busy.discard(kind)
            log.warning("jobs.database-away", exc_info=True)
