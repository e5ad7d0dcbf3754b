from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.db import Base


class Invitation(Base):
    __tablename__ = "invitation"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), primary_key=True)
    invited_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    reply: Mapped[str | None]
    reason: Mapped[str] = mapped_column(default="")
    replied_at: Mapped[datetime | None]


def invitations_of(tx: Session, meeting_id: str) -> list[Invitation]:
    return list(tx.scalars(select(Invitation).where(Invitation.meeting_id == meeting_id)))
