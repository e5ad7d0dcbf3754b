from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, ForeignKey, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.agenda.models import Meeting
from meetings.agenda.rules import Stage
from meetings.bodies.models import Body
from meetings.bodies.rules import REHEARSAL
from meetings.live.models import Event
from meetings.live.views import View
from meetings.rehearsal.rules import LONGEST, SITTING, UNDER_WAY, Name, State, Verdict, passed
from shared.db import Base
from shared.prepared import Prepared


class Rehearsal(Base):
    """`meeting_id` is the true meeting; the copy is gone when the rehearsal is over, so nothing refers to it."""

    __tablename__ = "rehearsal"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    copy_id: Mapped[str | None]
    pass_digest: Mapped[str | None] = mapped_column(unique=True)
    delegates: Mapped[int]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    state: Mapped[str]
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)  # while it runs, how far it is


class FigureView(View):
    """`part` is what the limit `most` is set for: a percentile in milliseconds, or a count."""

    name: Name
    part: Literal["p95", "p99", "count"]
    most: int
    count: int
    p50: int | None
    p95: int | None
    p99: int | None
    verdict: Verdict


class ServerView(View):
    cpu: int  # percent of one core, over the whole run
    memory: int  # MiB, the most that was seen


class Result(View):
    """`errors`: what went wrong, and how often. `late`: milliseconds, p99, that the simulation itself came too late."""

    figures: list[FigureView]
    errors: dict[str, int]
    server: ServerView | None
    late: int
    seconds: int

    @property
    def passed(self) -> bool:
        return passed(figure.verdict for figure in self.figures)


Step = Literal["copying", "arriving", "sitting", "reading", "clearing"]


class Progress(View):
    step: Step
    percent: int


class RehearsalView(View):
    id: str
    delegates: int
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    state: State
    progress: Progress | None
    result: Result | None


def view(row: Rehearsal) -> RehearsalView:
    told = row.figures
    return RehearsalView.model_validate(
        {
            **{name: getattr(row, name, None) for name in RehearsalView.model_fields},
            "progress": told if "step" in told else None,
            "result": told if "figures" in told else None,
        }
    )


def rehearsals_of(tx: Session, meeting_id: str) -> list[Rehearsal]:
    """Newest first."""
    those = select(Rehearsal).where(Rehearsal.meeting_id == meeting_id)
    return list(tx.scalars(those.order_by(Rehearsal.asked_at.desc()).limit(20)))


def under_way(tx: Session, now: datetime) -> Rehearsal | None:
    """Whatever became of it, a run is over after its longest time."""
    running = select(Rehearsal).where(Rehearsal.state.in_(UNDER_WAY), Rehearsal.asked_at > now - LONGEST)
    return tx.scalars(running).first()


def overdue(tx: Session, now: datetime) -> list[Rehearsal]:
    """Runs whose process ended without a word, or whose copy is still there."""
    left = Rehearsal.state.in_(UNDER_WAY) | Rehearsal.copy_id.is_not(None)
    return list(tx.scalars(select(Rehearsal).where(left, Rehearsal.asked_at <= now - LONGEST)))


def sitting(tx: Session, now: datetime) -> Meeting | None:
    """A true meeting that is in session now."""
    lively = select(Event.seq).where(Event.meeting_id == Meeting.id, Event.at > now - SITTING).exists()
    those = select(Meeting).join(Body).where(Meeting.stage == Stage.OPEN, Body.kind != REHEARSAL, lively)
    return tx.scalars(those).first()


OF_PASS = Prepared(select(Rehearsal.copy_id, Rehearsal.asked_at).where(Rehearsal.pass_digest == bindparam("digest")))
