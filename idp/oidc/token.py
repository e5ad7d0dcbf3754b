"""The token endpoint."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, UnauthorizedClientError, UnsupportedGrantTypeError
from starlette.responses import Response

from idp.clients.rules import CLIENT_CREDENTIALS, CODE, REFRESH
from idp.oidc.answers import issued
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.grants.client import client_credentials
from idp.oidc.grants.code import exchange_code
from idp.oidc.grants.refresh import refresh

GRANTS: dict[str, Callable[[Call], dict[str, Any]]] = {
    CODE: exchange_code,
    REFRESH: refresh,
    CLIENT_CREDENTIALS: client_credentials,
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


answer = endpoint(token, "POST")
