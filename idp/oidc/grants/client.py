from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError, UnauthorizedClientError

from idp.clients.rules import STANDARD_SCOPES
from idp.oidc import claims
from idp.oidc.endpoint import Call
from idp.oidc.resources import asked_resources


def client_credentials(call: Call) -> dict[str, Any]:
    """The client credentials grant (RFC 6749, 4.4): a client for itself, never with a scope that tells of a person.

    Nothing is stored: the token lives by its own signature, its client's standing and the list of revoked tokens.
    """
    client = call.caller
    if client.is_public:
        raise UnauthorizedClientError("A public client has no credentials.")
    allowed = [scope for scope in client.scopes if scope not in STANDARD_SCOPES]
    wanted = call.params["scope"].split() if "scope" in call.params else allowed
    if not set(wanted) <= set(allowed):
        raise InvalidScopeError("The client may not have this scope for itself.")
    resources = asked_resources(call.pairs, client) or client.audiences
    token = claims.client_token(call.tx, call.now, call.settings, client, wanted, resources, call.key)
    return {
        "access_token": token,
        "token_type": "DPoP" if "jkt" in call.key else "Bearer",
        "expires_in": int(call.settings.access_token_lifetime.total_seconds()),
        "scope": " ".join(wanted),
    }
