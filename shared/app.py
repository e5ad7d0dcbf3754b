"""create_app(): what every service of the house has, whatever it serves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import structlog
from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import DataError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from shared import audit, bus, words
from shared.clock import now
from shared.db import Database
from shared.edge import BodyTooLarge, Edge, add_headers
from shared.jobs import Handler, Worker
from shared.problems import (
    BadRequest,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    NotSignedIn,
    Problem,
    TooLarge,
    Unavailable,
)
from shared.settings import Settings

log = structlog.get_logger()

AUDITED = (401, 403, 404, 409, 429)  # refusals that leave one audit event, unless their class says otherwise
BY_STATUS: dict[int, type[Problem]] = {401: NotSignedIn, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed, 413: TooLarge}


Direct = Callable[[Request], Awaitable[Response]]
DirectSocket = Callable[[WebSocket], Awaitable[None]]


class App(FastAPI):
    """FastAPI, and before it the service's direct endpoints: its middleware and routing cost several times a signature."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service: Service = self.state.service
        if scope["type"] == "http" and scope["path"] in service.direct:
            scope["app"] = self
            await self.state.direct(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] in service.sockets:
            scope["app"] = self
            await service.sockets[scope["path"]](WebSocket(scope, receive, send))
        else:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class Service:
    """What tells one service from another."""

    name: str
    routers: Sequence[APIRouter]
    locales: tuple[str, ...]  # packages whose words are known
    jobs: Mapping[str, Handler] = field(default_factory=dict)
    csp: str = "default-src 'self'"
    own_host_only: bool = False  # refuse requests whose Host is not that of the public address
    max_body: int = 1 << 20  # bytes; routes in `large_bodies` set their own bound
    large_bodies: Mapping[str, int] = field(default_factory=dict)  # pattern of the whole path -> bytes
    background: Sequence[Callable[[FastAPI], Any]] = ()  # coroutines that live as long as the app
    direct: Mapping[str, Direct] = field(default_factory=dict)  # path -> endpoint that stands before FastAPI's routing
    sockets: Mapping[str, DirectSocket] = field(default_factory=dict)  # the same for sockets
    problem_page: Callable[[Request, Problem], Response | None] | None = None  # an HTML answer instead of JSON


def create_app(service: Service, settings: Settings) -> FastAPI:
    """The ASGI application; its parts stand in `app.state`: settings, db, bus, service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = Worker(app.state.db, dict(service.jobs))
        worker.start()
        async with anyio.create_task_group() as tasks:
            for coroutine in service.background:
                tasks.start_soon(coroutine, app)
            yield
            tasks.cancel_scope.cancel()
        await anyio.to_thread.run_sync(worker.stop)
        app.state.db.close()

    app = App(
        title=service.name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        generate_unique_id_function=_operation_name,
    )
    app.state.settings, app.state.service = settings, service
    app.state.direct = Edge(_answer_directly, service=service, settings=settings)
    app.state.bus = bus.connect(settings.bus_url)
    app.state.db = Database(settings.database_url, alone=settings.workers == 1 and not settings.bus_url, bus=app.state.bus)
    for router in (_health, *service.routers):
        app.include_router(router)
    app.add_middleware(Edge, service=service, settings=settings)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _on_bug)
    return app


def _operation_name(route: APIRoute) -> str:
    return route.name


def answer_problem(request: Request, problem: Problem) -> Response:
    """`application/problem+json` in the caller's language (RFC 9457)."""
    service: Service = request.app.state.service
    language = getattr(request.state, "language", words.LANGUAGES[0])
    if service.problem_page and (page := service.problem_page(request, problem)):
        return page
    body = {
        "type": f"urn:dienhong:problem:{problem.code}",
        "title": words.say(language, service.locales, f"problem.{problem.code}", **problem.facts),
        "status": problem.status,
        "code": problem.code,
        "facts": problem.facts,
        "request_id": getattr(request.state, "request_id", ""),
    }
    return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")


