"""Work that must happen after a commit: a table of jobs, written in the caller's transaction, and its worker.

At least once: a job whose worker dies runs again after `LEASE`; handlers are idempotent.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import JSON, select
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

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    unique_key: Mapped[str | None] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    run_at: Mapped[datetime] = mapped_column(index=True)
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


def _claim(db: Database) -> Job | None:
    instant = now()
    with db.write() as tx:
        due = select(Job).where(Job.done_at.is_(None), Job.run_at <= instant, Job.tries < MAX_TRIES)
        job = tx.scalars(due.order_by(Job.run_at).limit(1).with_for_update(skip_locked=True)).first()
        if job:
            job.tries += 1
            job.run_at = instant + LEASE
        return job


def run_due(db: Database, handlers: dict[str, Handler]) -> int:
    """Run every job that is due, one after the other; the number that succeeded."""
    done = 0
    while job := _claim(db):
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
    """A thread that runs due jobs until stopped; woken at once by a job of this process."""

    def __init__(self, db: Database, handlers: dict[str, Handler], poll_seconds: float = 1.0) -> None:
        self._db, self._handlers, self._poll = db, handlers, poll_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._db.wake.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._db.wake.clear()
            try:
                run_due(self._db, self._handlers)
            except Exception:
                log.warning("jobs.database-away", exc_info=True)
            if not self._stop.is_set():  # asked after `clear`, which may have erased the call to stop
                self._db.wake.wait(self._poll)
