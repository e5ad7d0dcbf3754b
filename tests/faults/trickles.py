"""Connections that hold a place and send next to nothing: no byte, heads or bodies byte by byte, lines that never say hello."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from tests.bench.ws_swarm import handshake
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.table import Run, fault

FLOOR = 0.05  # seconds; twice as long as less than that is still short


def silent(_cluster: Cluster, _place: int) -> bytes:
    return b""


def head(_cluster: Cluster, _place: int) -> bytes:
    return b"GET /api/me HTTP/1.1\r\nHost: 127.0.0.1\r\nX-More: "


def body(cluster: Cluster, _place: int) -> bytes:
    path = f"/api/meetings/{cluster.meeting_id}/check-in"
    kind = "Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100000"
    return f"POST {path} HTTP/1.1\r\n{kind}\r\n\r\n".encode()


def line(cluster: Cluster, place: int) -> bytes:
    ticket = cluster.call(f"d{place}", "POST", "ticket").json()["ticket"]
    return handshake(cluster.nodes[0].port, f"/api/live?ticket={ticket}", f"Origin: {cluster.address}")


KINDS: tuple[tuple[Callable[[Cluster, int], bytes], int, bytes, float], ...] = (
    (silent, 150, b"", 15),
    (head, 150, b"x", 15),
    (body, 150, b" ", 35),
    (line, 50, b"", 15),
)  # how it begins, how many, what they send each second, seconds until they have to be let go


async def trickle(burst: Burst, begins: bytes, drop: bytes, over: asyncio.Event) -> float:
    """Seconds until the service closes; as long as it was looked at where it does not."""
    reader, writer = await asyncio.open_connection(*burst.tablets[0].way.door)
    started = time.monotonic()
    try:
        writer.write(begins)
        while not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while await reader.read(1000):
                        pass
                    break
            writer.write(drop)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return time.monotonic() - started


async def longest_wait(burst: Burst) -> float:
    """Two votes of everybody; p95."""
    before = len(burst.history.took)
    for _ in range(2):
        poll = await burst.open_poll()
        await burst.vote(poll, 4.0)
        await burst.close(poll)
    took = sorted(seconds for _, seconds in burst.history.took[before:])
    return took[int(0.95 * len(took))]


async def trickling(run: Run, cluster: Cluster, history: History) -> None:
    over = asyncio.Event()
    async with Burst(cluster, history, seed=run.seed) as burst:
        usual = await longest_wait(burst)
        works = []
        for kind, count, drop, _ in KINDS:
            begin = [await burst.meanwhile(lambda place=place, kind=kind: kind(cluster, place)) for place in range(count)]  # type: ignore[misc]
            works.append([burst.start(trickle(burst, one, drop, over)) for one in begin])
        run.figure("p95 of an acknowledgement meanwhile, s", await longest_wait(burst), max(FLOOR, 2 * usual))
        await asyncio.wait([work for some in works for work in some], timeout=60)
        over.set()
        for (kind, _, _, limit), some in zip(KINDS, works, strict=True):
            run.figure(f"{kind.__name__}: let go after, s", max(await asyncio.gather(*some)), limit)
        await burst.settle()


@fault("F8", "500 connections that send nothing or a byte a second: heads, bodies, lines that never say hello")
def trickles(run: Run) -> None:
    with Cluster(voters=100) as cluster:
        history = cluster.begin_history()
        in_loop(trickling(run, cluster, history))
        run.judge(cluster, history)
