"""picows, which parses and frames in C: a candidate for the wire. Measured where it is installed."""

import os
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

EVENT = os.environ["EVENT"].encode()
known: set[WSTransport] = set()


class Talk(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        known.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        known.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            for one in known:
                one.send(WSMsgType.TEXT, EVENT)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def main() -> None:
    def listener(_request: Any) -> Talk:
        return Talk()

    server = await ws_create_server(listener, "127.0.0.1", int(os.environ["PORT"]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
