"""Client authentication at the endpoints that clients call: by the one method that each client is registered with."""

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from fastapi import Request
from sqlalchemy.orm import Session

from idp.clients.models import Client
from idp.clients.rules import AuthMethod
from idp.oidc.params import Params

# Authlib's own ClientAuthentication tries its methods in turn; here the client's registered method is the only one tried,
# so a secret sent in the wrong place, or in two places, never counts.


def authenticate(tx: Session, request: Request, params: Params) -> Client:
    """The client that calls; `invalid_client` otherwise (RFC 6749, 2.3)."""
    client_id, secret, method = _credentials(request, params)
    client = tx.get(Client, client_id)
    if client is None or not client.active or client.auth_method != method:
        raise _refused()
    if params.get("client_id", client.id) != client.id:
        raise _refused()
    if method != AuthMethod.NONE and not client.secret_is(secret):
        raise _refused()
    return client


def _credentials(request: Request, params: Params) -> tuple[str, str, AuthMethod]:
    sent = request.headers.getlist("authorization")
    if sent:
        try:
            client_id, secret = extract_basic_authorization({"Authorization": sent[0]})
        except ValueError:  # the bytes behind Base64 are not UTF-8
            client_id = secret = None
        if len(sent) > 1 or not client_id or not secret or "client_secret" in params:
            raise _refused()
        return client_id, secret, AuthMethod.BASIC
    client_id = params.get("client_id", "")
    if "client_secret" in params:
        return client_id, params["client_secret"], AuthMethod.POST
    return client_id, "", AuthMethod.NONE


def _refused() -> InvalidClientError:
    # One answer for an unknown client, a wrong secret and a wrong method.
    return InvalidClientError("The client is unknown or did not authenticate as registered.", status_code=401)
