"""HTTP as it comes, to the province and back: bodies are streamed, and nothing is remembered."""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import cached_property
from ssl import SSLContext
from typing import Any

import httpx2
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from shared import words
from shared.problems import Problem, TooLarge

Raw = list[tuple[bytes, bytes]]
RELAY = b"dienhong-relay"  # in Via (RFC 9110, 7.6.3)
MOST_BODY = 101 << 20  # bytes, as upstream has it
TIMEOUT = {"connect": 10.0, "read": 120.0, "write": 60.0, "pool": 30.0}
CONNECTIONS, IDLE_FOR = 8, 4.0  # at once: what comes meanwhile waits; seconds unused, less than the other side keeps them
# RFC 9110, 7.6.1. What a tablet says of addresses is not believed: the relay is the first that knows.
HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer"),
        *(b"transfer-encoding", b"upgrade", b"expect"),
    )
)
FORWARDED = re.compile(rb"forwarded|x-forwarded-.*|x-real-ip|x-client-cert.*")


@dataclass(frozen=True)
class Asked:
    """A tablet's request."""

    scope: Scope

    @cached_property
    def headers(self) -> Headers:
        return Headers(scope=self.scope)

    @property
    def target(self) -> bytes:
        """Path and query, to the byte."""
        query = self.scope["query_string"]
        return self.scope["raw_path"] + (b"?" + query if query else b"")  # type: ignore[no-any-return]

    def passed(self, *without: bytes) -> Raw:
        """The headers with which it goes on."""
        named = (name for name, _ in self.scope["headers"] if FORWARDED.fullmatch(name))
        kept = end_to_end(self.scope["headers"], *named, *without)
        client = self.scope["client"]
        kept.append((b"x-forwarded-for", (client[0] if client else "unknown").encode()))
        kept += [(b"x-forwarded-proto", self.scope["scheme"].encode()), (b"via", b"1.1 " + RELAY)]
        return kept

    @property
    def is_our_own(self) -> bool:
        """It has come from a relay: the name of upstream leads back to the room."""
        return RELAY.decode() in self.headers.get("via", "")


def end_to_end(headers: Iterable[tuple[bytes, bytes]], *without: bytes) -> Raw:
    """Headers that concern more than the one connection."""
    raw = [(name.lower(), value) for name, value in headers]
    named = {one.strip().lower() for name, value in raw if name == b"connection" for one in value.split(b",")}
    return [(name, value) for name, value in raw if name not in HOP_BY_HOP and name not in named and name not in without]


class _Body(httpx2.AsyncByteStream):
    def __init__(self, receive: Receive | None) -> None:
        self._receive = receive

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, more = 0, self._receive is not None
        while more and self._receive:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise httpx2.ReadError("the tablet is gone")
            size += len(message.get("body", b""))
            if size > MOST_BODY:
                raise httpx2.ReadError("too large")
            yield message.get("body", b"")
            more = message.get("more_body", False)


class Upstream:
    """A few connections for all tablets. Below httpx2's client, which would keep cookies and follow redirects."""

    def __init__(self, url: str, tls: SSLContext) -> None:
        self._url = httpx2.URL(url)
        limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_FOR)
        self._transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, retries=1)

    async def ask(self, method: str, target: bytes, headers: Raw, receive: Receive | None = None) -> httpx2.Response:
        """The answer, its body still to be read and closed."""
        extensions = {"timeout": TIMEOUT, "target": target}  # a path put in order would be another one than was looked at here
        request = httpx2.Request(method, self._url, headers=headers, stream=_Body(receive), extensions=extensions)
        return await self._transport.handle_async_request(request)

    async def pass_on(self, asked: Asked, receive: Receive, send: Send) -> None:
        length, chunked = asked.headers.get("content-length", ""), "transfer-encoding" in asked.headers
        if length.isdecimal() and int(length) > MOST_BODY:
            await refuse(TooLarge(limit=f"{MOST_BODY / 1e6:.0f} MB"), asked)(asked.scope, receive, send)
            return
        headers = asked.passed()
        if chunked:
            headers = [*asked.passed(b"content-length"), (b"transfer-encoding", b"chunked")]
        body = receive if chunked or length not in ("", "0") else None
        answer = await self.ask(asked.scope["method"], asked.target, headers, body)
        await give(answer, send)

    async def close(self) -> None:
        await self._transport.aclose()


async def give(answer: httpx2.Response, send: Send) -> None:
    """An answer of upstream, untouched."""
    try:
        headers = end_to_end(answer.headers.raw)
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for part in stream(answer):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.aclose()


def stream(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """The body as it came over the wire."""
    body: Any = answer.stream
    return aiter(body)


def refuse(problem: Problem, asked: Asked) -> Response:
    """A refusal of the relay's own, in the form that the service's have (RFC 9457)."""
    language = words.choose_language(asked.headers.get("accept-language", ""), "")
    body = {
        "type": f"urn:dienhong:problem:{problem.code}",
        "title": words.say(language, ("shared",), f"problem.{problem.code}", **problem.facts),
        "status": problem.status,
        "code": problem.code,
        "facts": problem.facts,
    }
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **problem.headers}
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")
