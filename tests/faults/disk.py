"""The disk runs full: under the documents, under the database's log; and the guard that stands before either."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psycopg

from tests.docs_store.papers import paper
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import DEBIAN, Postgres, until
from tests.faults.restore import give
from tests.faults.table import Run, fault, twin

AGAIN, SLOWER = 5.0, 1.2
QUICK = 0.5  # seconds: below it nobody waits, however quick a usual vote is
FILL = """CREATE TABLE IF NOT EXISTS filler (t text);
INSERT INTO filler SELECT repeat('x', 900) FROM generate_series(1, 20000)"""


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of its own in memory."""
    if os.geteuid() != 0:
        raise Skip("root, to mount a small disk")
    place.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if done.returncode != 0:
        raise Skip("leave to mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def fill(disk: Path, leave: int) -> Path:
    """A file that takes all but so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):  # others write there as well
        while (free := shutil.disk_usage(disk).free) > leave:
            file.write(bytes(min(free - leave, 1 << 16)))
    return ballast


def upload(cluster: Cluster, content: bytes, name: str) -> httpx2.Response:
    files = {"file": (name, content, "application/pdf")}
    return cluster.call("secretary", "POST", f"items/{cluster.house.item_id}/papers", files=files)


def files_on(disk: Path) -> set[Path]:
    return {path for path in disk.rglob("*") if path.is_file() and path.name != "ballast"}


def votes_on(run: Run, cluster: Cluster, deed: Callable[[], None], usual: Callable[[], object], slower: float = SLOWER) -> None:
    """A vote during the deed, then one while the same is done with room enough: it is as quick."""
    quiet, full = History(cluster.folder / "quiet.jsonl"), History(cluster.folder / "history.jsonl")

    async def course(history: History, meanwhile: Callable[[], None]) -> None:
        async with Burst(cluster, history, seed=run.seed) as burst:
            poll = await burst.open_poll()
            voting = burst.start(burst.vote(poll, 6, ballots=2))
            await burst.meanwhile(meanwhile)
            await voting
            await burst.close(poll)
            await burst.settle()

    in_loop(course(full, deed))
    run.judge(cluster, full)
    in_loop(course(quiet, lambda: [usual(), usual()]))
    run.judge(cluster, quiet)
    usual_p99 = quiet.percentile(0.99)
    run.figure("p99 of a usual vote, s", usual_p99)
    run.figure("p99 of a vote meanwhile, s", full.percentile(0.99), max(slower * usual_p99, QUICK))


def with_documents_on(disk: Path, command: list[str] | None = None) -> Callable[[Cluster], None]:
    def prepare(cluster: Cluster) -> None:
        node = cluster.nodes[0]
        node.environment["STORAGE_URL"] = str(disk / "documents")
        if command:
            node.command = [*command, "--port", str(node.port)]

    return prepare


@fault("F3a", "the disk under the documents is full in the middle of an upload")
def full_under_documents(run: Run) -> None:
    """The guard is off, as if the disk filled between its look and the write."""
    unguarded = [sys.executable, "-m", "tests.faults.disk"]
    place = Path("/var/tmp") / f"dienhong-disk-{os.getpid()}"  # noqa: S108
    with small_disk(place, "64m") as disk, Cluster(voters=60, prepare=with_documents_on(disk, unguarded)) as cluster:
        content = paper(*(f"Điều {number}" for number in range(400)))

        def deed() -> None:
            known = files_on(disk)
            ballast = fill(disk, 4096)
            refused = upload(cluster, content, "day.pdf")
            if (refused.status_code, refused.json().get("code")) != (507, "no-room"):
                run.violations.append(f"an upload onto a full disk: {refused.status_code} {refused.text[:100]}")
            if half := files_on(disk) - known:
                run.violations.append(f"half a file stays: {half}")
            ballast.unlink()
            taken = until(lambda: upload(cluster, content, "lai.pdf").status_code == 201, 20, "no upload is taken again")
            run.figure("taken again after space is free, s", taken, AGAIN)

        votes_on(run, cluster, deed, lambda: upload(cluster, content, "lai.pdf"))


@fault("F3c", "less than a tenth or 2 GB free: uploads wait, votes go on")
def nearly_full(run: Run) -> None:
    place = Path("/var/tmp") / f"dienhong-disk-{os.getpid()}"  # noqa: S108
    with small_disk(place, "64m") as disk, Cluster(voters=60, prepare=with_documents_on(disk)) as cluster:
        content = paper("Tờ trình")

        def deed() -> None:
            refused = upload(cluster, content, "day.pdf")
            if (refused.status_code, refused.json().get("code")) != (507, "no-room"):
                run.violations.append(f"an upload onto a nearly full disk: {refused.status_code}")
            node = cluster.nodes[0]
            told = httpx2.get(f"http://{node.host}:{node.port}/metrics").text
            if "dienhong_storage_nearly_full 1.0" not in told:
                run.violations.append("the figures do not tell that uploads wait")
            if node.status() != 200:
                run.violations.append("it says that it cannot serve")
            subprocess.run(["mount", "-o", "remount,size=4g", disk], check=True)
            taken = until(lambda: upload(cluster, content, "lai.pdf").status_code == 201, 20, "no upload is taken again")
            run.figure("taken again after space is free, s", taken, AGAIN)

        votes_on(run, cluster, deed, lambda: upload(cluster, content, "lai.pdf"))


@twin("F3c", "a service without a guard")
def nearly_full_unguarded(run: Run) -> None:
    place = Path("/var/tmp") / f"dienhong-disk-{os.getpid()}"  # noqa: S108
    prepare = lambda disk: with_documents_on(disk, [sys.executable, "-m", "tests.faults.disk"])  # noqa: E731
    with small_disk(place, "64m") as disk, Cluster(voters=2, prepare=prepare(disk)) as cluster:
        if upload(cluster, paper("Tờ trình"), "day.pdf").status_code != 507:
            run.violations.append("an upload onto a nearly full disk is taken")


def in_a_vote(run: Run, cluster: Cluster, deed: Callable[[], None]) -> None:
    history = History(cluster.folder / "history.jsonl")

    async def course() -> None:
        async with Burst(cluster, history, seed=run.seed) as burst:
            poll = await burst.open_poll()
            voting = burst.start(burst.vote(poll, 5, ballots=3))
            await burst.acks(60)
            await burst.meanwhile(deed)
            await voting
            await burst.close(poll)
            await burst.settle()

    in_loop(course())
    run.judge(cluster, history)


class Tight(Postgres):
    """Its log lies on a disk of its own."""

    def __init__(self, like: Postgres, disk: Path) -> None:
        super().__init__(like.name, like.folder, like.settings)
        self.disk = disk

    def make(self) -> None:
        super().make()
        wal = self.disk / "pg_wal"
        shutil.move(self.data / "pg_wal", wal)
        for one in (wal, *wal.rglob("*")):
            give(one)
        wal.chmod(0o700)
        (self.data / "pg_wal").symlink_to(wal)


@fault("F3b", "the disk under the database's log is full in a vote")
def full_under_the_log(run: Run) -> None:
    if not (DEBIAN / "initdb").exists():
        raise Skip("PostgreSQL 15 of Debian (postgresql-15)")
    place = Path("/var/tmp") / f"dienhong-disk-{os.getpid()}"  # noqa: S108
    with small_disk(place, "256m") as disk:
        give(disk)

        def prepare(cluster: Cluster) -> None:
            assert cluster.postgres
            cluster.postgres = Tight(cluster.postgres, disk)
            cluster.postgres.settings |= {"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_recycle": "off"}

        with Cluster(voters=100, prepare=prepare) as cluster:
            in_a_vote(run, cluster, lambda: run_full(run, cluster, disk))


@fault("F3d", "the disk under the embedded database is full in a vote")
def full_under_sqlite(run: Run) -> None:
    place = Path("/var/tmp") / f"dienhong-disk-{os.getpid()}"  # noqa: S108
    with small_disk(place, "64m") as disk:

        def prepare(cluster: Cluster) -> None:
            cluster.url = f"sqlite:///{disk}/meetings.db"
            for node in cluster.nodes:
                node.environment["DATABASE_URL"] = cluster.url

        def deed(cluster: Cluster) -> None:
            ballast = fill(disk, 0)
            until(lambda: writes(cluster) == 503, 20, "it writes on")
            if cluster.nodes[0].status("/healthz") != 200:
                run.violations.append("it died of a full disk")
            ballast.unlink()
            run.figure(
                "served after space is free, s", until(lambda: writes(cluster) == 201, 30, "it does not serve again"), AGAIN
            )

        with Cluster(voters=100, database="sqlite", prepare=prepare) as cluster:
            in_a_vote(run, cluster, lambda: deed(cluster))


def run_full(run: Run, cluster: Cluster, disk: Path) -> None:
    """Fill the log's disk until the server gives up or writes are refused; then free it, and start again what ended."""
    assert cluster.postgres
    ballast = fill(disk, 0)
    started = time.monotonic()
    # A full segment's worth of writes, so that a new one is needed.
    while cluster.postgres.alive and time.monotonic() - started < 30:
        try:
            cluster.postgres.ask(FILL, "meetings")
        except psycopg.Error:
            break
    until(lambda: cluster.nodes[0].status() != 200 or writes(cluster) == 503, 20, "it writes on")
    run.figure("not ready, or writes refused, after, s", time.monotonic() - started)
    run.kills += not cluster.postgres.alive
    ballast.unlink()
    until(lambda: not cluster.postgres.alive or cluster.postgres.accepts(), 30, "neither dead nor well")  # type: ignore[union-attr]
    if not cluster.postgres.alive:
        cluster.postgres.wait(10)
        cluster.postgres.start()
    cluster.postgres.wait_ready()
    run.figure("served after space is free, s", until(lambda: writes(cluster) == 201, 30, "it does not serve again"), AGAIN)


def writes(cluster: Cluster) -> int:
    return cluster.call("secretary", "POST", "ticket").status_code


def main() -> None:
    """A node whose guard sees an empty disk."""
    from unittest import mock

    from deploy.cli import app

    for where in ("docs_store.places", "meetings.papers.door"):
        mock.patch(f"{where}.free_bytes", return_value=(1 << 40, False)).start()
    sys.argv[1:1] = ["serve", "meetings"]
    app()


if __name__ == "__main__":
    main()
