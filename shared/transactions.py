"""The one transaction of a route."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy.orm import Session

from shared.db import Database
from shared.group_commit import MustWait


@asynccontextmanager
async def _at_once(db: Database, *, writes: bool) -> AsyncIterator[Session]:
    """Begun in the event loop; a commit waits for the disk, and so in a thread."""
    with ExitStack() as stack:
        yield stack.enter_context(db.write(waits=False) if writes else db.read())
        if writes:
            await asyncio.get_running_loop().run_in_executor(db.commits, stack.pop_all().close)


@asynccontextmanager
async def _opened(request: Request, *, writes: bool) -> AsyncIterator[Session]:
    db: Database = request.app.state.db
    async with db.turns.take(writes=writes), AsyncExitStack() as stack:
        tx = None
        if db.in_loop:
            with suppress(MustWait):
                tx = await stack.enter_async_context(_at_once(db, writes=writes))
        if tx is None:
            opened = contextmanager_in_threadpool(db.write() if writes else db.read())
            tx = await stack.enter_async_context(opened)
        yield tx


# Whatever else FastAPI found in their signatures, it would take from the request.
async def _to_write(request: Request) -> AsyncIterator[Session]:
    async with _opened(request, writes=True) as tx:
        yield tx


async def _to_read(request: Request) -> AsyncIterator[Session]:
    async with _opened(request, writes=False) as tx:
        yield tx


# scope="function": FastAPI's default ends a `yield` dependency after the client has its answer,
# so a ballot would be confirmed first and committed later, or not at all.
# In a route, `Tx` stands after the caller: parameters are resolved in order, and nobody waits for a token to be
# checked, or a file to be parsed, while holding SQLite's one write lock.
Tx = Annotated[Session, Depends(_to_write, scope="function")]
Read = Annotated[Session, Depends(_to_read, scope="function")]
