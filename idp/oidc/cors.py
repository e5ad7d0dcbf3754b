"""Cross-origin reading of the protocol's endpoints, for the origins of registered public browser clients only."""

from anyio import to_thread
from sqlalchemy import select
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idp.clients.models import Client
from idp.clients.rules import ApplicationType, AuthMethod, origin
from shared.db import Database

PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/token", "/userinfo")
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}


class Cors:
    """ASGI middleware. No cookie is ever allowed across origins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        asking = Headers(scope=scope).get("origin", "")
        allowed = bool(asking) and await to_thread.run_sync(_is_known, scope["app"].state.db, asking)

        async def with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if allowed:
                    headers["Access-Control-Allow-Origin"] = asking
            await send(message)

        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=PREFLIGHT if allowed else None)(scope, receive, with_origin)
        else:
            await self._app(scope, receive, with_origin)


def _is_known(db: Database, asking: str) -> bool:
    browsers = select(Client.redirect_uris).where(
        Client.active, Client.auth_method == AuthMethod.NONE, Client.application_type == ApplicationType.WEB
    )
    with db.read() as tx:
        return any(origin(uri) == asking for uris in tx.scalars(browsers) for uri in uris)
