from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oidc import decoupled
from idp.oidc.endpoint import Call
from idp.oidc.issuing import asked_for, tokens
from idp.oidc.store import Kind


def device_code(call: Call) -> dict[str, Any]:
    """The device grant (RFC 8628, 3.4): polled until the person has decided, then good for one exchange."""
    if "device_code" not in call.params:
        raise InvalidRequestError("The device_code is missing.")
    return tokens(call, asked_for(call, decoupled.poll(call, Kind.DEVICE_CODE, call.params["device_code"])))
