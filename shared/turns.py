"""Who waits for a transaction of a route waits in the event loop (`Turns`); for other work few may, in their threads (`place`).

A route goes through its transaction in several turns of the thread pool: begin, act, commit. Who waited in a thread to begin
would take from those who have begun the thread in which to end, and with as many waiting as there are threads nobody would.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from threading import BoundedSemaphore
from weakref import WeakKeyDictionary

from shared.problems import Problem, Unavailable

HELD = 30  # transactions that routes hold at once, of 40 threads and connections: the others are for what runs in one turn


class Turns:
    """One a database."""

    def __init__(self, writers: int, patience: float) -> None:
        """`writers`: how many may write at once; `patience`: seconds, after which who waits is told to come again."""
        self._writers, self._patience = writers, patience
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[asyncio.Semaphore, asyncio.Semaphore]] = (
            WeakKeyDictionary()
        )

    @asynccontextmanager
    async def take(self, *, writes: bool) -> AsyncIterator[None]:
        """Raises `Unavailable` when it was not one's turn in time."""
        fresh = asyncio.Semaphore(self._writers), asyncio.Semaphore(HELD)
        writing, held = self._of_loop.setdefault(asyncio.get_running_loop(), fresh)
        async with AsyncExitStack() as taken:
            try:
                async with asyncio.timeout(self._patience):
                    for one in (writing, held) if writes else (held,):
                        await taken.enter_async_context(one)
            except TimeoutError:
                raise Unavailable() from None
            yield


@contextmanager
def place(among: BoundedSemaphore, patience: float, refusal: type[Problem] = Unavailable) -> Iterator[None]:
    """One of so many places; raises `refusal` when none came free within `patience` seconds. Who waits holds a thread that
    serves others too, so those who wait have to be few as well."""
    if not among.acquire(timeout=patience):
        raise refusal()
    try:
        yield
    finally:
        among.release()
