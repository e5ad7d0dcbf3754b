"""Hints between processes: "topic T has news". They carry no content; losing one costs latency, never truth."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger()
CHANNEL = "dienhong:hints"
PATIENCE = 0.25  # seconds that a request waits for a server that hangs


class Bus(Protocol):
    def publish(self, topic: str) -> None:
        """Say that `topic` has news; from any thread; never raises."""

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard(topic)` in the event loop for each hint, until cancelled."""


class InProcessBus:
    """Reaches this process only: the default, and all that one process needs."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard: Callable[[str], None] | None = None

    def publish(self, topic: str) -> None:
        if self._loop and self._heard:
            with contextlib.suppress(RuntimeError):  # the loop may be closing
                self._loop.call_soon_threadsafe(self._heard, topic)

    async def listen(self, heard: Callable[[str], None]) -> None:
        self._loop, self._heard = asyncio.get_running_loop(), heard
        try:
            await asyncio.Event().wait()
        finally:
            self._loop = self._heard = None


class ValkeyBus:
    """Reaches every process on the same Valkey; reconnects by itself."""

    def __init__(self, url: str) -> None:
        import valkey  # only where a bus is configured

        self._failure = valkey.ValkeyError
        self._url = url.replace("redis://", "valkey://", 1)
        self._client = valkey.Valkey.from_url(self._url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)

    def publish(self, topic: str) -> None:
        try:
            self._client.publish(CHANNEL, topic)
        except self._failure as error:
            log.warning("bus.publish-failed", error=type(error).__name__)

    async def listen(self, heard: Callable[[str], None]) -> None:
        import valkey.asyncio

        while True:
            try:
                # Without an end to reading: the library's own five seconds would end every quiet subscription.
                client = valkey.asyncio.Valkey.from_url(
                    self._url, socket_timeout=None, socket_connect_timeout=5, socket_keepalive=True
                )
                async with client, client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            heard(message["data"].decode())
            except (self._failure, OSError) as error:
                log.warning("bus.lost", error=type(error).__name__)
                await asyncio.sleep(1)


def connect(url: str) -> Bus:
    return ValkeyBus(url) if url else InProcessBus()
