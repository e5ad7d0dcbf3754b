"""FastAPI under uvicorn with a loop of `send_text`: what a room of sockets looks like without a wire of its own."""

import os

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

EVENT = os.environ["EVENT"]
known: set[WebSocket] = set()
app = FastAPI()


@app.websocket("/")
async def talk(socket: WebSocket) -> None:
    await socket.accept()
    known.add(socket)
    try:
        while True:
            await socket.receive_text()
            for one in list(known):
                await one.send_text(EVENT)
    except WebSocketDisconnect:
        known.discard(socket)


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    uvicorn.run(
        app,
        port=port,
        log_level="error",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=4096,
    )
