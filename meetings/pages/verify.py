"""The public check of signed minutes: one page without scripts, for anyone, without signing in. Keeps nothing."""

from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meetings.minutes.verify import Report, instant, report
from meetings.settings import MeetingsSettings
from shared.ids import fingerprint
from shared.problems import TooManyRequests
from shared.turns import place
from shared.words import say

router = APIRouter(include_in_schema=False)
HERE = Path(__file__).parent
pages = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
# A check costs a second of a core, and who waits for one holds a thread; strangers must not starve a vote of either.
AT_ONCE, ROOM = BoundedSemaphore(2), BoundedSemaphore(8)


@router.get("/verify")
def ask_for_file(request: Request) -> HTMLResponse:
    return _page(request, None, "")


@router.post("/verify")
def check_file(request: Request, file: UploadFile, code: Annotated[str, Form(max_length=20)] = "") -> HTMLResponse:
    """Says in words what holds and what does not; the file is gone when the answer is."""
    settings: MeetingsSettings = request.app.state.settings
    roots = Path(settings.trust_roots).read_bytes() if settings.trust_roots else b""
    with place(ROOM, 0, TooManyRequests), place(AT_ONCE, 5, TooManyRequests):
        found = report(file.file.read(), roots, request.state.language)
    return _page(request, _result(request, found, file.filename or "", code.strip().upper()), code)


@router.get("/verify.css")
def stylesheet() -> Response:
    css = (HERE / "verify.css").read_text("utf-8")
    return Response(css, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


def _page(request: Request, result: dict[str, Any] | None, code: str) -> HTMLResponse:
    language = request.state.language

    def t(key: str, **facts: Any) -> str:
        return say(language, ("meetings",), key, **facts)

    words = pages.get_template("verify.html").render(
        language=language, t=t, province=request.app.state.settings.province, result=result, code_query=code
    )
    return HTMLResponse(words)


def _result(request: Request, found: Report, name: str, code: str) -> dict[str, Any]:
    language, validation = request.state.language, found.validation

    def words(key: str, **facts: Any) -> str:
        return say(language, ("meetings",), key, **facts)

    ballots = [
        {"code": one["code"], "choice_text": words(f"verify.choice.{one['choice']}"), "poll_number": one["poll"]}
        for one in found.counted.ballots
        if code and one["code"] == code
    ]
    signatures = [
        {
            "name": one.signer,
            "role": words(f"verify.who.{one.field}") if one.field in ("secretary", "chair") else one.field,
            "signed_at_text": instant(one.stamped_at or one.claimed_at),
            "timestamped": bool(one.stamped_at),
            "ok": one.intact and one.trusted,
        }
        for one in (validation.signatures if validation else ())
    ]
    polls = [
        {
            "number": one["number"],
            "title": one["title"],
            "sum_text": words(
                f"verify.sum.{one['outcome']}",
                needed=one["needed"],
                electorate=one["electorate"],
                in_favour=one["tally"]["in_favour"],
            ),
            "ok": one["ok"],
        }
        for one in found.counted.polls
    ]
    return {
        "ok": found.ok,
        "file_name": name[:200],
        "title": found.counted.title,
        "lines": [{"ok": line.ok, "text": line.text} for line in found.lines],
        "faults": [line.text for line in found.lines if not line.ok],
        "signatures": signatures,
        "polls": polls,
        "sha256_text": fingerprint(validation.sha256, 8) if validation else "",
        "ballots": ballots if code else None,
    }
