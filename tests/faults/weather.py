"""Bad boxes on the way: frames lost, doubled, out of order; a receipt that never arrives, for the service is killed."""

import json

from tests.faults.burst import DEVICES, Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.frames import CALM, FrameProxy, Weather
from tests.faults.history import History
from tests.faults.kills import restart
from tests.faults.table import Run, fault

SITES = 5  # each behind a proxy with a seed of its own
EQUAL = 5.0  # seconds


async def in_bad_weather(run: Run, cluster: Cluster, history: History, rounds: int) -> None:
    """Everybody votes and changes their mind over bad lines; when those are good again, the close makes all equal."""
    port = cluster.nodes[0].port
    first = run.seed * 1000 + run.runs
    proxies = [await FrameProxy(port, first + site, CALM).start() for site in range(SITES)]
    try:
        ways = lambda site: [("127.0.0.1", proxies[site].port if site >= 0 else port)]  # noqa: E731
        async with Burst(cluster, history, seed=run.seed, ways=ways) as burst:
            for turn in range(rounds):
                poll = await burst.open_poll()
                for site, one in enumerate(proxies):
                    one.weather = Weather()
                    one.random.seed(first + turn * SITES + site)
                await burst.vote(poll, 1.0, ballots=3)
                for one in proxies:
                    one.weather = CALM
                await burst.close(poll)
                run.figure("all equal after, s", await burst.caught_up(), 30)
            await burst.settle()
        run.figure("frames harmed", sum(one.harmed for one in proxies))
        run.figure("seeds", rounds * SITES)
    finally:
        for one in proxies:
            await one.stop()


@fault("F5", "frames dropped, doubled, reordered, delayed, lines cut", tiers="ab")
def bad_weather(run: Run) -> None:
    with Cluster(voters=SITES * DEVICES) as cluster:
        history = cluster.begin_history()
        in_loop(in_bad_weather(run, cluster, history, 1 if run.tier == "a" else 20))
        run.judge(cluster, history)


async def receipts_held_back(run: Run, cluster: Cluster, history: History, rounds: int) -> None:
    """The receipts are on their way when the service dies, and no client ever sees them. The retries get the same bytes."""
    held: dict[str, bytes] = {}

    def keep(frame: bytes) -> bool:
        start = frame.find(b'{"type":"vote.receipt"')
        if start < 0 or not holding:
            return False
        held[json.loads(frame[start:])["key"]] = frame[start:]
        return True

    holding, port = False, cluster.nodes[0].port
    proxy = await FrameProxy(port, run.seed, CALM, keep).start()
    try:
        async with Burst(cluster, history, seed=run.seed, ways=lambda _site: [("127.0.0.1", proxy.port)]) as burst:
            for _ in range(rounds):
                poll = await burst.open_poll()
                held.clear()
                holding = True
                voting = burst.start(burst.vote(poll, 0.0))
                await burst.until(lambda: bool(held), 20, "no receipt was on its way")
                cluster.nodes[0].kill()
                run.kills += 1
                holding = False
                await burst.meanwhile(lambda: restart(cluster.nodes[0]))
                told = {ballot.key: ballot.receipt for ballot in await voting}
                for key, bytes_ in held.items():
                    assert told[key] == json.loads(bytes_)["receipt"], f"another receipt at the second time: {key}"
                run.figure("receipts held back", sum(1 for _ in held))
                await burst.close(poll)
            await burst.settle()
    finally:
        await proxy.stop()


@fault("F1b", "SIGKILL between the commit and the receipt's arrival")
def between_commit_and_receipt(run: Run) -> None:
    for _ in range(5):
        with Cluster(voters=20) as cluster:
            history = cluster.begin_history()
            in_loop(receipts_held_back(run, cluster, history, 10))
            run.judge(cluster, history)
