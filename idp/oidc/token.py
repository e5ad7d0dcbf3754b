"""The token endpoint."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, UnsupportedGrantTypeError
from starlette.requests import Request
from starlette.responses import Response

from idp.clients.rules import CIBA, CLIENT_CREDENTIALS, CODE, DEVICE, EXCHANGE, REFRESH
from idp.oidc.answers import issued
from idp.oidc.binding import held_key
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint, only_reads
from idp.oidc.grants.ciba import backchannel
from idp.oidc.grants.client import client_credentials
from idp.oidc.grants.code import exchange_code
from idp.oidc.grants.device import device_code
from idp.oidc.grants.exchange import exchange_token
from idp.oidc.grants.refresh import refresh
from idp.oidc.params import Pairs

GRANTS: dict[str, Callable[[Call], dict[str, Any]]] = {
    CODE: exchange_code,
    REFRESH: refresh,
    CLIENT_CREDENTIALS: client_credentials,
    DEVICE: device_code,
    CIBA: backchannel,
    EXCHANGE: exchange_token,
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
    call.key = held_key(call)
    return issued(grant(call))


def _only_reads(request: Request, pairs: Pairs) -> bool:
    """A client's token on its own behalf is not stored, unless something with it must be remembered against replay."""
    return dict(pairs).get("grant_type") == CLIENT_CREDENTIALS and only_reads(request, pairs)


answer = endpoint(token, "POST", reads=_only_reads)
