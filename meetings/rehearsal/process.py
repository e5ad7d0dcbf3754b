"""The process that a secretary's button starts: beside the service, so that the load is not made where it is measured."""

import subprocess
import sys
import threading
from typing import Any

import structlog

from meetings.rehearsal import actions
from meetings.rehearsal.models import Rehearsal
from meetings.rehearsal.rules import LONGEST, UNDER_WAY
from shared.clock import now
from shared.db import Database

log = structlog.get_logger()
COMMAND = [sys.executable, "-m", "deploy.cli", "rehearse", "--begin"]  # its settings are those of this process


def start(db: Database, body: dict[str, Any]) -> None:
    """The job: starts it and returns, as other jobs wait. A child whose standard input ends, ends itself, so it outlives
    this process in no case (`run.end_with_parent`)."""
    command = [*COMMAND, body["rehearsal_id"]]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S603 - an id of our own
    threading.Thread(target=_follow, args=(db, child, body["rehearsal_id"]), name="rehearsal", daemon=True).start()


def _follow(db: Database, child: "subprocess.Popen[bytes]", rehearsal_id: str) -> None:
    try:
        child.wait(timeout=LONGEST.total_seconds())
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()
    with db.read() as tx:
        left = tx.get_one(Rehearsal, rehearsal_id).state in UNDER_WAY
    if left:
        log.warning("rehearsal.broken", rehearsal=rehearsal_id, code=child.returncode)
        actions.end(db, now(), rehearsal_id, None)
