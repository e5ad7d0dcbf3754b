"""The broadcast of `websockets`, as its documentation has it, on uvloop: whoever says something starts an event to all."""

import asyncio
import os

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

EVENT = os.environ["EVENT"]
known: set[ServerConnection] = set()


async def talk(connection: ServerConnection) -> None:
    known.add(connection)
    try:
        async for _ in connection:
            broadcast(known, EVENT)
    finally:
        known.discard(connection)


async def main() -> None:
    port = int(os.environ["PORT"])
    async with serve(talk, "127.0.0.1", port, compression=None, backlog=4096, ping_interval=None):
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main())
