from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import Field
from sqlalchemy import func, select

from docs_store.models import PAGE_BREAK
from docs_store.routes import answer_file
from meetings.agenda.door import Conducting, Delegated, Preparing, Seated
from meetings.agenda.models import Meeting
from meetings.bodies.models import members_of
from meetings.bodies.rules import Role
from meetings.live.views import View
from meetings.live.wire import WORDS, Wire
from meetings.papers import actions
from meetings.papers.door import Shelf, TakenIn
from meetings.papers.models import PRINCIPALS, Opened, Paper, papers_of, releases_of, versions_of
from meetings.papers.rules import search
from shared.clock import Now
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}")
Audience = Literal["all", "delegates", "desk"]
Title = Annotated[str, Field(min_length=1, max_length=500, pattern=WORDS)]
VersionNumber = Annotated[int | None, Query(ge=1, le=100_000)]


class PaperChange(Wire):
    title: Title | None = None
    audience: Audience | None = None


class LeadTo(Wire):
    paper_id: Annotated[str, Field(max_length=64)] | None
    page: Annotated[int, Field(ge=1, le=100_000)] | None = None


class VersionRef(Wire):
    version: Annotated[int, Field(ge=1, le=100_000)]


class PaperDraft(View):
    """A version that was taken in; it waits for publishing."""

    paper_id: str
    version: int
    pages: int
    size: int
    warnings: list[dict[str, Any]]
    replaced: bool


class DeskVersion(View):
    number: int
    pages: int
    size: int
    name: str
    added_at: datetime
    published_at: datetime | None
    warnings: list[dict[str, Any]]


class DeskPaper(View):
    id: str
    item_id: str
    title: str
    audience: Audience
    withdrawn: bool
    versions: list[DeskVersion]
    opened: int
    openable: int


class Published(View):
    first: bool
    papers: int
    notices: int


class HitView(View):
    page: int
    before: str
    match: str
    after: str


class Hits(View):
    hits: list[HitView]


class Readers(View):
    opened: list[str]
    not_opened: list[str]


@router.post("/items/{item_id}/papers", status_code=201)
def add_paper(
    seat: Preparing,
    upload: TakenIn,
    tx: Tx,
    now: Now,
    item_id: str,
    title: Annotated[str | None, Form(max_length=500)] = None,
    audience: Annotated[Audience, Form()] = "delegates",
) -> PaperDraft:
    paper, version = actions.add_paper(
        tx, now, seat, item_id=item_id, name=upload.name, title=title, audience=audience, blob=upload.blob, found=upload.found
    )
    return PaperDraft(paper_id=paper.id, version=version.number, replaced=version.number > 1, **_of(version))


@router.post("/papers/{paper_id}/versions", status_code=201)
def replace_paper(seat: Preparing, upload: TakenIn, tx: Tx, now: Now, paper_id: str) -> PaperDraft:
    version = actions.replace_paper(tx, now, seat, paper_id, blob=upload.blob, found=upload.found)
    return PaperDraft(paper_id=paper_id, version=version.number, replaced=True, **_of(version))


def _of(version: Any) -> dict[str, Any]:
    return {name: getattr(version, name) for name in ("pages", "size", "warnings")}


@router.get("/papers/desk")
def desk_papers(seat: Conducting, tx: Read) -> list[DeskPaper]:
    """All papers with all versions, published or waiting."""
    return [_desk_paper(tx, seat.meeting_id, paper) for paper in papers_of(tx, seat.meeting_id)]


def _desk_paper(tx: Read, meeting_id: str, paper: Paper) -> DeskPaper:
    releases, kept = releases_of(tx, paper.id), versions_of(tx, paper)
    latest = max(releases, default=0)
    opened = select(func.count()).select_from(Opened).where(Opened.paper_id == paper.id, Opened.version == latest)
    shown = [
        {
            **{name: getattr(version, name) for name in DeskVersion.model_fields if name != "published_at"},
            "published_at": releases[version.number].published_at if version.number in releases else None,
        }
        for version in kept
    ]
    own = {name: getattr(paper, name) for name in ("id", "item_id", "title", "audience", "withdrawn")}
    readers = {"opened": tx.scalar(opened) or 0, "openable": len(_may_open(tx, meeting_id, paper))}
    return DeskPaper.model_validate({**own, **readers, "versions": shown})


def _may_open(tx: Read, meeting_id: str, paper: Paper) -> list[str]:
    """Members who may open the paper; the desk itself is not counted on."""
    body_id = tx.get_one(Meeting, meeting_id).body_id
    guests_too = paper.audience in PRINCIPALS[next(iter(PRINCIPALS))]
    return [member.id for member in members_of(tx, body_id) if guests_too or member.role != Role.GUEST]


@router.patch("/papers/{paper_id}", status_code=204)
def change_paper(seat: Preparing, tx: Tx, now: Now, paper_id: str, change: PaperChange) -> None:
    actions.change_paper(tx, now, seat, paper_id, change.title, change.audience)


@router.post("/papers/{paper_id}/withdraw", status_code=204)
def withdraw_paper(seat: Preparing, tx: Tx, now: Now, paper_id: str) -> None:
    actions.withdraw_paper(tx, now, seat, paper_id)


@router.post("/publish")
def publish(seat: Preparing, tx: Tx, now: Now) -> Published:
    """Let out what waits; the first time also the meeting itself and its invitations."""
    first, papers, notices = actions.publish(tx, now, seat)
    return Published(first=first, papers=papers, notices=notices)


@router.get("/papers/{paper_id}/file")
@router.head("/papers/{paper_id}/file", include_in_schema=False)
def read_file(request: Request, seat: Seated, store: Shelf, now: Now, paper_id: str, version: VersionNumber = None) -> Response:
    """The PDF, whole or by range."""
    with request.app.state.db.read() as tx:
        paper, found = actions.find_open(tx, now, seat, paper_id, version)
    answer = answer_file(request, store, found, download_name=f"{paper.title}.pdf")
    answer.headers["Cache-Control"] = "private, no-cache"  # who lost the right does not get it from the browser's own cache
    return answer


@router.get("/papers/{paper_id}/text")
def search_text(
    seat: Seated,
    tx: Read,
    now: Now,
    paper_id: str,
    q: Annotated[str, Query(min_length=1, max_length=100)],
    version: VersionNumber = None,
) -> Hits:
    """Where the words stand; tone marks count only if the query has some."""
    found = actions.find_open(tx, now, seat, paper_id, version)[1]
    return Hits(hits=[HitView.model_validate(hit) for hit in search(found.text.split(PAGE_BREAK), q)])


@router.post("/papers/{paper_id}/opened", status_code=204)
def note_opened(seat: Delegated, tx: Tx, now: Now, paper_id: str, ref: VersionRef) -> None:
    actions.note_opened(tx, now, seat, paper_id, ref.version)


@router.get("/papers/{paper_id}/readers")
def readers(seat: Preparing, tx: Read, paper_id: str) -> Readers:
    """Who has opened the newest published version."""
    paper = actions.find_paper(tx, seat.meeting_id, paper_id)
    latest = max(releases_of(tx, paper.id), default=0)
    have = set(tx.scalars(select(Opened.member_id).where(Opened.paper_id == paper.id, Opened.version == latest)))
    may = _may_open(tx, seat.meeting_id, paper)
    return Readers(opened=[one for one in may if one in have], not_opened=[one for one in may if one not in have])


@router.post("/lead", status_code=204)
def lead_page(seat: Conducting, tx: Tx, now: Now, lead: LeadTo) -> None:
    """Show a page to all, or (null) let go."""
    actions.lead_page(tx, now, seat, lead.paper_id, lead.page)
