"""The built web app: its files, and its one page for every address that a person may open."""

import re
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from shared.problems import NotFound, Problem

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parent.parent / "static"
HASHED = re.compile(r"-[\w-]{8}\.\w+$")  # the build puts a hash of the content into the name


@router.get("/")
@router.get("/m/{path:path}")
@router.get("/wall")
@router.get("/wall/{meeting_id}")
@router.get("/wall/{meeting_id}/bridges")
@router.get("/check-in/{meeting_id}")
@router.get("/new")
@router.get("/bodies")
@router.get("/bodies/{path:path}")
@router.get("/signed-in")
@router.get("/signed-out")
def web_app() -> FileResponse:
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


def unknown_page(request: Request, problem: Problem) -> FileResponse | None:
    """A person at an address that is none gets the web app, which says so; programs get the problem."""
    person = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not person or problem.status != 404 or request.url.path.startswith("/api/"):
        return None
    return FileResponse(STATIC / "index.html", 404, headers={"Cache-Control": "no-cache"})


@router.get("/sw.js")
def service_worker() -> FileResponse:
    return FileResponse(STATIC / "sw.js", headers={"Cache-Control": "no-cache"})


@router.get("/assets/{path:path}")
def asset(path: str) -> FileResponse:
    try:
        file = (STATIC / "assets" / path).resolve()
        there = file.is_relative_to(STATIC / "assets") and file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        raise NotFound()
    kept = "public, max-age=31536000, immutable" if HASHED.search(file.name) else "no-cache"
    return FileResponse(file, headers={"Cache-Control": kept})
