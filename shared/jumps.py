"""Marks in the audit record that the clock jumped: what happened around it is in order by number, not by time."""

import threading
import time
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared import audit
from shared.clock import now
from shared.db import Database

log = structlog.get_logger()
EVERY = 1.0  # seconds
LEAST = timedelta(seconds=2)
AT_THE_SAME_TIME = 0.2  # seconds that may pass between two looks at two clocks


class Watch(threading.Thread):
    """Compares the wall clock with one that cannot be set; one in each serving process."""

    def __init__(self, db: Database) -> None:
        super().__init__(name="clock", daemon=True)
        self._db, self._over = db, threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        known = _apart()
        while not self._over.wait(EVERY):
            present = _apart()
            if abs(present - known) > LEAST:
                self._mark(present - known)
            known = present

    def _mark(self, jump: timedelta) -> None:
        log.warning("clock.jumped", seconds=jump.total_seconds())
        try:
            with self._db.write() as tx:
                audit.record(tx, now(), "clock.jumped", actor="clock", seconds=round(jump.total_seconds()))
        except SQLAlchemyError:
            log.warning("clock.jump-not-recorded", exc_info=True)


def _apart() -> timedelta:
    """How far the two clocks stand apart."""
    while True:
        before = time.monotonic()
        wall = now().timestamp()
        if time.monotonic() - before < AT_THE_SAME_TIME:
            return timedelta(seconds=wall - before)
