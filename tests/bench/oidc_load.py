"""Load for an OpenID provider on this machine: so many people in a closed loop, or so many operations a second in an open one.

As a command it loads any provider: `python -m tests.bench.oidc_load http://127.0.0.1:8400 --client-id .. --client-secret ..`.
"""

import argparse
import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from random import SystemRandom

import uvloop
from rich.console import Console

from tests.bench.browser import Lost, Unexpected
from tests.bench.person import SCENARIOS, WITHOUT_SESSION, Person, Target
from tests.bench.procfs import cpu_ns, cpu_seconds, family, pss_mib

AT_ONCE = 16
WARM_UP = 0.3  # seconds
MOST = 200_000  # operations in one round
MOST_ERRORS = 50  # then a round ends: there is nothing to measure
DRAINING = 20  # seconds that operations under way are waited for at the end
FAILURES = (Unexpected, Lost, OSError, AssertionError, KeyError, ValueError)

Act = Callable[[Person], Awaitable[None]]


@dataclass
class Figures:
    """One round. Milliseconds of latency; `cpu_ms` is the server's (all its processes) for one operation."""

    scenario: str
    operations: int
    errors: int
    rate: float  # a second
    p50: float
    p99: float
    cpu_ms: float
    cores: float  # that the server kept busy
    client_cores: float
    pss_mib: dict[str, float]  # by part of the server
    parts_ms: dict[str, float] = field(default_factory=dict)  # of cpu_ms, by part of the server
    first_error: str = ""


class Round:
    """Operations as they end, from the end of the warm-up on."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.seconds: list[float] = []
        self.errors: list[str] = []

    async def one(self, person: Person, since: float) -> None:
        try:
            await self._act(person)
        except FAILURES as error:
            self.errors.append(f"{type(error).__name__}: {error}"[:400])
            person.browser.close()
        else:
            self.seconds.append(time.perf_counter() - since)

    @property
    def hopeless(self) -> bool:
        return len(self.errors) >= MOST_ERRORS or len(self.seconds) >= MOST


async def closed(round_: Round, people: Iterable[Person], seconds: float) -> None:
    """Each person does the next as soon as the last is answered."""
    end = time.perf_counter() + seconds

    async def go_on(person: Person) -> None:
        while (now := time.perf_counter()) < end and not round_.hopeless:
            await round_.one(person, now)

    async with asyncio.timeout(seconds + DRAINING):
        await asyncio.gather(*map(go_on, people))


async def arriving(round_: Round, people: Iterable[Person], rate: float, seconds: float) -> None:
    """Operations come by chance, `rate` a second on average, whether the server keeps up or not; each is timed from when it was
    due, so that one slow answer is not hidden by those that wait behind it."""
    idle, waiting, under_way = deque(people), deque[float](), set[asyncio.Task[None]]()
    chance, start = SystemRandom(), time.perf_counter()

    async def work(person: Person) -> None:
        while waiting and not round_.hopeless:
            await round_.one(person, waiting.popleft())
        idle.append(person)

    due = start + chance.expovariate(rate)
    while due < start + seconds and not round_.hopeless:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        waiting.append(due)
        if idle:
            task = asyncio.create_task(work(idle.popleft()))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        due += chance.expovariate(rate)
    async with asyncio.timeout(DRAINING):
        await asyncio.gather(*under_way)


async def make_people(target: Target, scenario: str, count: int = AT_ONCE) -> list[Person]:
    """People who are ready for the scenario."""
    people = [Person(target, number) for number in range(count)]
    if scenario not in WITHOUT_SESSION:
        for person in people:
            await person.begin()
    return people


def dismiss(people: Iterable[Person]) -> None:
    for person in people:
        person.browser.close()


async def measure(
    people: list[Person], scenario: str, *, seconds: float, parts: dict[str, list[int]], rate: float | None = None
) -> Figures:
    """One round. `parts` are the processes of the server by name, children counted; `rate` makes it an open loop."""
    await closed(Round(SCENARIOS[scenario]), people, WARM_UP)
    round_ = Round(SCENARIOS[scenario])
    before = {part: cpu_ns(family(*pids)) for part, pids in parts.items()}
    own, started = time.process_time(), time.perf_counter()
    try:
        await (arriving(round_, people, rate, seconds) if rate else closed(round_, people, seconds))
    except TimeoutError:
        round_.errors.append(f"an operation was not answered within {DRAINING} s")
    took, own = time.perf_counter() - started, time.process_time() - own
    spent = {part: cpu_seconds(before[part], cpu_ns(family(*pids))) for part, pids in parts.items()}
    count, times = len(round_.seconds), sorted(round_.seconds)
    return Figures(
        scenario,
        operations=count,
        errors=len(round_.errors),
        rate=round(count / took, 1),
        p50=round(1000 * quantile(times, 0.5), 2),
        p99=round(1000 * quantile(times, 0.99), 2),
        cpu_ms=round(1000 * sum(spent.values()) / max(1, count), 4),
        cores=round(sum(spent.values()) / took, 3),
        client_cores=round(own / took, 3),
        pss_mib={part: round(pss_mib(family(*pids)), 1) for part, pids in parts.items()},
        parts_ms={part: round(1000 * cpu / max(1, count), 4) for part, cpu in spent.items()},
        first_error=round_.errors[0] if round_.errors else "",
    )


def quantile(ordered: list[float], share: float) -> float:
    """Of what is ordered; 0 where there is nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="http://127.0.0.1:PORT")
    parser.add_argument("--scenario", default="sso", choices=SCENARIOS)
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--client-secret", default=os.environ.get("CLIENT_SECRET", ""))
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--people", type=int, default=AT_ONCE)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float, help="operations a second (open loop)")
    parser.add_argument("--server", type=int, nargs="*", default=[], help="process ids of the server")
    told = parser.parse_args()
    target = Target(address=told.address, client_id=told.client_id, client_secret=told.client_secret, accounts=told.accounts)

    async def work() -> Figures:
        people = await make_people(target, told.scenario, told.people)
        return await measure(people, told.scenario, seconds=told.seconds, parts={"server": told.server}, rate=told.rate)

    Console().print_json(json.dumps(asdict(uvloop.run(work()))))


if __name__ == "__main__":
    main()
