"""Going back in time: PostgreSQL to an instant between two ballots, the embedded default to a backup made during a vote.

What of the lost time was acknowledged is lost by intent; what was used before must not come back to life.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from docs_store import versions
from docs_store.store import derive_key, open_store
from meetings.live.models import MeetingLog
from meetings.voting.models import Ballot
from shared import clock
from shared.db import Database
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import DEBIAN, ROOT, Node, Postgres, Process, until
from tests.faults.table import Run, fault, twin
from tests.faults.tablet import Ballot as Cast

RTO, PERIOD = 300.0, 60  # seconds; what `archive_timeout` is
RPO = PERIOD + 10.0  # the time that a copy takes
AFTER = {"iat": 2}  # seconds by which the clock of an issuer may be ahead


class Restored(Postgres):
    """A second server whose data directory a script lays out."""

    def come_back(self, base: Path, wal: Path, at: str = "") -> None:
        """To the instant, or as far as the log goes."""
        for one in (self.folder, self.socket):
            one.mkdir()
            give(one)
        script = [ROOT / "deploy/backup/postgresql-restore.sh", base, wal, self.data, at]
        subprocess.run(script, check=True, env=tools(), cwd="/", **as_postgres())
        self.settings["archive_mode"] = "off"
        self.start()
        until(self.is_writable, RTO, f"no end of recovery: {self.log}", self)

    def is_writable(self) -> bool:
        return self.accepts() and self.ask("SELECT pg_is_in_recovery()") == [(False,)]


def as_postgres() -> dict[str, object]:
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def give(path: Path) -> None:
    path.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")


def tools(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{DEBIAN}:{os.environ['PATH']}", **more}


def archiving(cluster: Cluster) -> None:
    assert cluster.postgres
    wal = cluster.folder / "wal"
    wal.mkdir()
    give(wal)
    cluster.postgres.settings |= {
        "wal_level": "replica",
        "archive_mode": "on",
        "archive_timeout": str(PERIOD),
        "archive_command": f"test ! -f {wal}/%f && cp %p {wal}/.%f && mv {wal}/.%f {wal}/%f",
    }


def base_backup(cluster: Cluster) -> Path:
    assert cluster.postgres
    folder = cluster.folder / "base"
    folder.mkdir()
    give(folder)
    script = [ROOT / "deploy/backup/postgresql-base.sh", folder]
    environment = tools(PGHOST=str(cluster.postgres.socket), PGUSER="postgres")
    done = subprocess.run(script, check=True, env=environment, cwd="/", capture_output=True, text=True, **as_postgres())
    return Path(done.stdout.strip().splitlines()[-1])


def command(cluster: Cluster, url: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **cluster.environment, "DATABASE_URL": url, **more}
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def put_paper(cluster: Cluster, content: bytes) -> None:
    store = open_store(cluster.environment["STORAGE_URL"], derive_key(cluster.environment["SECRET"], "documents"))
    blob = store.put(content)
    with closing(Database(cluster.url)) as db, db.write() as tx:
        now = clock.now()
        versions.append(tx, versions.create(tx, now), blob, now, name="to-trinh.pdf", added_by="-")


def receipts(url: str) -> set[str]:
    with closing(Database(url)) as db, db.read() as tx:
        return set(tx.scalars(select(Ballot.receipt)))


def epoch_of(url: str) -> str:
    with closing(Database(url)) as db, db.read() as tx:
        return tx.scalars(select(MeetingLog.epoch)).one()


def told(ballots: list[Cast]) -> set[str]:
    return {one.receipt["receipt"] for one in ballots if one.receipt}


def need_dead(run: Run, cluster: Cluster, node: Node, old_token: str, old_ticket: str, old_epoch: str) -> None:
    """What was given out before is refused; who signs in anew starts from a snapshot of another epoch."""
    if asked(cluster, node, "GET", "", old_token)[0] != 401:
        run.violations.append("I8 an access token of before the restore is taken")
    later = int(clock.now().timestamp()) + AFTER["iat"]
    fresh = cluster.token("d0", iat=later)
    status, state = asked(cluster, node, "GET", "", fresh)
    if status != 200:
        run.violations.append(f"I8 nobody gets in after the restore: {status}")
    elif state["epoch"] == old_epoch:
        run.violations.append("I6 the log goes on in the same epoch")
    if redeemed(cluster, node, old_ticket):
        run.violations.append("I8 a ticket of before the restore lets in")


def asked(cluster: Cluster, node: Node, method: str, path: str, token: str) -> tuple[int, dict[str, object]]:
    import httpx2

    address = f"http://{node.host}:{node.port}/api/meetings/{cluster.meeting_id}/{path}"
    answer = httpx2.request(method, address.rstrip("/"), headers={"authorization": f"Bearer {token}"}, timeout=20)
    return answer.status_code, answer.json() if answer.content else {}


def redeemed(cluster: Cluster, node: Node, ticket: str) -> bool:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    try:
        with connect(f"ws://{node.host}:{node.port}/api/live?ticket={ticket}", origin=cluster.address):
            return True
    except InvalidStatus:
        return False


@dataclass
class Course:
    """What was before the instant, and after it."""

    kept: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    base: Path = Path()
    at: str = ""
    ticket: str = ""


async def until_the_loss(run: Run, cluster: Cluster, history: History, course: Course) -> None:
    """A vote that is closed, a base backup, half of another vote; the instant; the other half, and its close."""
    assert cluster.postgres
    async with Burst(cluster, history, seed=run.seed) as burst:
        before = await burst.open_poll("Trước sao lưu")
        course.kept |= told(await burst.vote(before, 1))
        await burst.close(before)
        course.base = await burst.meanwhile(lambda: base_backup(cluster))
        poll = await burst.open_poll()
        half = len(burst.tablets) // 2
        course.kept |= told(await burst.vote(poll, 1, tablets=burst.tablets[:half]))
        course.ticket = (await burst.meanwhile(lambda: cluster.insist("d1", "POST", "ticket")))["ticket"]
        course.at = str(cluster.postgres.ask("SELECT clock_timestamp()")[0][0])
        course.lost |= told(await burst.vote(poll, 1, tablets=burst.tablets[half:]))
        await burst.close(poll)
        await burst.settle()


def to_an_instant(run: Run, *, bump: bool = True) -> None:
    if not (DEBIAN / "pg_basebackup").exists():
        raise Skip("pg_basebackup of Debian (postgresql-15)")
    with Cluster(voters=60, prepare=archiving) as cluster:
        assert cluster.postgres
        put_paper(cluster, b"%PDF-1.7 " + bytes(range(256)) * 100)
        history, course = History(cluster.folder / "history.jsonl"), Course()
        in_loop(until_the_loss(run, cluster, history, course))
        run.judge(cluster, history)
        old_epoch, old_token = epoch_of(cluster.url), cluster.token("d0")
        with elsewhere(run, cluster, course.base, course.at, bump=bump) as (node, url, seconds):
            run.figure("RTO of this small server, s", seconds, RTO)
            found = receipts(url)
            run.violations += [f"I1 acknowledged before the instant and gone: {one}" for one in course.kept - found]
            run.violations += [f"I3 cast after the instant and here: {one}" for one in found - course.kept]
            assert course.lost, "nothing was cast after the instant"
            need_dead(run, cluster, node, old_token, course.ticket, old_epoch)


@contextmanager
def elsewhere(run: Run, cluster: Cluster, base: Path, at: str = "", *, bump: bool = True) -> Iterator[tuple[Node, str, float]]:
    """The machine lost, its log archived to the end: a node that serves on a second server, whose URL, after how long."""
    assert cluster.postgres
    wal, segment = cluster.folder / "wal", cluster.postgres.ask("SELECT pg_walfile_name(pg_switch_wal())")[0][0]
    until((wal / str(segment)).exists, 120, "the log is not archived")
    for one in (*cluster.nodes, cluster.postgres):
        one.kill()
    run.kills += 1
    started = time.monotonic()
    restored = Restored("restored", cluster.folder / "restored")
    url = restored.url()
    node = Node("node-restored", cluster.folder, cluster.environment | {"DATABASE_URL": url})
    with ending(node, restored):
        restored.come_back(base, wal, at)
        if bump:
            assert command(cluster, url, "epoch", "bump").returncode == 0
        verified = command(cluster, url, "verify").stdout.splitlines()
        run.violations += [f"I6 {line}" for line in verified if not line.startswith("✓")]
        node.start()
        node.wait_ready()
        yield node, url, time.monotonic() - started


def back_from(run: Run, cluster: Cluster, backups: Path) -> float:
    """The embedded machine lost with all that is on it; the seconds until it serves again."""
    node = cluster.nodes[0]
    node.kill()
    run.kills += 1
    for path in [*cluster.folder.glob("meetings.db*")]:
        path.unlink()
    shutil.rmtree(cluster.folder / "documents")
    started = time.monotonic()
    done = command(cluster, cluster.url, "restore", str(backups))
    run.violations += [f"I6 {line}" for line in (done.stdout + done.stderr).splitlines() if line.startswith("✗")]
    assert done.returncode == 0, done.stdout + done.stderr
    node.start()
    node.wait_ready()
    return time.monotonic() - started


@contextmanager
def ending(*processes: Process) -> Iterator[None]:
    """Whatever happens, they do not outlive this."""
    try:
        yield
    finally:
        for one in processes:
            one.stop()


def to_a_backup(run: Run) -> None:
    """The embedded default: `dienhong backup` in the middle of a vote, the machine lost, `dienhong restore`."""
    with Cluster(voters=60, database="sqlite") as cluster:
        put_paper(cluster, b"%PDF-1.7 " + bytes(range(256)) * 100)
        history = History(cluster.folder / "history.jsonl")
        kept = set[str]()
        backups = cluster.folder / "backups"

        async def course() -> None:
            async with Burst(cluster, history, seed=run.seed) as burst:
                poll = await burst.open_poll()
                half = len(burst.tablets) // 2
                kept.update(told(await burst.vote(poll, 1, tablets=burst.tablets[:half])))
                voting = burst.start(burst.vote(poll, 3, tablets=burst.tablets[half:]))
                done = await burst.meanwhile(lambda: command(cluster, cluster.url, "backup", str(backups)))
                assert done.returncode == 0, done.stderr
                await voting
                run.figure("p99 of an acknowledgement, s", history.percentile(0.99), 1.0)
                await burst.close(poll)
                await burst.settle()

        in_loop(course())
        run.judge(cluster, history)
        old_epoch, old_token, old_ticket = epoch_of(cluster.url), cluster.token("d0"), cluster.insist("d1", "POST", "ticket")
        every = receipts(cluster.url)
        back_from(run, cluster, backups)
        found = receipts(cluster.url)
        run.violations += [f"I1 acknowledged before the backup and gone: {one}" for one in kept - found]
        run.violations += [f"I3 in the backup and nowhere else: {one}" for one in found - every]
        need_dead(run, cluster, cluster.nodes[0], old_token, old_ticket["ticket"], old_epoch)


def archived(cluster: Cluster) -> int:
    return len([path for path in (cluster.folder / "wal").iterdir() if len(path.name) == 24])


def next_archived(cluster: Cluster) -> float:
    """Seconds until one segment more is in the archive."""
    known = archived(cluster)
    return until(lambda: archived(cluster) > known, 120, "nothing is archived")


def without_the_machine(run: Run) -> None:
    """The disk is lost with the log on it: only the archive is left, and the next segment was nearly due."""
    with Cluster(voters=200, prepare=archiving) as cluster:
        assert cluster.postgres
        history, base = History(cluster.folder / "history.jsonl"), base_backup(cluster)

        async def course() -> float:
            async with Burst(cluster, history, seed=run.seed + run.runs) as burst:
                poll = await burst.open_poll()
                voting = burst.start(burst.vote(poll, 3 * PERIOD))
                await burst.meanwhile(lambda: next_archived(cluster))
                gap = await burst.meanwhile(lambda: next_archived(cluster))
                run.figure("from segment to segment in the archive, s", gap)
                await burst.pause(burst.random.uniform(0.7, 0.9) * PERIOD)
                for one in (*cluster.nodes, cluster.postgres):
                    one.kill()  # type: ignore[union-attr]
                run.kills += 1
                voting.cancel()
                return time.monotonic()

        lost_at = in_loop(course())
        restored = Restored("restored", cluster.folder / "restored")
        with ending(restored):
            restored.come_back(base, cluster.folder / "wal")
            found = receipts(restored.url())
        acknowledged = [(line["t_mono"], line["receipt"]["receipt"]) for line in history.lines() if line["phase"] == "ok"]
        gone = [at for at, receipt in acknowledged if receipt not in found]
        assert found
        assert gone
        run.figure("ballots lost with the machine", len(gone))
        run.figure("RPO with the archive alone, s", lost_at - min(gone), RPO)


@fault("F13", "back to an instant between two ballots; to a backup made in a vote; without the machine and its log")
def going_back(run: Run) -> None:
    to_an_instant(run)
    to_a_backup(run)
    without_the_machine(run)


@twin("F13", "a restore without a new epoch")
def going_back_without_an_epoch(run: Run) -> None:
    to_an_instant(run, bump=False)
