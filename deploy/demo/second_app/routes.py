"""The pages and the three answers of the second application."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import structlog
from anyio import to_thread
from jinja2 import Environment, FileSystemLoader
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.demo.meeting import VIETNAM, sample_meeting
from deploy.demo.second_app.sessions import renew
from shared.clock import now
from shared.problems import Problem, Unavailable
from shared.words import choose_language, say

log = structlog.get_logger()
PACKAGE = "deploy.demo.second_app"
LANGUAGE_COOKIE = "lang"
CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True)


class Headers:
    """ASGI middleware: what every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def finishing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CSP
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, finishing_send)


async def home(request: Request) -> Response:
    person = request.session.get("person")
    if not person:
        return _page(request, "welcome.html")
    meeting = sample_meeting(now())
    signed_in = datetime.fromtimestamp(person["auth_time"], VIETNAM) if person.get("auth_time") else None
    return _page(request, "calendar.html", person=person, meeting=meeting, signed_in=signed_in)


async def login(request: Request) -> Response:
    # The issuer may start a sign-in here and names itself (OpenID Connect Core, section 4).
    if request.query_params.get("iss", request.app.state.issuer) != request.app.state.issuer:
        return _page(request, "trouble.html", 400, trouble="other-issuer")
    try:
        answer: Response = await request.app.state.provider.authorize_redirect(
            request, f"{request.app.state.public_url}/callback", ui_locales=_language(request)
        )
    except httpx2.HTTPError:
        return _page(request, "trouble.html", 503, trouble="issuer-away")
    return answer


async def callback(request: Request) -> Response:
    issuer = request.app.state.issuer
    if request.query_params.get("iss", issuer) != issuer:  # mix-up defence, RFC 9207
        return _page(request, "trouble.html", 400, trouble="other-issuer")
    try:
        person, id_token = await _take_code(request)
    except httpx2.HTTPError:
        return _page(request, "trouble.html", 503, trouble="issuer-away")
    except Exception as error:  # whatever is wrong with an answer, nobody is signed in by it
        log.warning("sign-in.refused", error=type(error).__name__)
        return _page(request, "trouble.html", 400, trouble="not-signed-in")
    request.session.clear()
    request.session.update(person=person, sub=person["sub"], sid=person.get("sid"), id_token=id_token)
    renew(request.session)
    return RedirectResponse("/", 303)


async def _take_code(request: Request) -> tuple[dict[str, Any], str]:
    provider = request.app.state.provider
    token = await provider.authorize_access_token(request)
    person = dict(token["userinfo"])  # the claims of the ID token, verified
    if "userinfo_endpoint" in provider.server_metadata:
        more = dict(await provider.userinfo(token=token))
        if more.get("sub") != person["sub"]:  # OpenID Connect Core, section 5.3.2
            raise ValueError("userinfo of somebody else")
        person = more | person
    return person, token["id_token"]


async def logout(request: Request) -> Response:
    id_token = request.session.get("id_token")
    request.session.clear()
    if not id_token:
        return RedirectResponse("/", 303)
    try:
        answer: Response = await request.app.state.provider.logout_redirect(
            request, f"{request.app.state.public_url}/signed-out", id_token_hint=id_token, ui_locales=_language(request)
        )
    except (httpx2.HTTPError, RuntimeError):  # away, or an issuer without an end_session_endpoint
        return RedirectResponse("/signed-out", 303)
    answer.status_code = 303  # a form was posted; the issuer is asked with GET
    return answer


async def signed_out(request: Request) -> Response:
    request.session.clear()
    return _page(request, "signed-out.html")


async def backchannel_logout(request: Request) -> Response:
    async with request.form(max_files=0, max_fields=4) as form:
        token = str(form.get("logout_token", ""))
    try:
        ended = await to_thread.run_sync(partial(request.app.state.logout_tokens.read, token, now()))
    except Unavailable:
        return JSONResponse({"error": "temporarily_unavailable"}, 503)
    except Problem as problem:
        return JSONResponse({"error": "invalid_request", "error_description": str(problem.facts.get("reason", ""))}, 400)
    request.app.state.store.end(sid=ended.sid, sub=ended.sub)
    return PlainTextResponse("")


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")


def _language(request: Request) -> str:
    explicit = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return choose_language(request.headers.get("accept-language", ""), explicit)


def _page(request: Request, template: str, status: int = 200, **facts: Any) -> Response:
    language = _language(request)
    words = partial(say, language, (PACKAGE,))
    today = now().astimezone(VIETNAM)
    html = PAGES.get_template(template).render(say=words, language=language, today=today, path=request.url.path, **facts)
    answer = HTMLResponse(html, status)
    if request.query_params.get("lang"):
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, samesite="lax")
    return answer
