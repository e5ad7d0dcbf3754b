from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.bodies.models import Member
from meetings.bridges.rules import EVERY, KEPT, together
from shared.db import Base


class BridgeReading(Base):
    """What one process heard of a bridge with somebody online; swept after half an hour."""

    __tablename__ = "bridge_reading"

    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    bridge_id: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    online: Mapped[int]
    delay: Mapped[int | None]  # milliseconds


class BridgeNote(Base):
    """What the desk wrote down about a bridge: a call, a power cut."""

    __tablename__ = "bridge_note"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    bridge_id: Mapped[str] = mapped_column(ForeignKey("bridge.id"))
    at: Mapped[datetime]
    by: Mapped[str]  # member id
    text: Mapped[str]


def trail(tx: Session, meeting_id: str, bridge_id: str, now: datetime) -> list[tuple[datetime, int, int | None]]:
    """(at, members online, delay) of the last half hour, oldest first: one each 15 s, summed over the processes."""
    mine = select(BridgeReading).where(
        BridgeReading.meeting_id == meeting_id, BridgeReading.bridge_id == bridge_id, BridgeReading.at > now - KEPT
    )
    slots: dict[int, dict[str, BridgeReading]] = {}
    for one in tx.scalars(mine.order_by(BridgeReading.at)):
        slots.setdefault(int(one.at.timestamp() // EVERY.total_seconds()), {})[one.node] = one
    return [
        (max(one.at for one in nodes.values()), *together([(one.online, one.delay) for one in nodes.values()]))
        for nodes in slots.values()
    ]


def notes_of(tx: Session, meeting_id: str, bridge_id: str) -> list[tuple[BridgeNote, str]]:
    """In their order, with the name of who wrote each."""
    mine = select(BridgeNote, Member.full_name).join(Member, Member.id == BridgeNote.by)
    mine = mine.where(BridgeNote.meeting_id == meeting_id, BridgeNote.bridge_id == bridge_id)
    return [(note, name) for note, name in tx.execute(mine.order_by(BridgeNote.at, BridgeNote.id))]
