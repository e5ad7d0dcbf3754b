"""Nodes that die: killed in a burst of votes, killed between commit and answer, one of two killed or drained."""

import time

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


async def killed_in_a_vote(run: Run, cluster: Cluster, history: History, rounds: int, seconds: float, seed: int) -> None:
    """Each round a poll, and a kill at a moment of its own between 10 % and 90 % of the acknowledgements."""
    gaps: list[tuple[float, float]] = []
    async with Burst(cluster, history, seed=seed) as burst:
        for _ in range(rounds):
            poll, part = await burst.open_poll(), burst.random.uniform(0.1, 0.9)
            voting = burst.start(burst.vote(poll, seconds))
            await burst.acks(int(part * len(burst.tablets)))
            killed_at = time.monotonic()
            run.kills += 1
            run.figure("ready after restart, s", await burst.meanwhile(lambda: restart(cluster.nodes[0])), READY)
            ready_at = time.monotonic()
            await voting
            run.figure("all terminal after ready, s", time.monotonic() - ready_at, TERMINAL)
            gaps.append((killed_at, ready_at + TERMINAL))
            await burst.close(poll)
        run.figure("caught up, s", await burst.settle(), TERMINAL)
    run.figure("p99 of an acknowledgement outside the gap, s", history.percentile(0.99, outside=gaps), P99)


@fault("F1", "SIGKILL of the service in a burst of votes", tiers="ab")
def killed(run: Run) -> None:
    for database, voters, rounds, seconds in (("postgresql", 1540, 60, 6.0), ("sqlite", 1540, 40, 6.0)):
        if run.tier == "a":
            voters, rounds, seconds = 60, 1, 1.0
        with Cluster(voters=voters, database=database) as cluster:
            history = History(cluster.folder / "history.jsonl")
            in_loop(killed_in_a_vote(run, cluster, history, rounds, seconds, run.seed))
            run.judge(cluster, history)


@twin("F1", "the receipt goes out before the commit")
def killed_after_an_early_receipt(run: Run) -> None:
    with Cluster(voters=300, twin="early-ack") as cluster:
        history = History(cluster.folder / "history.jsonl")
        in_loop(killed_in_a_vote(run, cluster, history, 3, 0.5, run.seed))
        run.judge(cluster, history)
