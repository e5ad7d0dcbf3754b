from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oidc import decoupled
from idp.oidc.endpoint import Call
from idp.oidc.issuing import asked_for, tokens
from idp.oidc.store import Kind


def backchannel(call: Call) -> dict[str, Any]:
    """The CIBA grant in poll mode (CIBA Core, 10.1)."""
    if "auth_req_id" not in call.params:
        raise InvalidRequestError("The auth_req_id is missing.")
    return tokens(call, asked_for(call, decoupled.poll(call, Kind.CIBA, call.params["auth_req_id"])))
