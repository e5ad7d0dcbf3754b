from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.live.log import Level
from meetings.live.views import MinutesView, SignatureView
from meetings.minutes.rules import MinutesStage
from shared.db import Base


class Minutes(Base):
    __tablename__ = "minutes"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(default=MinutesStage.DRAFT)
    revision: Mapped[int] = mapped_column(default=1)
    texts: Mapped[dict[str, str]] = mapped_column(JSON)  # what the secretary adds, by section
    house: Mapped[dict[str, Any] | None] = mapped_column(JSON, deferred=True)  # see `facts.House`; None: of before it was kept
    document_id: Mapped[str | None] = mapped_column(ForeignKey("document.id"))
    frozen_at: Mapped[datetime | None]
    sha256: Mapped[str | None]


class MinutesSignature(Base):
    __tablename__ = "minutes_signature"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("minutes.meeting_id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    name: Mapped[str]
    signed_at: Mapped[datetime]
    timestamped: Mapped[bool]


def signatures_of(tx: Session, meeting_id: str) -> list[MinutesSignature]:
    """In the order of signing."""
    made = select(MinutesSignature).where(MinutesSignature.meeting_id == meeting_id)
    return list(tx.scalars(made.order_by(MinutesSignature.signed_at)))


def minutes_view(tx: Session, meeting_id: str, _level: Level = Level.GUEST) -> MinutesView | None:
    minutes = tx.get(Minutes, meeting_id)
    if minutes is None:
        return None
    signatures = [SignatureView.model_validate(one) for one in signatures_of(tx, meeting_id)]
    own = {name: getattr(minutes, name) for name in ("stage", "revision", "frozen_at", "sha256")}
    return MinutesView.model_validate({**own, "signatures": signatures})
