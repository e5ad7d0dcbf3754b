from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from meetings.agenda.rules import Node, Stage, numbers
from meetings.bodies.models import Body
from meetings.bodies.models import views as member_views
from meetings.live.log import Level
from meetings.live.views import ItemView, Lead, MeetingView, MemberView
from shared.db import Base


class Meeting(Base):
    __tablename__ = "meeting"

    id: Mapped[str] = mapped_column(primary_key=True)
    body_id: Mapped[str] = mapped_column(ForeignKey("body.id"), index=True)
    title: Mapped[str]
    kind: Mapped[str]
    place: Mapped[str]
    starts_at: Mapped[datetime]
    stage: Mapped[str] = mapped_column(default=Stage.DRAFT)
    chair_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"))
    secretary_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"))
    published_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    current_item_id: Mapped[str | None]
    lead_paper_id: Mapped[str | None]
    lead_page: Mapped[int | None]
    lost_bridge: Mapped[str | None]  # the body's rule when it was last opened; None: not yet

    body: Mapped[Body] = relationship()

    def view(self) -> MeetingView:
        return MeetingView.model_validate(
            {
                **{name: getattr(self, name) for name in MeetingView.model_fields if name not in ("body_name", "lead")},
                "body_name": self.body.name,
                "lead": Lead(paper_id=self.lead_paper_id, page=self.lead_page or 1) if self.lead_paper_id else None,
            }
        )

    @property
    def seen_from(self) -> Level:
        """The least level that may know of it: a draft is the desk's own."""
        return Level.DESK if self.stage == Stage.DRAFT else Level.GUEST


class AgendaItem(Base):
    __tablename__ = "agenda_item"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("agenda_item.id"))
    position: Mapped[int]
    title: Mapped[str]
    presenter: Mapped[str] = mapped_column(default="")
    minutes: Mapped[int | None]

    @property
    def node(self) -> Node:
        return Node(self.id, self.parent_id, self.position)


def items_of(tx: Session, meeting_id: str) -> list[AgendaItem]:
    return list(tx.scalars(select(AgendaItem).where(AgendaItem.meeting_id == meeting_id)))


def meeting_view(tx: Session, meeting_id: str, _level: Level) -> MeetingView:
    return tx.get_one(Meeting, meeting_id).view()


def agenda_view(tx: Session, meeting_id: str, _level: Level = Level.DESK) -> dict[str, ItemView]:
    items = items_of(tx, meeting_id)
    numbered = numbers([item.node for item in items])
    return {
        item.id: ItemView(
            id=item.id,
            parent_id=item.parent_id,
            position=item.position,
            number=numbered[item.id],
            title=item.title,
            presenter=item.presenter,
            minutes=item.minutes,
        )
        for item in items
    }


def members_view(tx: Session, meeting_id: str, _level: Level) -> dict[str, MemberView]:
    return member_views(tx, tx.get_one(Meeting, meeting_id).body_id)
