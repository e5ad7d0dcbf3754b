"""How long a restore takes by its size: a gigabyte in PostgreSQL, a gigabyte of documents beside the embedded default."""

import os
import time

from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import DEBIAN
from tests.faults.restore import archiving, back_from, base_backup, command, elsewhere, put_paper, receipts
from tests.faults.table import Run, fault

RTO, GIGABYTE, FILE = 300.0, 10**9, 8_000_000  # seconds; bytes
GROW = "INSERT INTO bulk SELECT repeat(md5(random()::text), 28) FROM generate_series(1, {rows})"
ROW = 940  # bytes of one on the disk


def vote(run: Run, cluster: Cluster) -> set[str]:
    history = History(cluster.folder / f"history{run.runs}.jsonl")

    async def course() -> None:
        async with Burst(cluster, history, seed=run.seed) as burst:
            poll = await burst.open_poll()
            await burst.vote(poll, 1)
            await burst.close(poll)
            await burst.settle()

    in_loop(course())
    run.judge(cluster, history)
    return receipts(cluster.url)


def in_postgresql(run: Run) -> None:
    """Three quarters of it in the base backup, a quarter in the log that is played on top."""
    with Cluster(voters=60, prepare=archiving) as cluster:
        assert cluster.postgres
        cluster.postgres.ask("CREATE TABLE bulk (t text)", "meetings")
        cluster.postgres.ask(GROW.format(rows=GIGABYTE * 3 // 4 // ROW), "meetings")
        base = base_backup(cluster)
        cluster.postgres.ask(GROW.format(rows=GIGABYTE // 4 // ROW), "meetings")
        kept = vote(run, cluster)
        size = int(str(cluster.postgres.ask("SELECT pg_database_size('meetings')")[0][0]))
        with elsewhere(run, cluster, base) as (_node, url, seconds):
            told(run, "PostgreSQL", seconds, size)
            run.violations += [f"I1 gone: {one}" for one in kept - receipts(url)]


def embedded(run: Run) -> None:
    """`dienhong backup`, and `dienhong restore`, which opens every document."""
    with Cluster(voters=60, database="sqlite") as cluster:
        for _ in range(GIGABYTE // FILE):
            put_paper(cluster, os.urandom(FILE))
        kept, backups = vote(run, cluster), cluster.folder / "backups"
        size = sum(path.stat().st_size for path in (cluster.folder / "documents").rglob("*") if path.is_file())
        started = time.monotonic()
        done = command(cluster, cluster.url, "backup", str(backups))
        assert done.returncode == 0, done.stderr
        run.figure("dienhong backup, s per GB", (time.monotonic() - started) / size * GIGABYTE)
        told(run, "dienhong restore", back_from(run, cluster, backups), size)
        run.violations += [f"I1 gone: {one}" for one in kept - receipts(cluster.url)]


def told(run: Run, what: str, seconds: float, size: int) -> None:
    run.figure(f"{what}: back after, s", seconds, RTO)
    run.figure(f"{what}: bytes", size)
    run.figure(f"{what}: s per GB", seconds / size * GIGABYTE)


@fault("F13b", "1 GB back within five minutes: PostgreSQL, and the embedded default (50 GB: the drill of docs/operate.md)")
def going_back_far(run: Run) -> None:
    if not (DEBIAN / "pg_basebackup").exists():
        raise Skip("pg_basebackup of Debian (postgresql-15)")
    embedded(run)
    in_postgresql(run)
