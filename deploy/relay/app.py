"""The relay's ASGI application: what is kept here, the live lines, and all else as it comes."""

import asyncio
from pathlib import Path

import httpx2
import structlog
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from deploy.relay.credentials import Credentials
from deploy.relay.lines import Lines
from deploy.relay.papers import ASSET, PAPER, Assets, Papers, Shelf
from deploy.relay.passing import Asked, Upstream, refuse
from deploy.relay.settings import RelaySettings
from meetings.live.socket import NO_ENTRY
from shared.problems import Unavailable

log = structlog.get_logger()


class Relay:
    def __init__(self, settings: RelaySettings) -> None:
        tls = settings.tls()
        self._upstream, self._credentials = Upstream(settings.upstream, tls), Credentials(settings, tls)
        secret = settings.relay_client_secret.get_secret_value()
        shelf = Shelf(Path(settings.cache_folder), secret, settings.cache_bytes)
        self._papers, self._assets = Papers(self._upstream, shelf), Assets(self._upstream)
        self._lines = Lines(settings, self._credentials, tls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await (self._lines.enter(socket) if scope["path"] == "/api/live" else socket.close(NO_ENTRY))
        else:
            await self._answer(Asked(scope), receive, send)

    async def _answer(self, asked: Asked, receive: Receive, send: Send) -> None:
        begun = False

        async def beginning(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._find(asked, receive, beginning)
        except httpx2.HTTPError as error:
            log.warning("relay.upstream", error=type(error).__name__)
            if begun:  # the tablet is to see that this was not all
                raise
            await refuse(Unavailable(), asked)(asked.scope, receive, send)

    async def _find(self, asked: Asked, receive: Receive, send: Send) -> None:
        get = asked.scope["method"] == "GET"
        if asked.scope["path"] in ("/healthz", "/readyz"):
            ready = self._lines.up or asked.scope["path"] == "/healthz"
            words = f"ok: {len(self._lines.tablets)} lines" if ready else "upstream away"
            await PlainTextResponse(words, 200 if ready else 503)(asked.scope, receive, send)
        elif asked.is_our_own:
            await PlainTextResponse("UPSTREAM_URL leads to a relay", 508)(asked.scope, receive, send)
        elif get and "authorization" in asked.headers and PAPER.fullmatch(asked.target):
            await self._papers.answer(asked, receive, send)
        elif get and "range" not in asked.headers and ASSET.fullmatch(asked.target):
            await self._assets.answer(asked, send)
        else:
            await self._upstream.pass_on(asked, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        line = asyncio.create_task(self._lines.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        line.cancel()
        await self._credentials.close()
        await self._upstream.close()
        await send({"type": "lifespan.shutdown.complete"})
