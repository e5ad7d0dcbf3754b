"""The database's machine is lost: a synchronous standby takes over, and every acknowledged ballot is on it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg

from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import DEBIAN, Postgres, until
from tests.faults.restore import as_postgres, give, tools
from tests.faults.table import Run, fault, twin

RTO = 60.0  # seconds
VOTERS = 100


class Standby(Postgres):
    """A streaming copy of a primary, which waits for its flush before it tells a commit."""

    def follow(self, primary: Postgres) -> None:
        for one in (self.folder, self.socket):
            one.mkdir()
            give(one)
        command = [DEBIAN / "pg_basebackup", "-h", primary.socket, "-U", "postgres", "-D", self.data, "-R", "-X", "stream"]
        subprocess.run([*command, "-c", "fast"], check=True, env=tools(PGAPPNAME="standby"), cwd="/", **as_postgres())

    def promote(self) -> None:
        self.ask("SELECT pg_promote()")


def with_standby(cluster: Cluster) -> None:
    """The service knows both servers and goes to the one that takes writes."""
    assert cluster.postgres
    cluster.postgres.settings |= {"wal_level": "replica", "max_wal_senders": "4"}
    other = cluster.folder / "standby" / "s"
    url = f"postgresql://postgres@/meetings?host={cluster.postgres.socket}&host={other}&target_session_attrs=read-write"
    for node in cluster.nodes:
        node.environment["DATABASE_URL"] = url


def pair(cluster: Cluster) -> Standby:
    """The standby runs, and the primary waits for it from now on."""
    assert cluster.postgres
    standby = Standby("standby", cluster.folder / "standby")
    standby.follow(cluster.postgres)
    standby.start()
    standby.wait_ready()
    cluster.postgres.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
    cluster.postgres.ask("SELECT pg_reload_conf()")
    synchronous = [("sync",)]
    asked = "SELECT sync_state FROM pg_stat_replication"
    until(lambda: cluster.postgres.ask(asked) == synchronous, 20, "the standby is not synchronous")  # type: ignore[union-attr]
    return standby


def take_over(cluster: Cluster, standby: Standby, history: History, run: Run) -> float:
    """Kill the primary for good, promote the standby; seconds until the service can write again."""
    assert cluster.postgres
    started = time.monotonic()
    cluster.postgres.kill()
    run.kills += 1
    standby.ask("ALTER SYSTEM RESET synchronous_standby_names")  # it came with the copy, if at all
    standby.promote()
    until(lambda: standby.ask("SELECT pg_is_in_recovery()") == [(False,)], 30, "not promoted", standby)
    cluster.postgres = standby
    cluster.url = standby.url()
    before = history.acks
    until(lambda: history.acks > before or cluster.nodes[0].status() == 200, 60, "the service does not come back")
    return time.monotonic() - started


def lost_in_a_vote(run: Run) -> None:
    with Cluster(voters=VOTERS, prepare=with_standby) as cluster:
        primary = cluster.postgres
        standby = pair(cluster)
        history = History(cluster.folder / "history.jsonl")

        async def course() -> None:
            async with Burst(cluster, history, seed=run.seed + run.runs) as burst:
                poll = await burst.open_poll()
                voting = burst.start(burst.vote(poll, 4, ballots=3))
                await burst.acks(int(VOTERS * 3 * burst.random.uniform(0.2, 0.7)))
                took = await burst.meanwhile(lambda: take_over(cluster, standby, history, run))
                run.figure("ready after the kill, by a script that promotes at once, s", took, RTO)
                await voting
                await burst.close(poll)
                await burst.settle()

        try:
            in_loop(course())
            run.judge(cluster, history)
        finally:
            standby.stop()
            if primary:
                primary.stop()


def cancel_waiting(primary: Postgres) -> int:
    """End every wait for the standby, as an impatient operator does: each is then a commit with a warning only."""
    waiting = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with psycopg.connect(primary.url("postgres"), autocommit=True) as connection:
        return int(connection.execute(waiting).fetchone()[0])  # type: ignore[index]


def cut_off(run: Run, command: Callable[[int], list[str]] | None = None) -> None:
    """Nothing reaches the standby, waits for it are cancelled, then the primary is lost: what it alone had is gone."""

    def prepare(cluster: Cluster) -> None:
        with_standby(cluster)
        if command:
            cluster.nodes[0].command = command(cluster.nodes[0].port)

    with Cluster(voters=20, prepare=prepare) as cluster:
        primary = cluster.postgres
        assert primary
        standby = pair(cluster)
        history = History(cluster.folder / "history.jsonl")

        async def course() -> None:
            async with Burst(cluster, history, seed=run.seed) as burst:
                poll = await burst.open_poll()
                await burst.vote(poll, 0.5, tablets=burst.tablets[:10])
                # Who sends stands still, and not who receives: nothing waits in between that would still arrive.
                sender = int(str(primary.ask("SELECT pid FROM pg_stat_replication")[0][0]))
                os.kill(sender, signal.SIGSTOP)
                voting = burst.start(burst.vote(poll, 0.5, tablets=burst.tablets[10:]))
                cancelled = 0
                for _ in range(40):
                    cancelled += await burst.meanwhile(lambda: cancel_waiting(primary))
                    if cancelled >= 3:
                        break
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1)
                assert cancelled, "no commit waited for the standby"
                run.figure("waits that were cut off", cancelled)
                await burst.meanwhile(lambda: take_over(cluster, standby, history, run))
                await voting
                await burst.close(poll)
                await burst.settle()

        try:
            in_loop(course())
            run.judge(cluster, history)
        finally:
            standby.stop()
            primary.stop()


@fault("F10", "the database's machine is lost, its synchronous standby takes over")
def lost_machine(run: Run) -> None:
    if not (DEBIAN / "pg_basebackup").exists():
        raise Skip("pg_basebackup of Debian (postgresql-15)")
    for _ in run.times(1, 20):
        lost_in_a_vote(run)
    cut_off(run)


@twin("F10", "a commit that only warns is acknowledged")
def lost_machine_and_deaf(run: Run) -> None:
    cut_off(run, lambda port: [sys.executable, "-m", "tests.faults.failover", "--port", str(port)])


def main() -> None:
    """A node that does not hear the warning of a commit that was not waited for."""
    from unittest import mock

    from deploy.cli import app

    mock.patch("shared.engine._hear", return_value=None).start()
    sys.argv[1:1] = ["serve", "meetings"]
    app()


if __name__ == "__main__":
    main()
