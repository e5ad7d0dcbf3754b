"""The release before and the present one side by side on the new schema, which comes in the middle of a meeting."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from alembic import command as alembic

from shared import migrate
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import ROOT, Node, until
from tests.faults.restore import command
from tests.faults.table import Run, fault

PAUSE, P99 = 2.0, 3.0  # seconds
VERSIONS = "meetings/migrations/versions"
VOTERS = 100


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def release_before() -> tuple[str, str]:
    """The newest tag; without one, the commit before the newest migration. And that release's newest migration."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        raise Skip("the history of the code")
    tags = git("tag", "--sort=-creatordate").splitlines()
    newest = max((ROOT / VERSIONS).glob("[0-9]*.py"))
    commit = tags[0] if tags else git("log", "-1", "--format=%H", "--diff-filter=A", "--", str(newest)) + "~1"
    there = git("ls-tree", "--name-only", commit, f"{VERSIONS}/").splitlines()
    return commit, max(Path(one).name[:4] for one in there if Path(one).name[0].isdigit())


def lay_out(commit: str, folder: Path) -> None:
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)


def as_before(node: Node, place: Path | None) -> None:
    """Serve with that release from its next start; None: with the present one."""
    for name in ("PYTHONPATH", "PYTHONSAFEPATH"):
        node.environment.pop(name, None)
    if place:
        node.environment |= {"PYTHONPATH": str(place), "PYTHONSAFEPATH": "1"}


def back_to(cluster: Cluster, revision: str) -> None:
    with cluster.looking() as db, db.engine.begin() as connection:
        alembic.downgrade(migrate._config("meetings", connection), revision)


def pending(cluster: Cluster) -> list[str]:
    return command(cluster, cluster.url, "migrate", "meetings", "--plan").stdout.splitlines()


def killed_half_way(cluster: Cluster) -> None:
    """A migration that waits for a table is killed: nothing of it stays."""
    wanted = pending(cluster)
    with cluster.looking() as db, db.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE alembic_version_meetings IN SHARE MODE")
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "migrate", "meetings"],
            cwd=ROOT,
            env={**os.environ, **cluster.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert cluster.postgres
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%alembic_version%'"
        until(lambda: cluster.postgres.ask(waiting) != [(0,)], 120, "the migration waits for nothing")  # type: ignore[union-attr]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert pending(cluster) == wanted, "what was killed half-way has left something"


def restart(node: Node) -> None:
    node.stop()
    node.start()
    node.wait_ready()


def longest_wait(history: History, since: float) -> float:
    """Of a ballot that was acknowledged since then; seconds."""
    return max((took for at, took in history.took if at >= since), default=0.0)


async def roll(run: Run, cluster: Cluster, history: History, before: Path) -> None:
    """Migrate in a vote; in another one node after the other is exchanged, and one of them back."""
    async with Burst(cluster, history, seed=run.seed) as burst:
        poll = await burst.open_poll()
        voting, since = burst.start(burst.vote(poll, 30, ballots=12)), time.monotonic()
        done = await burst.meanwhile(lambda: command(cluster, cluster.url, "migrate", "meetings"))
        assert done.returncode == 0, done.stderr
        assert not voting.done(), "the vote was over before the migration was"
        ballots = await voting
        run.figure("longest wait of a ballot while it migrates, s", longest_wait(history, since), PAUSE)
        await burst.close(poll)
        poll = await burst.open_poll()
        voting = burst.start(burst.vote(poll, 30, ballots=6))
        for place, release in ((0, None), (1, None), (0, before), (0, None)):
            as_before(cluster.nodes[place], release)
            await burst.meanwhile(lambda place=place: restart(cluster.nodes[place]))  # type: ignore[misc]
        ballots += await voting
        run.figure("ballots without a receipt in the end", sum(one.receipt is None for one in ballots), 0)
        await burst.close(poll)
    run.figure("p99 of an acknowledgement, s", history.percentile(0.99), P99)


async def look_again(cluster: Cluster, history: History, run: Run) -> None:
    """Whoever opens the present web app starts from its snapshot."""
    async with Burst(cluster, history, seed=run.seed) as burst:
        poll = await burst.open_poll("Sau nâng cấp")
        await burst.vote(poll, 2)
        await burst.close(poll)
        await burst.settle()


@fault("F14", "a rolling upgrade with its migration in a vote, killed half-way first, one node back and forth")
def rolling_upgrade(run: Run) -> None:
    commit, revision = release_before()
    with Cluster(voters=VOTERS, nodes=2, proxy=True) as cluster:
        before = cluster.folder / "release-before"
        lay_out(commit, before)
        for node in cluster.nodes:
            node.stop()
            as_before(node, before)
        back_to(cluster, revision)
        killed_half_way(cluster)
        run.kills += 1
        for node in cluster.nodes:
            node.start()
        for node in cluster.nodes:
            node.wait_ready()
        history = History(cluster.folder / "history.jsonl")
        in_loop(roll(run, cluster, history, before))
        in_loop(look_again(cluster, history, run))
        run.judge(cluster, history)
