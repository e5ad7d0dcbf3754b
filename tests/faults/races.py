"""The race at the close, on two nodes: a ballot is in and counted, or it is refused; and one key sent twice is one ballot."""

import asyncio
from contextlib import suppress
from uuid import uuid4

import httpx2

from tests.faults.burst import CHOICES, Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.table import Run, fault, twin

AROUND = 0.05  # seconds before and after the close in which the ballots come


async def races(run: Run, cluster: Cluster, history: History, closes: int) -> None:
    """Each member has two devices, on two nodes, that send the same ballot with the same key."""
    async with Burst(cluster, history, seed=run.seed + run.runs) as burst:
        twins = [burst.second_device(tablet) for tablet in burst.tablets]
        try:
            for tablet in twins:
                tablet.start()
            await burst.until(lambda: all(one.up for one in twins), 60, "the second devices do not come")
            for turn in range(closes):
                poll = await burst.open_poll()
                await race(burst, twins, poll, cluster.nodes[turn % len(cluster.nodes)].port)
            await burst.settle()
        finally:
            await asyncio.gather(*(tablet.stop() for tablet in twins))


async def race(burst: Burst, twins: list, poll: str, port: int) -> None:
    async def cast(place: int) -> None:
        await asyncio.sleep(burst.random.random() * 2 * AROUND)
        choice, key = burst.random.choice(CHOICES), uuid4().hex
        both = (burst.tablets[place], twins[place])
        await asyncio.gather(*(one.vote(poll, choice, key=key) for one in both))

    async def close() -> None:
        await asyncio.sleep(AROUND)
        await burst.close(poll, declare=False)

    await asyncio.gather(close(), *(cast(place) for place in range(len(twins))))


def at_the_close(run: Run, closes: int, voters: int, twin: str = "", break_database: str = "") -> None:
    with Cluster(nodes=2, voters=voters, twin=twin) as cluster:
        if break_database:
            assert cluster.postgres
            cluster.postgres.ask(break_database, "meetings")
        history = cluster.begin_history()
        with suppress(*((httpx2.HTTPError, AssertionError) if twin or break_database else ())):
            in_loop(races(run, cluster, history, closes))
        run.judge(cluster, history)
        run.figure("closes", history.counts["close", "ok"])
        refused, taken = history.counts["cast", "fail"], history.counts["cast", "ok"]
        run.figure("part refused as too late, %", 100 * refused / max(1, refused + taken))


@fault("F19", "ballots race the close on two nodes, each sent twice", tiers="ab")
def close_races(run: Run) -> None:
    if run.tier == "a":
        at_the_close(run, 5, 10)
    for _ in range(10 if run.tier == "b" else 0):
        at_the_close(run, 100, 15)


@twin("F19", "nobody takes the lock of the poll")
def no_lock(run: Run) -> None:
    at_the_close(run, 60, 15, twin="no-lock")


@twin("F19", "the unique keys of the table of ballots are gone")
def no_unique_key(run: Run) -> None:
    drop = "ALTER TABLE ballot DROP CONSTRAINT pk_ballot, DROP CONSTRAINT uq_ballot_poll_id_member_id_turn"
    at_the_close(run, 5, 15, break_database=drop)
