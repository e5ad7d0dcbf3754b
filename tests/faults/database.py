"""The database dies, stands still, or has no more connections."""

import os
import signal
import time

from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.processes import until
from tests.faults.table import Run, fault, twin

REFUSED, SERVED, NOT_READY = 2.0, 5.0, 5.0  # seconds


def kill_database(run: Run, cluster: Cluster, away: float) -> None:
    """SIGKILL to the postmaster and every backend, back after `away` seconds; how the service bears it is measured."""
    assert cluster.postgres
    node, before = cluster.nodes[0], cluster.nodes[0].pid
    cluster.postgres.kill()
    run.kills += 1
    run.figure("a write is refused after, s", until(lambda: write(cluster) == 503, 120, "writes are not refused"), REFUSED)
    run.figure("readiness is false after, s", until(lambda: node.status() == 503, 120, "it still says ready"), NOT_READY)
    time.sleep(away)
    cluster.postgres.start()
    cluster.postgres.wait_ready()
    run.figure("served after it accepts, s", until(lambda: write(cluster) == 201, 120, "it does not serve again"), SERVED)
    assert node.alive, "the service did not outlive its database"
    assert node.pid == before


def write(cluster: Cluster) -> int:
    """The status of a small write; a 503 says when to come again."""
    answer = cluster.call("secretary", "POST", "ticket")
    assert answer.status_code != 503 or answer.headers.get("retry-after"), "a 503 without Retry-After"
    assert answer.status_code in (201, 503), f"{answer.status_code} {answer.text}"
    return answer.status_code


async def without_database(run: Run, cluster: Cluster, history: History, rounds: int, ballots: int) -> None:
    async with Burst(cluster, history, seed=run.seed) as burst:
        for _ in range(rounds):
            poll = await burst.open_poll()
            if run.title.startswith("synchronous_commit"):
                await burst.meanwhile(lambda: weaken(cluster))
            voting = burst.start(burst.vote(poll, 3.0, ballots=ballots))
            await burst.acks(int(burst.random.uniform(0.1, 0.9) * len(burst.tablets) * ballots))
            away = burst.random.uniform(0, 5)
            await burst.meanwhile(lambda away=away: kill_database(run, cluster, away))  # type: ignore[misc]
            await voting
            if not run.title.startswith("synchronous_commit"):
                await burst.close(poll)
        if not run.title.startswith("synchronous_commit"):
            await burst.settle()


@fault("F2", "SIGKILL of the database and all its backends in a burst of votes", tiers="ab")
def database_killed(run: Run) -> None:
    for _ in range(1 if run.tier == "a" else 3):
        with Cluster(voters=40 if run.tier == "a" else 120) as cluster:
            history = cluster.begin_history()
            in_loop(without_database(run, cluster, history, 1 if run.tier == "a" else 10, 2 if run.tier == "a" else 5))
            run.judge(cluster, history)


def weaken(cluster: Cluster) -> None:
    """After the poll is open, for with this setting the service opens none. The writer of the log is woken by each full page,
    and what it has written outlives a kill: it stands still, so that what is acknowledged is surely in memory alone."""
    assert cluster.postgres
    cluster.postgres.ask("ALTER SYSTEM SET synchronous_commit = off")
    cluster.postgres.ask("SELECT pg_reload_conf()")
    time.sleep(0.5)
    writers = cluster.postgres.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
    send([int(str(pid)) for (pid,) in writers], signal.SIGSTOP)


@twin("F2", "synchronous_commit is off")
def commits_are_not_durable(run: Run) -> None:
    with Cluster(voters=120) as cluster:
        history = cluster.begin_history()
        in_loop(without_database(run, cluster, history, 1, 8))
        run.judge(cluster, history)


async def paused(run: Run, cluster: Cluster, history: History, rounds: int) -> None:
    """The service stands still in the middle of a vote, then the database does; in both the chair closes meanwhile."""
    node, database = cluster.nodes[0], cluster.postgres
    assert database
    async with Burst(cluster, history, seed=run.seed) as burst:
        for turn in range(rounds):
            victims = [node.pid] if turn % 2 else database.family()
            seconds = 3.0 if run.tier == "a" else 10.0
            poll = await burst.open_poll()
            voting = burst.start(burst.vote(poll, 2.0, ballots=3))
            await burst.acks(int(burst.random.uniform(0.2, 0.6) * len(burst.tablets) * 3))
            send(victims, signal.SIGSTOP)
            closing = burst.start(burst.close(poll))
            try:
                await burst.pause(seconds)
            finally:
                send(victims, signal.SIGCONT)
            went_on = time.monotonic()
            await closing
            await voting
            run.figure("all terminal after it goes on, s", time.monotonic() - went_on, 20)
        await burst.settle()


def send(pids: list[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


@fault("F15", "the service, and the database, stand still (SIGSTOP) while a vote is closed")
def stands_still(run: Run) -> None:
    with Cluster(voters=100) as cluster:
        history = cluster.begin_history()
        in_loop(paused(run, cluster, history, 10))
        run.judge(cluster, history)


def few_connections(cluster: Cluster) -> None:
    assert cluster.postgres
    cluster.postgres.settings["max_connections"] = "10"


async def exhausted(run: Run, cluster: Cluster, history: History) -> None:
    """A hundred requests at once where the database lets in ten; none hangs, none is a bug, and votes go on."""
    async with Burst(cluster, history, seed=run.seed) as burst:
        poll = await burst.open_poll()
        voting = burst.start(burst.vote(poll, 3.0, ballots=3))
        statuses = await burst.ask_at_once("GET", "", 100)
        run.figure("longest answer, s", max(took for _, took in statuses), 10)
        assert {status for status, _ in statuses} <= {200, 503}, sorted({status for status, _ in statuses})
        run.figure("answers of 503", sum(status == 503 for status, _ in statuses))
        await voting
        await burst.close(poll)
        await burst.settle()


@fault("F17", "the database lets in ten; the service may open 256 files", tiers="b")
def no_more(run: Run) -> None:
    with Cluster(voters=60, prepare=few_connections) as cluster:
        history = cluster.begin_history()
        in_loop(exhausted(run, cluster, history))
        cluster.nodes[0].stop()  # for the export needs a connection too
        run.judge(cluster, history)
    with Cluster(voters=60, prepare=few_files) as cluster:
        history = cluster.begin_history()
        in_loop(without_files(run, cluster, history))
        run.judge(cluster, history)


def few_files(cluster: Cluster) -> None:
    cluster.nodes[0].prefix = ["prlimit", "--nofile=256:256", "--"]


async def without_files(run: Run, cluster: Cluster, history: History) -> None:
    """Three hundred connections that say nothing: those who are in stay in and vote; when they go, others come in."""
    async with Burst(cluster, history, seed=run.seed) as burst:
        poll = await burst.open_poll()
        crowd = await burst.idle_connections(300)
        ballots = await burst.vote(poll, 2.0)
        assert all(one.receipt for one in ballots)
        assert not any(tablet.closes for tablet in burst.tablets), "who was in was sent away"
        for _, writer in crowd:
            writer.close()
        run.figure("others come in after, s", await burst.meanwhile(lambda: until(lambda: write(cluster) == 201, 60, "no")), 15)
        await burst.close(poll)
        await burst.settle()
