"""How the endpoints answer: RFC 6749's error object, and authorization responses that always name the issuer."""

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from authlib.oauth2 import OAuth2Error
from pydantic_core import to_json
from starlette.responses import Response

from idp.clients.models import Client
from idp.keys.actions import signing_key
from idp.oidc.fapi import JWT_MODES, answer_algorithm
from idp.pages.page import show
from shared.tokens import sign

if TYPE_CHECKING:
    from idp.oidc.endpoint import Call

NOT_THEIRS = ("content-type", "cache-control", "pragma")
SIGNED_LIFETIME = timedelta(minutes=10)
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_UNTOLD = {**NO_STORE, "Referrer-Policy": "no-referrer"}
_RAW_UNTOLD = [(name.lower().encode(), value.encode()) for name, value in _UNTOLD.items()]
_NO_STORE = [(b"content-type", b"application/json"), *((name.lower().encode(), NO_STORE[name].encode()) for name in NO_STORE)]


def refusal(error: OAuth2Error) -> Response:
    """RFC 6749, 5.2."""
    answer = issued(dict(error.get_body()), error.status_code)
    answer.headers.update({name: value for name, value in error.get_headers() if name.lower() not in NOT_THEIRS})
    return answer


def issued(body: dict[str, Any], status: int = 200) -> Response:
    """JSON that nobody keeps; Starlette's own answer takes three times as long to make."""
    answer = _Finished(status_code=status)
    answer.body = to_json(body)
    answer.raw_headers = [*_NO_STORE, (b"content-length", b"%d" % len(answer.body))]
    return answer


class _Finished(Response):
    def init_headers(self, headers: Any = None) -> None:
        """They come later."""


def back_to_client(
    call: "Call", client: Client | None, redirect_uri: str, mode: str, state: str | None, members: dict[str, str]
) -> Response:
    """The authorization response; `iss` stands in it whether it tells of a code or of an error (RFC 9207)."""
    answer = {**members, "iss": call.settings.issuer} | ({"state": state} if state else {})
    if mode in JWT_MODES and client:
        answer, mode = {"response": _signed(call, client, answer)}, mode.removesuffix("jwt").rstrip(".")
    if mode == "form_post":
        page = show(call.request, "form-post.html", client=client, action=redirect_uri, members=answer)
        page.headers.update(_UNTOLD)
        return page
    mark = "#" if mode == "fragment" else "&" if "?" in redirect_uri else "?"
    redirect = _Finished(status_code=303)  # Starlette's own quotes the whole of it anew
    redirect.body = b""
    location = f"{_quoted(redirect_uri)}{mark}{urlencode(answer)}".encode()
    redirect.raw_headers = [(b"location", location), (b"content-length", b"0"), *_RAW_UNTOLD]
    return redirect


@lru_cache(maxsize=1024)
def _quoted(uri: str) -> str:
    return quote(uri, safe=":/%#?=@[]!$&'()*+,;")


def _signed(call: "Call", client: Client, members: dict[str, str]) -> str:
    """The response as a JWT (JARM, 2.1); `iss` is among the members."""
    key = signing_key(call.tx, call.settings, answer_algorithm(client, client.authorization_alg))
    return sign({**members, "aud": client.id, "exp": int((call.now + SIGNED_LIFETIME).timestamp())}, key, typ="JWT")
