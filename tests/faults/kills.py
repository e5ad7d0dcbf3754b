"""Nodes that die: killed in a burst of votes, killed between commit and answer, one of two killed or drained."""

import time
from dataclasses import dataclass

from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.processes import Node
from tests.faults.table import Run, fault, twin

READY, TERMINAL, P99 = 5.0, 15.0, 1.0  # seconds


def restart(node: Node) -> float:
    """Kill it and all that came of it, start it again; the seconds from the start until it is ready."""
    node.kill()
    started = time.monotonic()
    node.start()
    node.wait_ready()
    return time.monotonic() - started


@dataclass(frozen=True)
class Hall:
    database: str
    voters: int
    ballots: int  # of each voter, who changes their mind
    rounds: int
    seconds: float = 2.0  # within which a ballot of each comes


async def killed_in_a_vote(run: Run, cluster: Cluster, history: History, hall: Hall) -> None:
    """Each round a poll, and a kill at a moment of its own between 10 % and 90 % of the acknowledgements."""
    gaps: list[tuple[float, float]] = []
    async with Burst(cluster, history, seed=run.seed + run.runs) as burst:
        for _ in range(hall.rounds):
            poll, part = await burst.open_poll(), burst.random.uniform(0.1, 0.9)
            voting = burst.start(burst.vote(poll, hall.seconds, ballots=hall.ballots))
            await burst.acks(int(part * hall.voters * hall.ballots))
            killed_at = time.monotonic()
            run.kills += 1
            run.figure("ready after restart, s", await burst.meanwhile(lambda: restart(cluster.nodes[0])), READY)
            ready_at = time.monotonic()
            run.figure("first answer after ready, s", await burst.acks(1), TERMINAL)
            await voting
            run.figure("all terminal after the kill, s", time.monotonic() - killed_at, TERMINAL + 6)
            gaps.append((killed_at, ready_at + TERMINAL))
            await burst.close(poll)
        run.figure("caught up, s", await burst.settle(), TERMINAL)
    run.figure("p99 of an acknowledgement outside the gap, s", history.percentile(0.99, outside=gaps), P99)


def in_hall(run: Run, hall: Hall, twin: str = "") -> None:
    with Cluster(voters=hall.voters, database=hall.database, twin=twin) as cluster:
        history = cluster.begin_history()
        in_loop(killed_in_a_vote(run, cluster, history, hall))
        run.judge(cluster, history)


HALLS = {
    "a": [Hall("postgresql", 60, 2, 1, 1.0), Hall("sqlite", 60, 2, 1, 1.0)],
    "b": [
        *[Hall("postgresql", 60, 18, 10), Hall("sqlite", 60, 18, 10)] * 4,
        *[Hall("postgresql", 60, 18, 10)] * 2,
    ],
}


@fault("F1", "SIGKILL of the service in a burst of votes", tiers="ab")
def killed(run: Run) -> None:
    for hall in HALLS[run.tier]:
        in_hall(run, hall)


@fault("F1c", "SIGKILL of the service in a hall of 1,540", tiers="")
def killed_in_a_great_hall(run: Run) -> None:
    for database in ("sqlite", "postgresql"):
        in_hall(run, Hall(database, 1540, 1, 2))


@twin("F1", "the receipt goes out before the commit")
def killed_after_an_early_receipt(run: Run) -> None:
    # All at once: a kill finds some between the two, wherever it falls; and not by one throw alone.
    while not run.violations and run.kills < 6:
        in_hall(run, Hall("postgresql", 300, 1, 2, 0.2), "early-ack")
