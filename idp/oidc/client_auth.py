"""Client authentication at the endpoints that clients call: by the one method that each client is registered with."""

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc6749.util import extract_basic_authorization

from idp.clients.models import Client, find_client
from idp.clients.rules import AuthMethod
from idp.oidc.endpoint import Call

# Authlib's own ClientAuthentication tries its methods in turn; here the client's registered method is the only one tried,
# so a secret sent in the wrong place, or in two places, never counts.


def authenticate(call: Call) -> Client:
    """The client that calls; `invalid_client` otherwise (RFC 6749, 2.3)."""
    client_id, secret, method = _credentials(call)
    client = find_client(call.tx, client_id)
    if client is None or client.auth_method != method:
        raise refused()
    if call.params.get("client_id", client.id) != client.id:
        raise refused()
    if method in (AuthMethod.BASIC, AuthMethod.POST) and not client.secret_is(secret):
        raise refused()
    return client


def _credentials(call: Call) -> tuple[str, str, AuthMethod]:
    sent = call.request.headers.getlist("authorization")
    if sent:
        try:
            client_id, secret = extract_basic_authorization({"Authorization": sent[0]})
        except ValueError:  # the bytes behind Base64 are not UTF-8
            client_id = secret = None
        if len(sent) > 1 or not client_id or not secret or "client_secret" in call.params:
            raise refused()
        return client_id, secret, AuthMethod.BASIC
    client_id = call.params.get("client_id", "")
    if "client_secret" in call.params:
        return client_id, call.params["client_secret"], AuthMethod.POST
    return client_id, "", AuthMethod.NONE


def refused() -> InvalidClientError:
    # One answer for an unknown client, a wrong secret and a wrong method.
    return InvalidClientError("The client is unknown or did not authenticate as registered.", status_code=401)
