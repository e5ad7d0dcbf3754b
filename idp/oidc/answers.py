"""How the endpoints answer: RFC 6749's error object, and authorization responses that always name the issuer."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from starlette.responses import JSONResponse, RedirectResponse, Response

from idp.clients.models import Client
from idp.keys.actions import signing_key
from idp.oidc.fapi import JWT_MODES, answer_algorithm
from idp.pages.page import show
from shared.tokens import sign

if TYPE_CHECKING:
    from idp.oidc.endpoint import Call

SIGNED_LIFETIME = timedelta(minutes=10)
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def refusal(error: OAuth2Error) -> JSONResponse:
    """RFC 6749, 5.2."""
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return JSONResponse(dict(error.get_body()), error.status_code, {**headers, **NO_STORE})


def issued(body: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(body, status, NO_STORE)


def back_to_client(
    call: "Call", client: Client | None, redirect_uri: str, mode: str, state: str | None, members: dict[str, str]
) -> Response:
    """The authorization response; `iss` stands in it whether it tells of a code or of an error (RFC 9207)."""
    answer = {**members, "iss": call.settings.issuer} | ({"state": state} if state else {})
    if mode in JWT_MODES and client:
        answer, mode = {"response": _signed(call, client, answer)}, mode.removesuffix("jwt").rstrip(".")
    headers = {**NO_STORE, "Referrer-Policy": "no-referrer"}
    if mode == "form_post":
        page = show(call.request, "form-post.html", client=client, action=redirect_uri, members=answer)
        page.headers.update(headers)
        return page
    mark = "#" if mode == "fragment" else "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{mark}{urlencode(answer)}", 303, headers)


def _signed(call: "Call", client: Client, members: dict[str, str]) -> str:
    """The response as a JWT (JARM, 2.1); `iss` is among the members."""
    key = signing_key(call.tx, call.settings, answer_algorithm(client, client.authorization_alg))
    return sign({**members, "aud": client.id, "exp": int((call.now + SIGNED_LIFETIME).timestamp())}, key, typ="JWT")
