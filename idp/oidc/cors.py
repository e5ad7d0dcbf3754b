"""Cross-origin reading of the protocol's endpoints, for the origins of registered public browser clients only."""

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from idp.clients.models import Client
from idp.clients.rules import ApplicationType, AuthMethod, origin
from shared.app import Direct
from shared.db import kept

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "600",
}


def cross_origin(endpoint: Direct) -> Direct:
    """The endpoint, readable by scripts of known browser clients. No cookie is ever allowed across origins."""

    async def answer(request: Request) -> Response:
        asking = next((value.decode("latin-1") for name, value in request.scope["headers"] if name == b"origin"), None)
        known = asking is not None and asking in await request.app.state.db.reads.run(_known_origins)
        answered = Response(status_code=204) if request.method == "OPTIONS" else await endpoint(request)
        answered.raw_headers.append((b"vary", b"Origin"))
        if known and asking:
            answered.headers["Access-Control-Allow-Origin"] = asking
            answered.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate, DPoP-Nonce"
            answered.headers.update(PREFLIGHT if request.method == "OPTIONS" else {})
        return answered

    return answer


def _known_origins(tx: Session) -> frozenset[str]:
    browsers = select(Client.redirect_uris).where(
        Client.active, Client.auth_method == AuthMethod.NONE, Client.application_type == ApplicationType.WEB
    )
    return kept(tx, "origins", lambda: frozenset(origin(uri) for uris in tx.scalars(browsers) for uri in uris))
