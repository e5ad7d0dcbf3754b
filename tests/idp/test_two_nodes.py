"""Two processes on one database, behind a proxy that gives each connection to the next of them; one dies in the middle."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from secrets import token_urlsafe
from typing import Any, TypeVar

import jwt
import pytest

from tests.bench.browser import Answer, Browser, Lost
from tests.bench.person import Person, Target
from tests.bench.providers import fill, free_port, running, serve_command
from tests.conftest import new_database, servers

LOGINS = 30
BEFORE_THE_KILL = 8
NODES = 2
HESITATION = 0.5  # seconds until a person goes to the application once more; the kernel takes a moment to bury a process
T = TypeVar("T")


@dataclass
class Nodes:
    """The address that people know, the processes behind it by their ports, and the client that signs people in there."""

    port: int
    behind: dict[int, int]
    target: Target

    def at(self, port: int) -> Target:
        """The same client, going to one node straight."""
        return replace(self.target, port=port)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    if "postgresql18" not in servers():
        pytest.skip("no PostgreSQL")
    url, port, folder = new_database("postgresql18", "two"), free_port(), tmp_path_factory.mktemp("nodes")
    secret = fill(url, accounts=LOGINS)["ES256"]
    address = f"http://127.0.0.1:{port}"
    environment = {"PUBLIC_URL": address, "DATABASE_URL": url, "SECRET": token_urlsafe(48)}
    with ExitStack() as stack:
        behind = {}
        for _ in range(NODES):
            own = free_port()
            behind[own] = stack.enter_context(running(f"node-{own}", serve_command(own), own, environment, folder))
        yield Nodes(port, behind, Target(address=address, client_secret=secret, accounts=LOGINS))


class Proxy:
    """Gives each connection to the next node that takes it, as HAProxy does with `balance roundrobin`."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes, self._turns = nodes, count()
        self._under_way: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", self._nodes.port):
            yield
            await asyncio.wait(self._under_way)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._under_way.add(task)
        ports = [*self._nodes.behind] * 2
        turn = next(self._turns) % NODES
        for port in ports[turn : turn + NODES]:
            with suppress(ConnectionRefusedError):
                there, back = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_carry(reader, back), _carry(there, writer))
                return
        writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


class Wandering(Browser):
    """A browser that makes a connection for each request, so that every step may come to another node."""

    async def send(self, *args: object, **kwargs: object) -> Answer:
        answer = await super().send(*args, **kwargs)  # type: ignore[arg-type]
        self.close()
        return answer


async def _sign_in(number: int, target: Target, done: Callable[[Person], None]) -> tuple[Person, int]:
    """The person with tokens, and how many attempts were broken off: at most one, or it raises."""
    person, broken = Person(target, number), 0
    person.browser = Wandering(target.address)
    try:
        await person.begin()
    except Lost:
        broken = 1
        await asyncio.sleep(HESITATION)
        await person.begin()
    done(person)
    return person, broken


async def _storm(nodes: Nodes, victim: int) -> list[tuple[Person, int]]:
    finished: list[Person] = []
    killed: list[int] = []

    def done(person: Person) -> None:
        finished.append(person)
        if len(finished) == BEFORE_THE_KILL:
            os.kill(nodes.behind[victim], signal.SIGKILL)
            killed.append(len(finished))

    async with Proxy(nodes).listening():
        results = await asyncio.gather(*(_sign_in(number, nodes.target, done) for number in range(LOGINS)))
    assert killed == [BEFORE_THE_KILL]
    return list(results)


async def _usable(person: Person, target: Target) -> None:
    """What the person holds is good there: session, access token, refresh token."""
    cookies, tokens = person.browser.cookies, person.tokens
    there = Person(target, person.number)
    there.browser.cookies, there.tokens = dict(cookies), dict(tokens)
    await there.userinfo()
    await there.introspection()
    await there.refresh()
    await there.sso()
    there.browser.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    async def then_close() -> T:
        result = await work
        await asyncio.sleep(0.1)  # what was closed last needs a turn of the loop
        return result

    return asyncio.run(then_close())


def check_what_one_has_issued_at_the_other(nodes: Nodes) -> None:
    first, second = (nodes.at(port) for port in nodes.behind)

    async def both_ways() -> None:
        for here, there in ((first, second), (second, first)):
            person = Person(here, 1)
            await person.begin()
            await _usable(person, there)
            keys = jwt.PyJWKSet.from_json((await person.browser.send("GET", "/jwks")).body)
            header = jwt.get_unverified_header(person.tokens["id_token"])
            wanted = {"algorithms": ["ES256"], "audience": here.client_id, "issuer": nodes.target.address}
            assert jwt.decode(person.tokens["id_token"], keys[header["kid"]], **wanted)["sub"]
            person.browser.close()

    _run(both_ways())


def check_that_a_death_costs_a_person_one_more_try_at_most(nodes: Nodes) -> None:
    victim, survivor = nodes.behind
    results = _run(_storm(nodes, victim))
    assert len(results) == LOGINS
    assert 0 < sum(broken for _, broken in results) < LOGINS, "some were under way there, and the other node went on"

    async def all_usable() -> None:
        for person, _ in results:
            await _usable(person, nodes.at(survivor))

    _run(all_usable())


def test_two_nodes_serve_as_one_and_one_may_die_in_the_middle(nodes):
    check_what_one_has_issued_at_the_other(nodes)
    check_that_a_death_costs_a_person_one_more_try_at_most(nodes)  # last: nobody brings the dead one back