async def _on_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101
    caller = getattr(request.state, "caller", None)
    actor = caller.subject if caller else "-"
    await record_refusal(request.app.state.db, problem, actor=actor, object=f"{request.method} {request.url.path}")
    return answer_problem(request, problem)


def is_audited(problem: Problem) -> bool:
    return problem.status in AUDITED if problem.audited is None else problem.audited


async def record_refusal(db: Database, problem: Problem, *, actor: str, object: str) -> None:
    """One audit event, where the problem's class or status asks for one. Many at once share a commit, and hold no thread."""
    if not is_audited(problem):
        return
    # Lists and objects may be the caller's own words: a private note, rows of a table.
    facts = {name: str(value)[:200] for name, value in problem.facts.items() if isinstance(value, str | int)}
    what = f"refused.{problem.code}"
    try:
        await db.writes.run(lambda tx: audit.record(tx, now(), what, actor=actor, object=object, facts=facts))
    except (SQLAlchemyError, Unavailable):
        log.exception("audit.not-recorded", code=problem.code)


async def _answer_directly(scope: Scope, receive: Receive, send: Send) -> None:
    """A direct endpoint; its failures are answered as those of FastAPI's routes are."""
    request = Request(scope, receive)
    try:
        answer = await scope["app"].state.service.direct[scope["path"]](request)
    except Exception as error:
        handler = next((handler for kind, handler in HANDLERS.items() if isinstance(error, kind)), None)
        answer = await (handler or _on_bug)(request, error)
        if handler is None:
            await answer(scope, receive, send)
            raise
    await answer(scope, receive, send)


async def _on_invalid_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [
        {"field": ".".join(str(part) for part in one["loc"][1:]), "rule": str(one["type"])} for one in error.errors()[:20]
    ]
    return answer_problem(request, InvalidInput(errors=errors))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = BY_STATUS.get(error.status_code, BadRequest)
    problem = kind(limit=error.limit) if isinstance(error, BodyTooLarge) else kind()
    problem.headers = dict(error.headers or {})  # type: ignore[misc]
    return answer_problem(request, problem)


async def _on_database_away(request: Request, error: Exception) -> Response:
    log.warning("database.away", error=str(getattr(error, "orig", error))[:200])
    return answer_problem(request, Unavailable())


async def _on_unkept_text(request: Request, _error: Exception) -> Response:
    """A NUL in a text, which PostgreSQL does not keep."""
    return answer_problem(request, InvalidInput(errors=[]))


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("bug", path=request.url.path, request_id=request.state.request_id, exc_info=error)
    answer = JSONResponse(
        {"type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal"},
        500,
        media_type="application/problem+json",
    )
    service: Service = request.app.state.service
    add_headers(answer.headers.raw, request.scope, service.csp, secure=request.app.state.settings.secure)
    return answer


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    Problem: _on_problem,
    RequestValidationError: _on_invalid_input,
    HTTPException: _on_http_exception,
    OperationalError: _on_database_away,
    InterfaceError: _on_database_away,
    NoConnectionLeft: _on_database_away,
    DataError: _on_unkept_text,
}


_health = APIRouter(include_in_schema=False)


@_health.get("/healthz")
def healthz() -> PlainTextResponse:
    """The process is alive."""
    return PlainTextResponse("ok")


@_health.get("/readyz")
def readyz(request: Request) -> PlainTextResponse:
    """The process can serve: its database answers."""
    try:
        request.app.state.db.durability()
    except SQLAlchemyError:
        return PlainTextResponse("database away", 503)
    return PlainTextResponse("ready")


@_health.get("/metrics")
def metrics(request: Request) -> Response:
    """Prometheus figures, for the same machine only (a proxy does not forward this path)."""
    if not request.client or request.client.host not in ("127.0.0.1", "::1") or "x-forwarded-for" in request.headers:
        raise NotFound()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
