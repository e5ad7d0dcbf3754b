"""A long quiet day, as short as is asked: votes, papers that are opened, devices that go and come back. Nothing may grow."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.docs_store.papers import paper
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.disk import QUICK, upload
from tests.faults.history import History
from tests.faults.network import rss
from tests.faults.processes import Node
from tests.faults.table import Run, fault
from tests.faults.tablet import Tablet

MEMBERS, TURN, POLL_LASTS = 300, 20, 15  # seconds of a turn; turns that a poll is open, in which minds are changed
GROWTH, CHANCE = 1.0, 2.0  # % an hour; MiB, below which a line through it is chance
FILES, SLOWER = 10, 1.2


@dataclass(frozen=True)
class Sample:
    """At a moment when everybody has a line and nobody a request under way."""

    hour: float
    mib: float
    files: int
    vote: float  # p99, seconds
    opened: float


def open_files(node: Node) -> int:
    return len(list(Path(f"/proc/{node.pid}/fd").iterdir()))


async def open_paper(tablet: Tablet, path: str) -> float:
    """The whole of it; the seconds."""
    started = time.monotonic()
    status, _ = await tablet.http.send("GET", path, within=60)
    assert status == 200, f"a paper: {status}"
    return time.monotonic() - started


async def everything_at_once(burst: Burst) -> None:
    """As many threads and connections as there ever can be: what they take is no growth later on."""
    poll = await burst.open_poll()
    voting = burst.start(burst.vote(poll, 0, over="https"))
    for path in ("", "/seat"):
        await burst.ask_at_once("GET", path, MEMBERS)
    await voting
    await burst.close(poll)


async def come_and_go(burst: Burst, path: str) -> list[float]:
    """A device a second goes without a word, and another two read."""
    reading = []
    for _ in range(TURN):
        if line := burst.random.choice(burst.tablets).line:
            line.cut()
        reading += [burst.start(open_paper(burst.random.choice(burst.tablets), path)) for _ in range(2)]
        await asyncio.sleep(1)
    return list(await asyncio.gather(*reading))


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[round(0.99 * (len(seconds) - 1))]


async def at_rest(burst: Burst, node: Node) -> int:
    """Files of the service when only lines are left; as few as within two seconds."""
    await burst.caught_up()
    for tablet in burst.everybody:
        tablet.http.close()
    found = []
    for _ in range(10):
        await asyncio.sleep(0.2)
        found.append(open_files(node))
    return min(found)


async def long_day(run: Run, cluster: Cluster, history: History, minutes: float) -> None:
    node, paper_id, poll = cluster.nodes[0], publish(cluster), ""
    path = f"/api/meetings/{cluster.meeting_id}/papers/{paper_id}/file"
    samples, last, began = list[Sample](), dict[Tablet, str](), time.monotonic()

    async def vote(tablet: Tablet, at: float) -> float:
        await asyncio.sleep(at)
        started = time.monotonic()
        ballot = await tablet.vote(poll, burst.random.choice(("in_favour", "against", "abstaining")), last.get(tablet))
        assert ballot.receipt, ballot.refused
        last[tablet] = ballot.receipt["receipt"]
        return time.monotonic() - started

    async with Burst(cluster, history, seed=run.seed) as burst:
        await everything_at_once(burst)
        for turn in count():
            if turn % POLL_LASTS == 0:
                if poll:
                    await burst.close(poll)
                last.clear()
                poll = await burst.open_poll()
            voting = [burst.start(vote(tablet, burst.random.random() * TURN * 0.8)) for tablet in burst.tablets]
            opened = await come_and_go(burst, path)
            voted = list(await asyncio.gather(*voting))
            files = await at_rest(burst, node)
            samples.append(Sample((time.monotonic() - began) / 3600, rss(node), files, p99(voted), p99(opened)))
            if turn % 3 == 0:
                print(" ".join(f"{name} {value:.4g}" for name, value in vars(samples[-1]).items()), flush=True)
            if time.monotonic() - began > 60 * minutes:
                break
        await burst.close(poll)
        await burst.settle()
    tell(run, samples)


def publish(cluster: Cluster) -> str:
    answer = upload(cluster, paper("Báo cáo", pages=20), "bao-cao.pdf")
    assert answer.status_code == 201, answer.text
    cluster.insist("secretary", "POST", "publish")
    return str(answer.json()["paper_id"])


def tell(run: Run, samples: list[Sample]) -> None:
    """Memory by the line through the second half; times of the last quarter beside those of the first."""
    half, quarter = samples[len(samples) // 2 :], max(1, len(samples) // 4)
    slope = statistics.linear_regression([one.hour for one in half], [one.mib for one in half]).slope
    grown = slope * (half[-1].hour - half[0].hour)
    an_hour = 100 * slope / statistics.mean(one.mib for one in half)
    run.figure("minutes", 60 * samples[-1].hour)
    run.figure("memory, MiB", samples[-1].mib)
    run.figure("memory grew in the second half by, MiB", grown)
    run.figure("memory grows by, % an hour", an_hour, GROWTH if grown > CHANCE else None)
    run.figure("files more than at half time", samples[-1].files - half[0].files, FILES)
    for name in ("vote", "opened"):
        first, last = (
            statistics.median(getattr(one, name) for one in part) for part in (samples[:quarter], samples[-quarter:])
        )
        run.figure(f"p99, {name}, first quarter, s", first)
        run.figure(f"p99, {name}, last quarter, s", last, max(SLOWER * first, QUICK))


@fault("F22", "a day of votes, papers, and devices that come and go, in two minutes (--minutes 480)")
def soak(run: Run) -> None:
    with Cluster(voters=MEMBERS) as cluster:
        history = cluster.begin_history()
        in_loop(long_day(run, cluster, history, run.minutes or (1 if run.tier == "a" else 2)))
        run.judge(cluster, history)
