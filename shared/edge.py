"""What happens to every request before and after its route: id, language, headers, bounds, figures."""

import re
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import structlog
from prometheus_client import Histogram
from starlette.exceptions import HTTPException
from starlette.requests import Request, cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import ids, words
from shared.problems import Misdirected, Problem
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.app import Service

log = structlog.get_logger()
SECONDS = Histogram("http_request_seconds", "Time to answer", ["service", "method", "status"])
LANGUAGE_COOKIE = "lang"
PROBES = ("/healthz", "/readyz", "/metrics")  # asked by the machine's own name for itself
USUAL_PORTS = {"https": ":443", "http": ":80"}
Heard = dict[bytes, bytes]


class BodyTooLarge(HTTPException):
    """An HTTPException, because every other error while a body is read becomes a 400 (`fastapi.routing`)."""

    def __init__(self, bound: int) -> None:
        super().__init__(413, headers={"Connection": "close"})
        self.limit = f"{bound / 1e6:.0f} MB"


class Edge:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, service: "Service", settings: Settings) -> None:
        self._app, self._service, self._settings = app, service, settings
        self._hosts = _own_hosts(settings.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))  # the first of each name
        state = scope.setdefault("state", {})
        state["request_id"] = ids.new_id()
        state["language"] = _language(scope, headers)
        structlog.contextvars.bind_contextvars(request_id=state["request_id"])  # each request runs in a context of its own
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._http(scope, receive, send, headers)

    async def _http(self, scope: Scope, receive: Receive, send: Send, headers: Heard) -> None:
        bound = _bound(scope["path"], self._service.large_bodies, self._service.max_body)
        declared = headers.get(b"content-length", b"0")
        started, status, seen = time.monotonic(), 500, 0

        async def bounded_receive() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > bound:
                raise BodyTooLarge(bound)
            return message

        async def finishing_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"]]
                add_headers(message["headers"], scope, self._service.csp, secure=self._settings.secure)
            await send(message)

        try:
            if self._service.own_host_only and scope["path"] not in PROBES and not self._is_ours(scope):
                raise Misdirected()
            if not declared.isdigit() or int(declared) > bound:
                raise BodyTooLarge(bound)
            await self._app(scope, bounded_receive, finishing_send)
        except BodyTooLarge as error:
            await _refuse_body(scope, finishing_send, error)
        except Misdirected as problem:
            await _refuse(scope, finishing_send, problem)
        finally:
            _seconds(self._service.name, scope["method"], status).observe(time.monotonic() - started)

    def _is_ours(self, scope: Scope) -> bool:
        sent = [value for name, value in scope["headers"] if name == b"host"]
        return len(sent) == 1 and sent[0] in self._hosts


@cache
def _seconds(service: str, method: str, status: int) -> Histogram:
    return SECONDS.labels(service, method, status)


def _own_hosts(public_url: str) -> list[bytes]:
    """What a request's one Host header may be: that of the public address, with or without the usual port."""
    scheme, netloc = public_url.split("://", 1)
    bare = netloc.split("/")[0].lower().removesuffix(USUAL_PORTS[scheme])
    hosts = [bare, f"{bare}{USUAL_PORTS[scheme]}"] if ":" not in bare.rsplit("]")[-1] else [bare]
    return [host.encode() for host in hosts]


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    from shared.app import answer_problem

    await answer_problem(Request(scope), problem)(scope, _no_body, send)


async def _refuse_body(scope: Scope, send: Send, error: BodyTooLarge) -> None:
    from shared.app import answer_problem
    from shared.problems import TooLarge

    answer = answer_problem(Request(scope), TooLarge(limit=error.limit))
    answer.headers.update(error.headers or {})
    await answer(scope, _no_body, send)


def add_headers(raw: list[tuple[bytes, bytes]], scope: Scope, csp: str, *, secure: bool) -> None:
    """What every answer has, also that of a bug."""
    present = [name for name, _ in raw]
    raw.append((b"x-request-id", scope["state"]["request_id"].encode()))
    raw.extend([one for one in _usual_headers(csp, secure) if one[0] not in present])
    if b"content-security-policy" not in present or any(_unframed(one) for one in raw):
        raw.append((b"x-frame-options", b"DENY"))  # for browsers that know no frame-ancestors


def _unframed(header: tuple[bytes, bytes]) -> bool:
    return header[0] == b"content-security-policy" and b"frame-ancestors 'none'" in header[1]


@cache
def _usual_headers(csp: str, secure: bool) -> tuple[tuple[bytes, bytes], ...]:
    usual = {
        "content-security-policy": f"{csp}; frame-ancestors 'none'; base-uri 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "cache-control": "no-store",
    }
    if secure:
        usual["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return tuple((name.encode(), value.encode()) for name, value in usual.items())


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _language(scope: Scope, headers: Heard) -> str:
    explicit, query_string = "", scope.get("query_string", b"")
    if b"lang=" in query_string or b"ui_locales=" in query_string:
        query = parse_qs(query_string.decode("latin-1"))
        explicit = (query.get("lang") or query.get("ui_locales") or [""])[0].split(" ")[0]
    sent = headers.get(b"cookie", b"").decode("latin-1")
    cookie = cookie_parser(sent).get(LANGUAGE_COOKIE, "") if LANGUAGE_COOKIE in sent else ""
    return words.choose_language(headers.get(b"accept-language", b"").decode("latin-1"), explicit or cookie)


def _bound(path: str, large: Mapping[str, int], usual: int) -> int:
    """`large` maps a pattern of the whole path to its own bound in bytes."""
    return next((size for pattern, size in large.items() if re.fullmatch(pattern, path)), usual)
