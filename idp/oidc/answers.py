"""How the endpoints answer: RFC 6749's error object, and redirects that always name the issuer."""

from typing import Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from fastapi.responses import JSONResponse, RedirectResponse

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def refusal(error: OAuth2Error) -> JSONResponse:
    """RFC 6749, 5.2. It is returned, not raised: what the endpoint wrote (a revoked grant) must be committed with it."""
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return JSONResponse(dict(error.get_body()), error.status_code, {**headers, **NO_STORE})


def issued(body: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(body, status, NO_STORE)


def back_to_client(redirect_uri: str, issuer: str, state: str | None, **members: str) -> RedirectResponse:
    """The authorization response, by query; `iss` stands in it whether it tells of a code or of an error (RFC 9207)."""
    answer = {**members, "iss": issuer} | ({"state": state} if state else {})
    mark = "&" if "?" in redirect_uri else "?"
    headers = {**NO_STORE, "Referrer-Policy": "no-referrer"}
    return RedirectResponse(f"{redirect_uri}{mark}{urlencode(answer)}", 303, headers)
