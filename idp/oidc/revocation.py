"""A client takes back what it was given (RFC 7009)."""

from datetime import UTC, datetime

from authlib.oauth2.rfc6749 import InvalidRequestError
from starlette.responses import Response

from idp.oidc import store
from idp.oidc.answers import NO_STORE
from idp.oidc.client_auth import authenticate
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.issuing import revoke
from idp.oidc.living import read_grant
from idp.oidc.own_tokens import read_access_token
from idp.oidc.store import Kind
from shared import audit
from shared.db import forget_written


def revoke_token(call: Call) -> Response:
    """A refresh token takes its grant with it; an access token goes alone. What is unknown is answered alike (2.2)."""
    call.client = authenticate(call)
    if "token" not in call.params:
        raise InvalidRequestError("The token is missing.")
    token = call.params["token"]
    found = store.find(call.tx, Kind.REFRESH_TOKEN, token)
    if found and found.grant_id:
        living = read_grant(call.tx, found.grant_id)
        if living and living.client_id == call.client.id:
            revoke(call.tx, call.now, found.grant_id, "revoked-by-client", actor=call.client.id)
    elif (own := read_access_token(call, token)) and own.client.id == call.client.id:
        until = datetime.fromtimestamp(own.claims["exp"], UTC)
        if store.remember(call.tx, Kind.REVOKED, own.claims["jti"], until):
            forget_written(call.tx)
            audit.record(call.tx, call.now, "token.revoked", actor=call.client.id, object=own.claims.get("grant_id", "-"))
    return Response(status_code=200, headers=NO_STORE)


answer = endpoint(revoke_token, "POST", name="revoke")
