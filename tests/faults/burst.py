"""The workload: sites with some devices each in one meeting, whose members vote within some seconds, and their chair."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import uvloop

from tests.faults.cluster import Cluster
from tests.faults.history import History
from tests.faults.processes import until
from tests.faults.socket_line import Way
from tests.faults.tablet import Ballot, Fold, Tablet

DEVICES = 10
CHOICES = ("in_favour", "against", "abstaining")
T = TypeVar("T")
HANDSHAKES = 100  # that come at once when a hall fills


class Burst:
    """`async with Burst(cluster, history, seed=1) as burst:` the hall has come and stands at the present event.

    Sites go to the nodes in turn, or all to the proxy where there is one. `source(site)`: the address that a site comes from;
    the desk's is -1.
    """

    def __init__(
        self,
        cluster: Cluster,
        history: History,
        *,
        seed: int = 1,
        voters: int | None = None,
        devices: int = DEVICES,
        ways: Callable[[int], list[tuple[str, int]]] | None = None,
        source: Callable[[int], str | None] | None = None,
    ) -> None:
        self.cluster, self.history, self.random = cluster, history, random.Random(seed)
        self.fold = Fold()
        self._ways, self._source = ways or self._doors, source or (lambda _site: None)
        count = len(cluster.members) if voters is None else voters
        names = [f"d{place}" for place in range(count)]
        self.tablets = [self._tablet(name, place // devices) for place, name in enumerate(names)]
        self.desk = self._tablet("chair", -1, level=2)

    def _tablet(self, name: str, site: int, level: int = 1) -> Tablet:
        cluster = self.cluster
        source, tls = self._source(site), cluster.tls.trust if cluster.tls else None
        way = Way(cluster.address, cluster.meeting_id, self._ways(site), source, tls)
        member = cluster.member_id(name)
        return Tablet(name, member, way, cluster.token(name), self.history, self.fold, site=site, level=level)

    def _doors(self, site: int) -> list[tuple[str, int]]:
        if self.cluster.proxy:
            return [("127.0.0.1", self.cluster.proxy.port)]
        nodes = [(node.host, node.port) for node in self.cluster.nodes]
        turn = site % len(nodes)
        return nodes[turn:] + nodes[:turn]

    @property
    def everybody(self) -> list[Tablet]:
        return [*self.tablets, self.desk]

    async def __aenter__(self) -> "Burst":
        for start in range(0, len(self.everybody), HANDSHAKES):
            part = self.everybody[start : start + HANDSHAKES]
            for tablet in part:
                tablet.start()
            await self.until(lambda part=part: all(one.up for one in part), 240, "the hall does not fill")  # type: ignore[misc]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(tablet.stop() for tablet in self.everybody))
        await asyncio.sleep(0.1)  # what was closed last needs a turn of the loop

    async def until(self, holds: Callable[[], bool], within: float, otherwise: str) -> float:
        """Seconds until it holds; AssertionError with the words if it does not in time."""
        started = time.monotonic()
        while not holds():
            assert time.monotonic() - started < within, otherwise
            await asyncio.sleep(0.02)
        return time.monotonic() - started

    async def until_blocking(self, holds: Callable[[], bool], within: float, otherwise: str) -> None:
        """The same for a condition that blocks."""
        await asyncio.to_thread(until, holds, within, otherwise)

    async def acks(self, count: int, within: float = 240) -> float:
        """Until so many ballots more are acknowledged in all; the seconds."""
        before = self.history.acks
        return await self.until(lambda: self.history.acks >= before + count, within, f"{count} acknowledgements do not come")

    async def open_poll(self, title: str = "Thông qua Nghị quyết") -> str:
        """Open, and known to everybody who has a line."""
        poll = await asyncio.to_thread(self.cluster.open_poll, title)
        await self.until(
            lambda: all(poll in self.fold.state(one.state_key)["polls"] for one in self.everybody if one.up),
            240,
            "the opening does not reach everybody",
        )
        return poll

    async def vote(
        self, poll: str, seconds: float = 10, *, tablets: Sequence[Tablet] | None = None, over: str = "line", ballots: int = 1
    ) -> list[Ballot]:
        """Everybody votes at moments of their own within so many seconds, and changes their mind until so many `ballots` are
        in; the last of each, when every answer is terminal."""

        async def one(tablet: Tablet) -> Ballot:
            replaces, began = None, time.monotonic()
            for moment in sorted(self.random.random() * seconds for _ in range(ballots)):
                await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
                ballot = await tablet.vote(poll, self.random.choice(CHOICES), replaces, over=over)
                if ballot.receipt is None:
                    break
                replaces = ballot.receipt["receipt"]
            return ballot

        return list(await asyncio.gather(*(one(tablet) for tablet in tablets or self.tablets)))

    def second_device(self, tablet: Tablet) -> Tablet:
        """Of the same member, on the next node."""
        other = self._tablet(tablet.username, tablet.site)
        other.way.next_door()
        return other

    async def ask_at_once(self, method: str, path: str, count: int) -> list[tuple[int, float]]:
        """So many requests of members at the same time; status and seconds of each."""

        async def one(tablet: Tablet) -> tuple[int, float]:
            started = time.monotonic()
            status, _ = await tablet.http.send(method, f"/api/meetings/{self.cluster.meeting_id}{path}", within=60)
            return status, time.monotonic() - started

        return list(await asyncio.gather(*(one(self.tablets[place % len(self.tablets)]) for place in range(count))))

    async def idle_connections(self, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open, and silent."""
        host, port = self.tablets[0].way.door
        return [await asyncio.open_connection(host, port) for _ in range(count)]

    @staticmethod
    async def pause(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @staticmethod
    def start(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Let it run beside what comes next."""
        return asyncio.ensure_future(work)

    async def close(self, poll: str, *, declare: bool = True) -> None:
        self.history.note("close", "invoke", poll=poll)
        await asyncio.to_thread(self.cluster.close_poll, poll)
        self.history.note("close", "ok", poll=poll)
        if declare:
            await asyncio.to_thread(self.cluster.declare, poll)

    async def meanwhile(self, deed: Callable[[], Any]) -> Any:
        """Do something that blocks (kill, restart) without holding up the clients."""
        return await asyncio.to_thread(deed)

    async def caught_up(self, within: float = 240) -> float:
        """Seconds until everybody has a line and stands at the head of the log."""
        head = (await asyncio.to_thread(lambda: self.cluster.insist("chair", "GET", "")))["seq"]
        return await self.until(
            lambda: all(one.up and one.seq >= head for one in self.everybody), within, "not everybody caught up"
        )

    async def settle(self, within: float = 240) -> float:
        """Until everybody stands at the head of the log and every node says the same; then what they know is written down.

        Seconds that it took.
        """
        took = await self.caught_up(within)
        await asyncio.to_thread(self._look)
        for tablet in self.everybody:
            tablet.report()
        return took

    def _look(self) -> None:
        """The state as each node tells it to each level."""
        for number, node in enumerate(self.cluster.nodes):
            for level, who in enumerate(("guest", "d0" if self.tablets else "m3", "chair")):
                answer = until_answered(self.cluster, who, number)
                known = {"node": node.port, "level": level, "seq": answer["seq"]}
                told = self.fold.digest(self.fold.begin(answer["state"]))
                self.history.note("snapshot", "ok", digest=told, state=None if number else answer["state"], **known)


def until_answered(cluster: Cluster, who: str, node: int) -> Any:
    found: list[Any] = []

    def ask() -> bool:
        answer = cluster.call(who, "GET", "", node=node)
        if answer.status_code == 200:
            found.append(answer.json())
        return bool(found)

    until(ask, 120, "no snapshot")
    return found[0]


def run(work: Coroutine[Any, Any, T]) -> T:
    """The event loop of one fault."""
    return uvloop.run(work)
