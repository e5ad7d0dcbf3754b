from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Base


class MeetingLog(Base):
    """The head of a meeting's log. Its row is the lock that makes `seq` gapless and in commit order."""

    __tablename__ = "meeting_log"

    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[str]  # changes when a database is restored: older sockets and tickets are dead
    seq: Mapped[int] = mapped_column(default=0)
    hash: Mapped[str] = mapped_column(default="")


class Event(Base):
    """Append-only. `hash` = SHA-256 over the previous hash and the canonical event."""

    __tablename__ = "event"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting_log.meeting_id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    level: Mapped[int]  # the least `Level` that may see it
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str]
    hash: Mapped[str]


class Connected(Base):
    """Members whose tablets one process serves in a meeting, as it last wrote it down."""

    __tablename__ = "connected"

    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    members: Mapped[list[str]] = mapped_column(JSON)


class Ticket(Base):
    """One entry to one socket, within a minute, for who asked for it."""

    __tablename__ = "ticket"

    digest: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str]
    sid: Mapped[str]
    member_id: Mapped[str | None]
    level: Mapped[int]
    expires_at: Mapped[datetime]
