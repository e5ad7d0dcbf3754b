"""Parameters of the protocol's endpoints: read once, each at most once."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import unquote

from authlib.oauth2.rfc6749 import InvalidRequestError
from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from shared.strict_json import read_object

MOST_PARAMETERS = 40
MOST_LENGTH = 16 * 1024  # of a request object or a token; the shorter ones have bounds of their own
REPEATABLE = {"resource", "audience"}  # RFC 8707, 2; RFC 8693, 2.1: read from the pairs
FORM = b"application/x-www-form-urlencoded"

Pairs = Sequence[tuple[str, str]]
Params = dict[str, str]


def once(pairs: Pairs) -> Params:
    """Name to value. Refuses a repeated name; one without a value counts as left out (RFC 6749, 3.1 and 3.2)."""
    params: Params = {}
    for name, value in pairs:
        if name in params:
            if name in REPEATABLE:
                continue
            raise InvalidRequestError("A parameter is repeated.")
        if len(value) > MOST_LENGTH or "\0" in value:
            raise InvalidRequestError("A parameter is too long or holds a forbidden sign.")
        params[name] = value
    return {name: value for name, value in params.items() if value}


def _parse(text: str) -> Pairs:
    try:
        if text.count("&") >= MOST_PARAMETERS:
            raise ValueError("too many")
        pairs = [one.partition("=") for one in text.replace("+", " ").split("&") if one]  # `parse_qsl` costs thrice as much
        return [(unquote(name, errors="strict"), unquote(value, errors="strict")) for name, _, value in pairs]
    except ValueError:
        return [("", ""), ("", "")]  # unreadable: refused like a repeated name


def _query(request: Request) -> Pairs:
    return _parse(request.scope["query_string"].decode("latin-1"))


async def _form(request: Request) -> Pairs:
    sent = [value for name, value in request.scope["headers"] if name == b"content-type"]
    if not sent or sent[0].split(b";")[0].strip().lower() != FORM:
        return []
    return _parse((await read_body(request)).decode("latin-1"))


async def read_body(request: Request) -> bytes:
    """The whole body, also for who asks a second time."""
    kept: bytes | None = getattr(request.state, "body", None)
    if kept is not None:
        return kept
    body: bytes = b""
    while True:  # Starlette's own way makes two generators of it
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            request.state.body = body
            return body


async def read_pairs(request: Request) -> Pairs:
    """Of the query for a GET, of the form else."""
    return _query(request) if request.method == "GET" else await _form(request)


async def read_json(request: Request) -> Any:
    """The body, or None where it is no JSON object that could be sent back."""
    try:
        return read_object(await read_body(request))
    except (ValueError, RecursionError, AttributeError):
        return None


FormPairs = Annotated[Pairs, Depends(_form)]
EitherPairs = Annotated[Pairs, Depends(read_pairs)]
