from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from meetings.live.log import Level
from meetings.live.views import PollView, QuorumView, TallyView
from meetings.voting.rules import Choice, PollStage
from shared.db import Base


class Poll(Base):
    """What stands after `opened_at` is frozen: the electorate, the rule, the sum."""

    __tablename__ = "poll"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("agenda_item.id"))
    place: Mapped[int]  # order of making within the item
    number: Mapped[str]
    title: Mapped[str]
    majority: Mapped[str]
    chair_breaks_tie: Mapped[bool]
    duration: Mapped[int | None]
    stage: Mapped[str] = mapped_column(default=PollStage.PREPARED)
    secret: Mapped[str]  # keys the receipts of this poll
    chair_id: Mapped[str | None]
    electorate: Mapped[int]
    needed: Mapped[int]
    quorum_needed: Mapped[int | None]
    quorum_present: Mapped[int | None]
    opened_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    in_favour: Mapped[int | None]
    against: Mapped[int | None]
    abstaining: Mapped[int | None]
    not_voted: Mapped[int | None]
    absent: Mapped[int | None]
    outcome: Mapped[str | None]
    tie_decided_by_chair: Mapped[bool] = mapped_column(default=False)
    check_code: Mapped[str | None]

    def view(self, level: Level) -> PollView:
        """The result is the desk's until it is declared."""
        told = self.stage == PollStage.DECLARED or (self.stage == PollStage.CLOSED and level >= Level.DESK)
        return PollView.model_validate(
            {
                **{name: getattr(self, name, None) for name in PollView.model_fields},
                "kind": "named",
                "quorum": self._quorum(),
                "tally": TallyView.model_validate(self) if told else None,
                "outcome": self.outcome if told else None,
                "tie_decided_by_chair": self.tie_decided_by_chair if told else False,
                "check_code": self.check_code if told else None,
            }
        )

    def _quorum(self) -> QuorumView | None:
        if self.quorum_needed is None or self.quorum_present is None:
            return None
        reached = self.quorum_present >= self.quorum_needed
        return QuorumView(total=self.electorate, needed=self.quorum_needed, present=self.quorum_present, reached=reached)


class PollVoter(Base):
    """The electorate, frozen when the poll opened: all members with a vote, here or not."""

    __tablename__ = "poll_voter"

    poll_id: Mapped[str] = mapped_column(ForeignKey("poll.id"), primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), primary_key=True)


class Ballot(Base):
    """Append-only. A changed mind is a further ballot with the next `turn`; the last one counts."""

    __tablename__ = "ballot"
    __table_args__ = (UniqueConstraint("poll_id", "member_id", "turn"), Index(None, "poll_id", "cast_at"))

    poll_id: Mapped[str] = mapped_column(ForeignKey("poll.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)  # the client's idempotency key
    member_id: Mapped[str]
    turn: Mapped[int]
    choice: Mapped[str]
    cast_at: Mapped[datetime]
    receipt: Mapped[str]
    code: Mapped[str]


def polls_of(tx: Session, meeting_id: str) -> list[Poll]:
    return list(tx.scalars(select(Poll).where(Poll.meeting_id == meeting_id).order_by(Poll.number)))


def polls_view(tx: Session, meeting_id: str, level: Level) -> dict[str, PollView]:
    return {poll.id: poll.view(level) for poll in polls_of(tx, meeting_id)}


def counted_of(tx: Session, poll_id: str) -> dict[str, Ballot]:
    """The ballot that counts of each member who voted, by member."""
    every = tx.scalars(select(Ballot).where(Ballot.poll_id == poll_id).order_by(Ballot.turn))
    return {ballot.member_id: ballot for ballot in every}


def choices_of(tx: Session, poll_id: str) -> dict[str, Choice]:
    return {member_id: Choice(choice) for member_id, choice in _counted(tx, poll_id, Ballot.choice).items()}


def receipts_of(tx: Session, poll_id: str) -> list[str]:
    """Of the ballots that count, sorted."""
    return sorted(_counted(tx, poll_id, Ballot.receipt).values())


def _counted(tx: Session, poll_id: str, column: InstrumentedAttribute[str]) -> dict[str, str]:
    """The same of one column: the poll is locked while it is closed, and whole ballots take four times as long to read."""
    every = select(Ballot.member_id, column).where(Ballot.poll_id == poll_id).order_by(Ballot.turn)
    counted: dict[str, str] = dict(tx.execute(every).all())
    return counted


def last_cast_at(tx: Session, poll_id: str) -> datetime | None:
    return tx.scalar(select(func.max(Ballot.cast_at)).where(Ballot.poll_id == poll_id))


def electorate_of(tx: Session, poll_id: str) -> set[str]:
    return set(tx.scalars(select(PollVoter.member_id).where(PollVoter.poll_id == poll_id)))


def open_poll_of(tx: Session, meeting_id: str) -> Poll | None:
    return tx.scalars(select(Poll).where(Poll.meeting_id == meeting_id, Poll.stage == PollStage.OPEN)).first()


def next_place(tx: Session, item_id: str) -> int:
    return 1 + (tx.scalar(select(func.max(Poll.place)).where(Poll.item_id == item_id)) or 0)
