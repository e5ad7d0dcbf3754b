"""The token endpoint."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, UnsupportedGrantTypeError
from starlette.requests import Request
from starlette.responses import Response

from idp.clients.rules import CIBA, CLIENT_CREDENTIALS, CODE, DEVICE, REFRESH
from idp.oidc.answers import issued
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.grants.ciba import backchannel
from idp.oidc.grants.client import client_credentials
from idp.oidc.grants.code import exchange_code
from idp.oidc.grants.device import device_code
from idp.oidc.grants.refresh import refresh
from idp.oidc.params import Pairs

GRANTS: dict[str, Callable[[Call], dict[str, Any]]] = {
    CODE: exchange_code,
    REFRESH: refresh,
    CLIENT_CREDENTIALS: client_credentials,
    DEVICE: device_code,
    CIBA: backchannel,
}


def token(call: Call) -> Response:
    if "grant_type" not in call.params:
        raise InvalidRequestError("The grant_type is missing.")
    call.client = authenticate(call)
    grant = GRANTS.get(call.params["grant_type"])
    if grant is None:
        raise UnsupportedGrantTypeError("")
    if call.params["grant_type"] not in call.client.grant_types:
        raise UnauthorizedClientError("The client may not use this grant_type.")
    return issued(grant(call))


def _only_reads(request: Request, pairs: Pairs) -> bool:
    """A client's token on its own behalf is not stored, unless something with it must be remembered against replay."""
    sent = dict(pairs)
    replayable = "client_assertion" in sent or "dpop" in request.headers
    return sent.get("grant_type") == CLIENT_CREDENTIALS and not replayable


answer = endpoint(token, "POST", reads=_only_reads)
