"""Is this token still good? (RFC 7662), asked by a confidential client: one that it was issued to, or issued for."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from starlette.responses import Response

from idp.oidc import store
from idp.oidc.answers import issued
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.living import read_grant
from idp.oidc.own_tokens import read_access_token
from idp.oidc.store import Kind

INACTIVE = {"active": False}


def introspect(call: Call) -> Response:
    call.client = authenticate(call)
    if call.client.is_public:
        raise InvalidClientError("A public client may not introspect tokens.", status_code=401)
    if "token" not in call.params:
        raise InvalidRequestError("The token is missing.")
    return issued(_what_is(call, call.params["token"]))


def _what_is(call: Call, token: str) -> dict[str, Any]:
    if own := read_access_token(call, token):
        if not _may_know(call, own.client.id, own.claims["aud"]):
            return INACTIVE
        return {"active": True, "token_type": "DPoP" if "jkt" in own.claims.get("cnf", {}) else "Bearer", **own.claims}
    found = store.find(call.tx, Kind.REFRESH_TOKEN, token)
    if found is None or found.grant_id is None or found.used_at or call.now >= found.expires_at:
        return INACTIVE
    living = read_grant(call.tx, found.grant_id)
    if living is None or living.client_id != call.caller.id or not living.is_living(call.now, call.settings):
        return INACTIVE
    until = int(found.expires_at.timestamp())
    return {"active": True, "client_id": living.client_id, "scope": " ".join(living.scopes), "exp": until}


def _may_know(call: Call, client_id: str, audience: list[str]) -> bool:
    """Others' tokens are of no concern (RFC 7662, 4): their audience may ask, which shares an address with its client."""
    return client_id == call.caller.id or bool(set(audience) & {call.caller.id, *call.caller.audiences})


answer = endpoint(introspect, "POST", reads=True)
