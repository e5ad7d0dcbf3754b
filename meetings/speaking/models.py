from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.live.log import Level
from meetings.live.views import SpeechView
from meetings.speaking.rules import HAS_FLOOR, SpeechState
from shared.db import Base


class Speech(Base):
    __tablename__ = "speech"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    item_id: Mapped[str | None] = mapped_column(ForeignKey("agenda_item.id"))
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    kind: Mapped[str]
    state: Mapped[str]
    position: Mapped[int]
    asked_at: Mapped[datetime]
    allotted: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)
    resumed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    def view(self) -> SpeechView:
        return SpeechView.model_validate(self)


def speeches_of(tx: Session, meeting_id: str, *states: SpeechState) -> list[Speech]:
    """In the order of the list; all states when none is named."""
    mine = select(Speech).where(Speech.meeting_id == meeting_id).order_by(Speech.position, Speech.asked_at)
    return list(tx.scalars(mine.where(Speech.state.in_(states)) if states else mine))


def speaker_of(tx: Session, meeting_id: str) -> Speech | None:
    """Who has the floor."""
    return next(iter(speeches_of(tx, meeting_id, *HAS_FLOOR)), None)


def speaking_view(tx: Session, meeting_id: str, _level: Level) -> dict[str, SpeechView]:
    return {speech.id: speech.view() for speech in speeches_of(tx, meeting_id)}
