"""Dynamic client registration (RFC 7591) with an initial access token; reading, changing and deleting it (RFC 7592)."""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError
from fastapi import APIRouter, Request, Response

from idp.clients.actions import change_client, make_registration_token, register_client, remove_client
from idp.clients.models import Client, InitialAccessToken
from idp.oidc.answers import issued
from idp.oidc.discovery import metadata as provider_metadata
from idp.oidc.endpoint import Call, endpoint
from idp.oidc.floods import need_room_to_register
from idp.oidc.params import read_json
from idp.oidc.registration_metadata import describe, read_metadata
from shared.ids import digest, same

router = APIRouter(include_in_schema=False)
OF_THE_PROVIDER = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


class InvalidRegistrationToken(OAuth2Error):  # type: ignore[misc]
    error = "invalid_token"
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        return [("WWW-Authenticate", 'Bearer error="invalid_token"')]


def register(call: Call) -> Response:
    leave = call.tx.get(InitialAccessToken, digest(_bearer(call)))
    if leave is None or call.now >= leave.expires_at:
        raise InvalidRegistrationToken()
    metadata = read_metadata(call.request.state.json, provider_metadata(call.settings), call.fetched)
    need_room_to_register(call, leave.digest)
    client, secret = register_client(call.tx, call.now, metadata, actor="registration")
    return issued(_with_secrets(call, client, secret), 201)


def manage(call: Call) -> Response:
    """A client's own registration, for who holds its registration access token."""
    client = call.tx.get(Client, call.request.path_params["client_id"])
    known = client.registration_token_digest if client else None
    if client is None or known is None or not same(digest(_bearer(call)), known):
        raise InvalidRegistrationToken()
    call.client = client
    return BY_METHOD[call.request.method](call, client)


def _read(call: Call, client: Client) -> Response:
    # RFC 7592, 3: with the token, of which only the digest is kept.
    return issued(describe(client, call.settings.issuer) | {"registration_access_token": _bearer(call)})


def _change(call: Call, client: Client) -> Response:
    """All metadata anew: what is left out goes back to its default (RFC 7592, 2.2)."""
    body = call.request.state.json
    if not isinstance(body, dict) or body.get("client_id") != client.id or any(name in body for name in OF_THE_PROVIDER):
        raise InvalidClientMetadataError("The body must name this client_id, and nothing that only the provider sets.")
    if "client_secret" in body and not client.secret_is(str(body["client_secret"])):
        raise InvalidClientMetadataError("A client does not choose its client_secret.")
    metadata = read_metadata(body, provider_metadata(call.settings), call.fetched, before=client)
    secret = change_client(call.tx, call.now, client, metadata, actor=client.id)
    return issued(_with_secrets(call, client, secret))


def _delete(call: Call, client: Client) -> Response:
    remove_client(call.tx, call.now, client, actor=client.id)
    return Response(status_code=204)


BY_METHOD = {"GET": _read, "PUT": _change, "DELETE": _delete}


def _with_secrets(call: Call, client: Client, secret: str | None) -> dict[str, Any]:
    """With a fresh registration access token, and the client's secret if it was made just now."""
    told = describe(client, call.settings.issuer) | {"registration_access_token": make_registration_token(client)}
    return told | ({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})


def _bearer(call: Call) -> str:
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_registered = endpoint(register, "POST", name="registration")
_managed = endpoint(manage, *BY_METHOD, name="registration")


async def answer(request: Request) -> Response:
    request.state.json = await read_json(request)
    return await _registered(request)


@router.api_route("/register/{client_id}", methods=list(BY_METHOD))
async def own_registration(request: Request) -> Response:
    request.state.json = await read_json(request)
    return await _managed(request)
