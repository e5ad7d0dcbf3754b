"""More requests than threads: each gets its turn, none holds up those who have begun."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi import APIRouter
from sqlalchemy import func, select

from shared.clock import now
from shared.ids import new_id
from shared.jobs import Job
from shared.problems import NotFound, Unavailable
from shared.transactions import Read, Tx
from shared.turns import Turns
from tests.conftest import servers

MANY = 150  # far more than the threads that serve them
router = APIRouter()


@router.post("/write")
def write(tx: Tx) -> int:
    tx.add(Job(id=new_id(), kind="test", body={}, run_at=now() + timedelta(days=1)))
    return 1


@router.get("/read")
def read(tx: Read) -> int:
    return tx.scalar(select(func.count()).select_from(Job)) or 0


@router.get("/missing")
def missing() -> None:
    raise NotFound()


@pytest.mark.parametrize("engine", ["sqlite", *servers()])
def test_many_writers_readers_and_refusals_at_once_are_all_answered(serve, sqlite_url, postgres_urls, engine):
    url = sqlite_url if engine == "sqlite" else postgres_urls[engine]
    with serve(router, database_url=url) as client, ThreadPoolExecutor(MANY) as people:
        before = client.get("/read").json()
        some = [("POST", "/write"), ("GET", "/read"), ("GET", "/missing")] * (MANY // 3)
        answers = list(people.map(lambda one: client.request(*one).status_code, some))
        assert answers == [200, 200, 404] * (MANY // 3)
        assert client.get("/read").json() == before + MANY // 3


def test_who_waits_too_long_is_told_to_come_again():
    turns = Turns(writers=1, patience=0.05)

    async def wait() -> None:
        async with turns.take(writes=True):
            with pytest.raises(Unavailable):
                async with turns.take(writes=True):
                    pass
            async with turns.take(writes=False):
                pass
        async with turns.take(writes=True):
            pass

    asyncio.run(wait())
