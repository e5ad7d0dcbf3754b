from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from docs_store import versions
from docs_store.access import Rule, may_open
from docs_store.models import DocumentVersion
from meetings.live.log import Level
from meetings.live.views import PaperView
from shared.db import Base

# What a participant of each level may open: the paper's audience is the one reader that its rule names.
PRINCIPALS = {
    Level.GUEST: ("all",),
    Level.DELEGATE: ("all", "delegates"),
    Level.DESK: ("all", "delegates", "desk"),
}


class Paper(Base):
    __tablename__ = "paper"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("agenda_item.id"))
    document_id: Mapped[str] = mapped_column(ForeignKey("document.id"))
    title: Mapped[str]
    file_name: Mapped[str]  # the same name again means a new version
    audience: Mapped[str]
    withdrawn: Mapped[bool] = mapped_column(default=False)
    place: Mapped[int]  # in the order of coming in

    def open_to(self, level: Level, now: datetime) -> bool:
        return may_open(Rule(frozenset({self.audience})), PRINCIPALS[level], now)

    @property
    def level(self) -> Level:
        """The least level that may know of it."""
        return next(level for level in Level if self.audience in PRINCIPALS[level])


class Release(Base):
    """A version that went out to its readers; what has no release is the desk's alone."""

    __tablename__ = "paper_release"

    paper_id: Mapped[str] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    published_at: Mapped[datetime]


class Opened(Base):
    """A member has had this version before their eyes."""

    __tablename__ = "paper_opened"

    paper_id: Mapped[str] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), primary_key=True)
    opened_at: Mapped[datetime]


def papers_of(tx: Session, meeting_id: str) -> list[Paper]:
    return list(tx.scalars(select(Paper).where(Paper.meeting_id == meeting_id).order_by(Paper.place)))


def releases_of(tx: Session, paper_id: str) -> dict[int, Release]:
    """Published versions by number, oldest first."""
    rows = select(Release).where(Release.paper_id == paper_id).order_by(Release.version)
    return {release.version: release for release in tx.scalars(rows)}


def versions_of(tx: Session, paper: Paper) -> list[DocumentVersion]:
    rows = select(DocumentVersion).where(DocumentVersion.document_id == paper.document_id)
    return list(tx.scalars(rows.order_by(DocumentVersion.number)))


def paper_view(tx: Session, paper: Paper) -> PaperView | None:
    """The newest published version; None where nothing went out yet."""
    releases = releases_of(tx, paper.id)
    if not releases:
        return None
    release = list(releases.values())[-1]
    version = versions.find(tx, paper.document_id, release.version)
    return PaperView.model_validate(
        {
            **{name: getattr(paper, name) for name in ("id", "item_id", "title", "audience", "withdrawn")},
            **{name: getattr(version, name) for name in ("sha256", "pages", "size")},
            "version": release.version,
            "published_at": release.published_at,
        }
    )


def papers_view(tx: Session, meeting_id: str, level: Level) -> dict[str, PaperView]:
    shown = {paper.id: paper_view(tx, paper) for paper in papers_of(tx, meeting_id) if paper.level <= level}
    return {paper_id: view for paper_id, view in shown.items() if view}
