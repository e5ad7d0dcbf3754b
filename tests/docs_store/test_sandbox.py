"""The confined process: no network, no other programs, no foreign files, bounded memory and time."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import pytest

from docs_store import sandbox
from docs_store.sandbox import ProcessDied, run
from shared.problems import Unavailable

ATTEMPTS = {
    "connect": "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
    "listen": "import socket; socket.create_server(('127.0.0.1', 0))",
    "datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
    "unix-socket": "import socket; socket.socket(socket.AF_UNIX).connect('/run/x')",
    "program": "import subprocess; subprocess.run(['/bin/true'])",
    "read-passwords": "open('/etc/passwd').read()",
    "read-project": f"open({str(Path(__file__).parents[2] / 'pyproject.toml')!r}).read()",
    "write-elsewhere": "open('/tmp/outside', 'w')",
    "link": "import os; os.symlink('/etc/passwd', 'link')",
    "kill": "import os; os.kill(os.getppid(), 9)",
    "memory": "bytearray(2 << 30)",
    "big-file": "open('big', 'wb').truncate(1 << 30)",
    "many-files": "held = [open('f', 'w') for _ in range(500)]",
}


def confined(attempt: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"from pathlib import Path; from docs_store.confine import confine; print(confine(Path('.')))\n{attempt}"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_confined_process_cannot(attempt: str, tmp_path: Path) -> None:
    done = confined(ATTEMPTS[attempt], tmp_path)
    assert done.stdout.startswith("['limits'")
    assert done.returncode != 0
    assert (
        any(sign in done.stderr for sign in ("PermissionError", "unreachable", "MemoryError", "OSError")) or done.returncode < 0
    )


def test_a_confined_process_can_work_in_its_own_folder(tmp_path: Path) -> None:
    done = confined(
        "Path('a').write_text('x'); Path('d').mkdir(); Path('a').unlink(); import asyncio; asyncio.run(asyncio.sleep(0))",
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_all_walls_stand_on_this_machine() -> None:
    assert set(sandbox.walls()) == {"limits", "namespace", "seccomp", "landlock"}


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.01)
    started = time.monotonic()
    with pytest.raises(ProcessDied) as died:
        run("nothing", b"")
    assert died.value.reason == "time"
    assert time.monotonic() - started < 5


def test_of_more_files_than_may_wait_the_last_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that waits holds a thread: with as many of them as there are threads nobody could vote."""
    monkeypatch.setattr(sandbox, "_places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(sandbox, "_room", threading.BoundedSemaphore(2))
    with ThreadPoolExecutor(5) as pool:
        with sandbox._places:
            asked = [pool.submit(run, "nothing", b"") for _ in range(5)]
            refused = list(islice(as_completed(asked, timeout=30), 3))
        assert {type(one.exception()) for one in refused} == {Unavailable}
        assert [one.exception() for one in asked if one not in refused] == [None, None]


def test_a_task_that_fails_is_a_crash_and_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ProcessDied) as died:
        run("no-such-task", b"")
    assert died.value.reason == "crash"
    assert list(tmp_path.iterdir()) == []


def test_a_link_left_by_the_process_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "result.json").symlink_to("/etc/passwd")
    assert sandbox._read_back(tmp_path / "result.json", 1 << 20) is None
    (tmp_path / "big").write_bytes(b"x" * 11)
    assert sandbox._read_back(tmp_path / "big", 10) is None
