"""Hints within one process: heard in the event loop from any thread, and nobody minds when nobody listens."""

import asyncio
import threading

from shared.bus import InProcessBus, connect


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
