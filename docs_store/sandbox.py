"""Untrusted files are parsed only here: one fresh, confined process a file, which ends with it.

A process that crashes, runs out of memory or takes too long says nothing but that the file is refused.
"""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from docs_store import problems
from shared.problems import Problem
from shared.turns import place

log = structlog.get_logger()

WALL_SECONDS = 30
AT_ONCE = 2
WAITING = 16  # files beside them; each holds one of the threads that serve everybody else too
MAX_RESULT = 64 << 20
ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "RAYON_NUM_THREADS": "2", "PYTHONDONTWRITEBYTECODE": "1"}
REFUSALS: dict[str, type[Problem]] = {
    kind.code: kind
    for kind in (
        problems.NotAPdf,
        problems.EncryptedPdf,
        problems.BrokenPdf,
        problems.HostilePdf,
        problems.StateSecret,
        problems.TooManyPages,
        problems.NotATable,
    )
}

_places = threading.BoundedSemaphore(AT_ONCE)
_room = threading.BoundedSemaphore(AT_ONCE + WAITING)


class ProcessDied(Exception):
    """`reason`: time, memory or crash."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Outcome:
    result: dict[str, Any]
    output: bytes  # empty where the task makes no file
    walls: tuple[str, ...]  # of limits, namespace, landlock, seccomp: those that stood


def run(task: str, data: bytes, **arguments: Any) -> Outcome:
    """Run one of the tasks of `sandbox_worker` on `data`; `arguments` are plain JSON values.

    Raises the `Problem` that the task raised, or `ProcessDied`, or `Unavailable` if too many wait or no place comes free in a
    minute.
    """
    with place(_room, 0), place(_places, 60), tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        return _run(task, data, arguments, Path(folder))


def walls() -> tuple[str, ...]:
    """Which walls stand on this machine: for the operator to see."""
    return run("nothing", b"").walls


def _run(task: str, data: bytes, arguments: dict[str, Any], folder: Path) -> Outcome:
    (folder / "input").write_bytes(data)
    (folder / "arguments.json").write_text(json.dumps(arguments, ensure_ascii=False), "utf-8")
    status = _wait_for(task, folder)
    raw = _read_back(folder / "result.json", MAX_RESULT)
    if status != 0 or raw is None:
        errors = (_read_back(folder / "errors", 1 << 20) or b"")[-800:].decode("utf-8", "replace")
        reason = {None: "time", -signal.SIGXCPU: "time", -signal.SIGKILL: "time", 3: "memory"}.get(status, "crash")
        log.warning("sandbox.died", task=task, status=status, reason=reason, errors=errors)
        raise ProcessDied(reason)
    answer = json.loads(raw)
    if code := answer.get("problem"):
        raise REFUSALS[code](**answer["facts"])
    return Outcome(answer["result"], _read_back(folder / "output", MAX_RESULT * 4) or b"", tuple(answer["walls"]))


def _wait_for(task: str, folder: Path) -> int | None:
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-m", "docs_store.sandbox_worker", task, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=folder,
            env=ENVIRONMENT | {"TMPDIR": str(folder), "HOME": str(folder)},
            start_new_session=True,
        )
    try:
        return process.wait(WALL_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read_back(path: Path, bound: int) -> bytes | None:
    """A plain file that the process left, never through a link of its making."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(handle, "rb") as file:
        facts = os.fstat(handle)
        return file.read() if stat.S_ISREG(facts.st_mode) and facts.st_size <= bound else None
