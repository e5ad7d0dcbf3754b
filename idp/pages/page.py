"""show(): a template in the caller's language; and the page that tells of a refusal."""

from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.staticfiles import StaticFiles

from idp.clients.rules import origin
from idp.login.cookies import form_token, set_language
from shared import words
from shared.problems import Problem

HERE = Path(__file__).parent
PACKAGES = ("idp", "shared")
VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def compile_all() -> None:
    """Beforehand: together they take 100 ms."""
    for name in _templates.list_templates():
        _templates.get_template(name)


def show(
    request: Request,
    template: str,
    status: int = 200,
    *,
    problem: Problem | None = None,
    field: str | None = None,
    **facts: Any,
) -> HTMLResponse:
    """The page. With a `problem` it takes that refusal's status, and tells it above and at the `field`."""
    language = request.state.language
    page = _templates.get_template(template).render(
        request=request,
        t=partial(_say, language),
        language=language,
        languages=_language_links(request),
        asset=_asset,
        clock=_clock,
        day=_day,
        settings=request.app.state.settings,
        form_token=form_token(request),
        problem=problem,
        field=field,
        **facts,
    )
    answer = HTMLResponse(page, problem.status if problem else status, problem.headers if problem else None)
    if picture := getattr(getattr(facts.get("stored"), "client", None), "logo_uri", ""):
        csp = request.app.state.service.csp  # the application's picture, on this page alone; the browser fetches it, never we
        policy = f"{csp}; img-src 'self' {origin(picture)}; frame-ancestors 'none'; base-uri 'none'"
        answer.headers["Content-Security-Policy"] = policy
    if request.query_params.get("lang") in words.LANGUAGES:
        set_language(request, answer, language)
    return answer


def problem_page(request: Request, problem: Problem) -> Response | None:
    """A refusal as a page, for who asked for a page."""
    if "text/html" not in request.headers.get("accept", "") or request.scope["path"].startswith("/api/"):
        return None
    return show(request, "problem.html", problem=problem)


def _say(language: str, key: str, **facts: Any) -> Markup:
    """Words with facts, of which only the facts are escaped: our own words may hold <b>."""
    return Markup(words.say(language, PACKAGES, key, **{name: escape(value) for name, value in facts.items()}))  # noqa: S704


def _language_links(request: Request) -> list[tuple[str, str]]:
    """Each language with the address of this very page in it."""
    query = [(name, value) for name, value in parse_qsl(request.scope["query_string"].decode("latin-1")) if name != "lang"]
    return [(one, f"?{urlencode([*query, ('lang', one)])}") for one in words.LANGUAGES]  # a path of `//` would name a host


@cache
def _asset(name: str) -> str:
    """Address of a static file that changes with its content, so that browsers may keep it."""
    return f"/static/{name}?v={sha256((HERE / 'static' / name).read_bytes()).hexdigest()[:12]}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%d/%m/%Y}"


class KeptFiles(StaticFiles):
    """Static files that browsers keep for a day."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer
