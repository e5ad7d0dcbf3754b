from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from docs_store import versions
from docs_store.models import Document, DocumentVersion
from docs_store.pdf import Inspected
from docs_store.store import Blob
from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.invitations import actions as invitations
from meetings.live import events, log
from meetings.live.log import Level
from meetings.papers.models import Opened, Paper, Release, paper_view, papers_of, releases_of, versions_of
from meetings.papers.problems import NothingToPublish, PaperAlreadyPublished
from shared import audit
from shared.db import lock
from shared.ids import new_id
from shared.problems import NotFound
from shared.words import nfc


def add_paper(
    tx: Session,
    now: datetime,
    seat: Seat,
    *,
    item_id: str,
    name: str,
    title: str | None,
    audience: str,
    blob: Blob,
    found: Inspected,
) -> tuple[Paper, DocumentVersion]:
    """Put an inspected and stored file under an item. A name that the item already has makes a new version of that paper."""
    meeting = agenda.get_unclosed(tx, seat.meeting_id)
    item = agenda.get_item(tx, meeting.id, item_id)
    file_name = nfc(name)
    same = select(Paper).where(Paper.item_id == item.id, Paper.file_name == file_name, Paper.withdrawn.is_(False))
    paper = tx.scalars(same).first()
    if paper is None:
        paper = Paper(
            id=new_id(),
            meeting_id=meeting.id,
            item_id=item.id,
            document_id=versions.create(tx, now).id,
            title=nfc(title or file_name.removesuffix(".pdf").removesuffix(".PDF")),
            file_name=file_name,
            audience=audience,
            withdrawn=False,
            place=len(papers_of(tx, meeting.id)),
        )
        tx.add(paper)
        tx.flush()
    return paper, _append(tx, now, seat, paper, blob, found)


def replace_paper(tx: Session, now: datetime, seat: Seat, paper_id: str, *, blob: Blob, found: Inspected) -> DocumentVersion:
    """A further version of a paper, whatever its file is called."""
    agenda.get_unclosed(tx, seat.meeting_id)
    return _append(tx, now, seat, find_paper(tx, seat.meeting_id, paper_id), blob, found)


def _append(tx: Session, now: datetime, seat: Seat, paper: Paper, blob: Blob, found: Inspected) -> DocumentVersion:
    document = tx.get_one(Document, paper.document_id)
    version = versions.append(
        tx,
        document,
        blob,
        now,
        name=paper.file_name,
        added_by=seat.actor,
        pages=found.pages,
        text=found.text,
        warnings=found.warnings,
    )
    audit.record(tx, now, "paper.added", actor=seat.actor, object=paper.id, version=version.number, sha256=version.sha256)
    return version


def change_paper(tx: Session, now: datetime, seat: Seat, paper_id: str, title: str | None, audience: str | None) -> None:
    agenda.get_unclosed(tx, seat.meeting_id)  # and held, as `publish` does, which may be letting it out
    paper = find_paper(tx, seat.meeting_id, paper_id)
    if audience and audience != paper.audience:
        if releases_of(tx, paper.id):
            raise PaperAlreadyPublished()
        paper.audience = audience
    paper.title = nfc(title) if title else paper.title
    tx.flush()
    if view := paper_view(tx, paper):
        log.append(tx, now, paper.meeting_id, events.PaperPublished(paper=view), actor=seat.actor, level=paper.level)


def withdraw_paper(tx: Session, now: datetime, seat: Seat, paper_id: str) -> None:
    """Take a paper back: nobody but the desk opens it from now on, nor is it shown to all; its bytes and notes stay."""
    meeting = agenda.get_unclosed(tx, seat.meeting_id)  # see `change_paper`
    paper = find_paper(tx, seat.meeting_id, paper_id)
    paper.withdrawn = True
    tx.flush()
    if view := paper_view(tx, paper):
        log.append(tx, now, paper.meeting_id, events.PaperWithdrawn(paper=view), actor=seat.actor, level=paper.level)
    if meeting.lead_paper_id == paper.id:
        agenda.lead_page(tx, now, seat, None, None)
    audit.record(tx, now, "paper.withdrawn", actor=seat.actor, object=paper.id)


def publish(tx: Session, now: datetime, seat: Seat) -> tuple[bool, int, int]:
    """Let all waiting versions out, and the first time the meeting itself with its invitations.

    (first time, papers let out, notices put in the post)
    """
    agenda.get_meeting(tx, seat.meeting_id)  # its lock: two who publish at once let a version out once
    waiting = [paper for paper in papers_of(tx, seat.meeting_id) if not paper.withdrawn and _is_waiting(tx, paper)]
    first = agenda.publish(tx, now, seat)
    if not first and not waiting:
        raise NothingToPublish()
    for paper in waiting:
        newest = versions_of(tx, paper)[-1].number
        tx.add(Release(paper_id=paper.id, version=newest, published_at=now))
        tx.flush()
        view = paper_view(tx, paper)
        if view:
            log.append(tx, now, paper.meeting_id, events.PaperPublished(paper=view), actor=seat.actor, level=paper.level)
        audit.record(tx, now, "paper.published", actor=seat.actor, object=paper.id, version=newest)
    notices = invitations.invite(tx, now, seat.meeting_id) if first else 0
    return first, len(waiting), notices


def _is_waiting(tx: Session, paper: Paper) -> bool:
    return versions_of(tx, paper)[-1].number not in releases_of(tx, paper.id)


def note_opened(tx: Session, now: datetime, seat: Seat, paper_id: str, version: int) -> None:
    """Remember that the member has opened this version; the first time counts."""
    paper = find_open(tx, now, seat, paper_id, version)[0]
    lock(tx, f"opened:{seat.member_id}")  # two tablets may say so at once
    if tx.get(Opened, (paper.id, version, seat.member_id)) is None:
        tx.add(Opened(paper_id=paper.id, version=version, member_id=seat.member_id, opened_at=now))


def lead_page(tx: Session, now: datetime, seat: Seat, paper_id: str | None, page: int | None) -> None:
    """Show a page (from 1) of a published paper to all, or (None) let go."""
    agenda.get_meeting(tx, seat.meeting_id)  # see `change_paper`
    if paper_id is not None:
        paper = find_paper(tx, seat.meeting_id, paper_id)
        view = paper_view(tx, paper)
        if view is None or paper.withdrawn or paper.level > Level.DELEGATE or not 1 <= (page or 0) <= view.pages:
            raise NotFound()
    agenda.lead_page(tx, now, seat, paper_id, page if paper_id else None)


def find_paper(tx: Session, meeting_id: str, paper_id: str) -> Paper:
    paper = tx.get(Paper, paper_id)
    if paper is None or paper.meeting_id != meeting_id:
        raise NotFound()
    return paper


def find_open(tx: Session, now: datetime, seat: Seat, paper_id: str, version: int | None) -> tuple[Paper, DocumentVersion]:
    """The paper and version (None: the newest) that this seat may open; NotFound otherwise."""
    paper = find_paper(tx, seat.meeting_id, paper_id)
    numbers = [row.number for row in versions_of(tx, paper)] if seat.level is Level.DESK else list(releases_of(tx, paper.id))
    wanted = version if version is not None else max(numbers, default=0)
    if wanted not in numbers or not paper.open_to(seat.level, now) or (paper.withdrawn and seat.level < Level.DESK):
        raise NotFound()
    return paper, versions.find(tx, paper.document_id, wanted)
