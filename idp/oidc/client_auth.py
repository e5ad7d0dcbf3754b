"""Client authentication at the endpoints that clients call: by the one method that each client is registered with."""

from base64 import b64decode
from urllib.parse import unquote

from authlib.oauth2.rfc6749 import InvalidClientError

from idp.clients.models import Client, find_client
from idp.clients.rules import AuthMethod
from idp.oidc.assertion import assertion_holds, claimed_client
from idp.oidc.certificate import BY_TLS, is_certificate_of
from idp.oidc.endpoint import Call

# Authlib's own ClientAuthentication tries its methods in turn; here the client's registered method is the only one tried,
# so a secret sent in the wrong place, or in two places, never counts.

BY_KEY = (AuthMethod.PRIVATE_KEY, *BY_TLS)  # FAPI 2.0 Security Profile, 5.3.2.1


def authenticate(call: Call) -> Client:
    """The client that calls; `invalid_client` otherwise (RFC 6749, 2.3)."""
    client_id, secret, methods = _credentials(call)
    client = find_client(call.tx, client_id)
    if client is None or client.auth_method not in methods or (client.is_fapi and client.auth_method not in BY_KEY):
        raise refused()
    if call.params.get("client_id", client.id) != client.id or not _proves_itself(call, client, secret):
        raise refused()
    return client


def _proves_itself(call: Call, client: Client, secret: str) -> bool:
    if client.auth_method == AuthMethod.NONE:
        return True
    if client.auth_method == AuthMethod.PRIVATE_KEY:
        return assertion_holds(call, client)
    return is_certificate_of(call, client) if client.auth_method in BY_TLS else client.secret_is(secret)


def _credentials(call: Call) -> tuple[str, str, tuple[AuthMethod, ...]]:
    """Whose they say they are, a secret, and the methods of which they could be."""
    sent = [value for name, value in call.request.scope["headers"] if name == b"authorization"]
    by_assertion = "client_assertion" in call.params or "client_assertion_type" in call.params
    if len(sent) + ("client_secret" in call.params) + by_assertion > 1:
        raise refused()
    if sent:
        return *_basic(sent[0]), (AuthMethod.BASIC,)
    if by_assertion:
        return claimed_client(call), "", (AuthMethod.PRIVATE_KEY,)
    client_id = call.params.get("client_id", "")
    if "client_secret" in call.params:
        return client_id, call.params["client_secret"], (AuthMethod.POST,)
    return client_id, "", (AuthMethod.NONE, *BY_TLS)


def _basic(header: bytes) -> tuple[str, str]:
    """RFC 6749, 2.3.1: both are form-encoded. Authlib's own reading passes over what is no Base64."""
    scheme, _, sent = header.partition(b" ")
    try:
        client_id, _, secret = b64decode(sent.strip(), validate=True).decode().partition(":")
    except ValueError:  # no Base64, or the bytes behind it are not UTF-8
        raise refused() from None
    if scheme.lower() != b"basic" or not client_id or not secret:
        raise refused()
    return unquote(client_id), unquote(secret)


def refused() -> InvalidClientError:
    # One answer for an unknown client, a wrong secret and a wrong method.
    return InvalidClientError("The client is unknown or did not authenticate as registered.", status_code=401)
