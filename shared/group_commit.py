"""Group commit: work that is handed in while one transaction is under way shares the next.

A hot path (token issuing, ballots) waits for its own commit all the same; it only shares the cost of it.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy.orm import Session

MOST = 64  # works in one transaction: bounds how long the first of them waits for the last

T = TypeVar("T")
Work = Callable[[Session], Any]


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
    """One thread that runs works together in transactions of `open_transaction`, for the coroutines that hand them in."""

    def __init__(
        self, open_transaction: Callable[[], AbstractContextManager[Session]], name: str, *, in_loop: bool = False
    ) -> None:
        self._open = open_transaction
        self._in_loop = in_loop
        self._batch: list[_Waiting] = []
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._started = threading.Lock()

    async def run(self, work: Callable[[Session], T]) -> T:
        """The work's result, after the transaction that holds it is committed; or its error, with nothing of it kept.

        `work` may be run twice: when another of its group fails, each is run again in a transaction of its own.
        So all that it changes, it changes through the session.
        """
        if self._in_loop:
            return await self._soon(work)
        if not self._thread.ident:
            with self._started:
                if not self._thread.ident:
                    self._thread.start()
        loop = asyncio.get_running_loop()
        one = _Waiting(work, loop, loop.create_future())
        self._waiting.put(one)
        result: T = await one.future
        return result

    async def _soon(self, work: Callable[[Session], T]) -> T:
        loop = asyncio.get_running_loop()
        one = _Waiting(work, loop, loop.create_future())
        if not self._batch:
            loop.call_soon(self._run_batch)
        self._batch.append(one)
        result: T = await one.future
        return result

    def _run_batch(self) -> None:
        batch, self._batch = self._batch, []
        if not self._together(batch):
            for one in batch:
                self._alone(one)
        _settle(batch)

    def close(self) -> None:
        """Run what waits, then end the thread."""
        self._waiting.put(None)
        if self._thread.ident:
            self._thread.join(timeout=10)

    def _serve(self) -> None:
        while batch := self._next():
            if not self._together(batch):
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

    def _together(self, batch: list[_Waiting]) -> bool:
        try:
            with self._open() as tx:
                for one in batch:
                    one.result = one.work(tx)
                    if tx.identity_map or tx.new:
                        tx.flush()
                        tx.expunge_all()  # what one has read is never another's truth
        except BaseException as error:
            if len(batch) == 1:
                batch[0].error = error
                return True
            return False
        return True

    def _alone(self, one: _Waiting) -> None:
        self._together([one])


def _settle(batch: list[_Waiting]) -> None:
    for one in batch:
        one.settle()
