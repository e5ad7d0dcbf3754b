"""How the endpoints answer: RFC 6749's error object, and authorization responses that always name the issuer."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from starlette.responses import JSONResponse, RedirectResponse, Response

from idp.clients.models import Client
from idp.pages.page import show

if TYPE_CHECKING:
    from idp.oidc.endpoint import Call

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
    headers = {**NO_STORE, "Referrer-Policy": "no-referrer"}
    if mode == "form_post":
        page = show(call.request, "form-post.html", client=client, action=redirect_uri, members=answer)
        page.headers.update(headers)
        return page
    mark = "#" if mode == "fragment" else "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{mark}{urlencode(answer)}", 303, headers)
