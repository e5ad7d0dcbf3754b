"""Group commit: work that is handed in while one transaction is under way shares the next.

A hot path (token issuing, ballots) waits for its own commit all the same; it only shares the cost of it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from shared.problems import Unavailable

MOST = 64  # works in one transaction: bounds how long the first of them waits for the last
TRIES = 3
CROSSED = ("40P01", "40001")  # PostgreSQL has ended one of two transactions that waited for each other: nothing of it is kept

T = TypeVar("T")
Work = Callable[[Session], Any]
Opening = Callable[[], AbstractContextManager[Session]]


class MustWait(Exception):
    """A transaction cannot be opened at once."""


@dataclass(slots=True)
class _Waiting:
    work: Work
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.cancelled():
            return
        if self.error:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Group:
    """Runs the works of coroutines together in transactions of `open_transaction`, in a thread of its own."""

    def __init__(
        self,
        open_transaction: Opening,
        name: str,
        *,
        at_once: Opening | None = None,
        ends_in: Executor | None = None,
        pause: float = 0.0,
    ) -> None:
        """`at_once` opens a transaction in the event loop, or raises `MustWait` where it would have to wait for another:
        the loop never does, for who holds up the other may be waiting for the loop. It is ended `ends_in` a thread where a
        commit waits for the disk: meanwhile the loop reads the next requests, which share the next transaction.

        `pause`: least seconds between two transactions in the loop. Work that comes alone still runs at once.
        """
        self._open, self._at_once, self._ends_in = open_transaction, at_once, ends_in
        self._pause, self._rests_until = pause, 0.0
        self._batches: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}  # futures belong to one loop
        self._ending: set[asyncio.AbstractEventLoop] = set()
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._started = threading.Lock()
        self._closed = False

    async def run(self, work: Callable[[Session], T]) -> T:
        """The work's result, after the transaction that holds it is committed; or its error, with nothing of it kept.

        `work` may be run again: when another of its group fails, each is run in a transaction of its own, and up to three times
        where it meets a deadlock with another process. So all that it changes, it changes through the session.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(work, loop, loop.create_future())
        if self._at_once is None or self._closed:
            self._hand_over([one])
        else:
            self._soon(one, loop)
        result: T = await one.future
        return result

    def _soon(self, one: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
        if batch := self._batches.get(loop):
            batch.append(one)
        else:
            self._batches[loop] = [one]
            rest = self._rests_until - loop.time()
            if rest > 0:
                loop.call_later(rest, self._run_batch, loop)
            else:
                loop.call_soon(self._run_batch, loop)

    def _run_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop in self._ending:
            return
        batch = self._batches.pop(loop)
        try:
            done = _done(batch, self._at_once or self._open)
            if self._ends_in and not self._closed:
                self._ending.add(loop)
                ending = loop.run_in_executor(self._ends_in, done.close)
                ending.add_done_callback(partial(self._ended, batch, loop))
                return
            done.close()
        except BaseException as error:
            self._failed(batch, error)
        else:
            _settle(batch)
        if self._pause:
            self._rests_until = loop.time() + self._pause

    def _ended(self, batch: list[_Waiting], loop: asyncio.AbstractEventLoop, ending: "asyncio.Future[None]") -> None:
        self._ending.remove(loop)
        if self._pause:
            self._rests_until = loop.time() + self._pause
        if loop in self._batches:
            self._run_batch(loop)
        if error := ending.exception():
            self._failed(batch, error)
        else:
            _settle(batch)

    def _failed(self, batch: list[_Waiting], error: BaseException) -> None:
        if len(batch) == 1 and not isinstance(error, MustWait):
            batch[0].error = error
            _settle(batch)
        else:
            self._hand_over(batch)

    def _hand_over(self, batch: list[_Waiting]) -> None:
        if self._closed:
            for one in batch:
                one.error = Unavailable()
            _settle(batch)
            return
        if not self._thread.ident:
            with self._started:
                if not self._thread.ident:
                    self._thread.start()
        for one in batch:
            self._waiting.put(one)

    def close(self) -> None:
        """Run what waits, then end the thread. Work that comes later is refused: nobody is left who would do it."""
        self._closed = True
        self._waiting.put(None)
        if self._thread.ident:
            self._thread.join(timeout=10)

    def _serve(self) -> None:
        while batch := self._next():
            if len(batch) == 1 or not self._together(batch):
                for one in batch:
                    self._alone(one)
            for loop in {id(one.loop): one.loop for one in batch}.values():
                settled = [one for one in batch if one.loop is loop]
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_settle, settled)

    def _next(self) -> list[_Waiting]:
        first = self._waiting.get()
        batch = [first] if first else []
        while batch and len(batch) < MOST:
            try:
                more = self._waiting.get_nowait()
            except Empty:
                break
            if more is None:
                self._waiting.put(None)  # ends the thread at the next turn
                break
            batch.append(more)
        return batch

    def _alone(self, one: _Waiting) -> None:
        for _ in range(TRIES):
            one.error = None
            self._together([one])
            if getattr(getattr(one.error, "orig", None), "sqlstate", None) not in CROSSED:
                break

    def _together(self, batch: list[_Waiting]) -> bool:
        try:
            _done(batch, self._open).close()
        except BaseException as error:
            if len(batch) > 1:
                return False
            batch[0].error = error
        return True


def _done(batch: list[_Waiting], open_transaction: Opening) -> ExitStack:
    """A transaction with all the works in it, which closing commits."""
    with ExitStack() as stack:
        tx = stack.enter_context(open_transaction())
        for one in batch:
            one.result = one.work(tx)
            if tx.in_transaction():
                tx.flush()
                tx.expunge_all()  # what one has read is never another's truth
        return stack.pop_all()


def _settle(batch: list[_Waiting]) -> None:
    for one in batch:
        one.settle()
