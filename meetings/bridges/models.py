from datetime import datetime

from sqlalchemy import JSON, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.bodies.models import Member
from meetings.bridges.rules import EVERY, Heard, worst
from shared.db import Base


class BridgeReading(Base):
    """What one process heard of a bridge with somebody online; swept after half an hour. `online`: members there, but for those
    whom a process that is named before it hears too."""

    __tablename__ = "bridge_reading"

    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    bridge_id: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    online: Mapped[int]
    delay: Mapped[int | None]  # milliseconds


class BridgeHeard(Base):
    """What one process hears of a bridge, and whom, as it last wrote it down."""

    __tablename__ = "bridge_heard"

    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    bridge_id: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    members: Mapped[list[str]] = mapped_column(JSON)
    relayed: Mapped[int]
    delay: Mapped[int | None]

    @property
    def heard(self) -> Heard:
        return Heard(tuple(self.members), self.relayed, self.delay)


class BridgeNote(Base):
    """What the desk wrote down about a bridge: a call, a power cut."""

    __tablename__ = "bridge_note"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    bridge_id: Mapped[str] = mapped_column(ForeignKey("bridge.id"))
    at: Mapped[datetime]
    by: Mapped[str]  # member id
    text: Mapped[str]


def readings_of(tx: Session, meeting_id: str, bridge_id: str, since: datetime) -> list[BridgeReading]:
    """Of all processes, oldest first."""
    mine = select(BridgeReading).where(
        BridgeReading.meeting_id == meeting_id, BridgeReading.bridge_id == bridge_id, BridgeReading.at > since
    )
    return list(tx.scalars(mine.order_by(BridgeReading.at)))


def trail(readings: list[BridgeReading]) -> list[tuple[datetime, int, int | None]]:
    """(at, members online, delay): one each 15 s, summed over the processes."""
    slots: dict[int, dict[str, BridgeReading]] = {}
    for one in readings:
        slots.setdefault(int(one.at.timestamp() // EVERY.total_seconds()), {})[one.node] = one
    sums = [(max(one.at for one in nodes.values()), list(nodes.values())) for nodes in slots.values()]
    return [(at, sum(one.online for one in those), worst(one.delay for one in those)) for at, those in sums]


def heard_of(tx: Session, meeting_id: str, bridge_id: str, since: datetime) -> dict[str, Heard]:
    """What each process has heard of the bridge since then."""
    rows = select(BridgeHeard).where(
        BridgeHeard.meeting_id == meeting_id, BridgeHeard.bridge_id == bridge_id, BridgeHeard.at > since
    )
    return {row.node: row.heard for row in tx.scalars(rows)}


def notes_of(tx: Session, meeting_id: str, bridge_id: str) -> list[tuple[BridgeNote, str]]:
    """In their order, with the name of who wrote each."""
    mine = select(BridgeNote, Member.full_name).join(Member, Member.id == BridgeNote.by)
    mine = mine.where(BridgeNote.meeting_id == meeting_id, BridgeNote.bridge_id == bridge_id)
    return [(note, name) for note, name in tx.execute(mine.order_by(BridgeNote.at, BridgeNote.id))]
