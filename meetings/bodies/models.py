from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.bodies.rules import Role, Share
from meetings.live.views import MemberView
from shared.db import Base
from shared.words import name_key


class Body(Base):
    __tablename__ = "body"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    quorum: Mapped[str]
    majority: Mapped[str]
    chair_breaks_tie: Mapped[bool]

    @property
    def quorum_share(self) -> Share:
        return Share(self.quorum)


class Member(Base):
    """A seat in a body. `username` is the issuer's; `subject` is bound at the first sign-in and must agree ever after."""

    __tablename__ = "member"
    __table_args__ = (UniqueConstraint("body_id", "username"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    body_id: Mapped[str] = mapped_column(ForeignKey("body.id"), index=True)
    username: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str | None]
    full_name: Mapped[str]
    honorific: Mapped[str]
    email: Mapped[str]
    post: Mapped[str]
    group: Mapped[str]
    seat: Mapped[str]
    role: Mapped[str]
    votes: Mapped[bool]
    active: Mapped[bool] = mapped_column(default=True)


def members_of(tx: Session, body_id: str) -> list[Member]:
    """Active members in the Vietnamese order of names."""
    active = select(Member).where(Member.body_id == body_id, Member.active)
    return sorted(tx.scalars(active), key=lambda member: name_key(member.full_name))


def voters_of(tx: Session, body_id: str) -> list[Member]:
    """All members with a vote: the denominator of every share."""
    return [member for member in members_of(tx, body_id) if member.votes]


def views(tx: Session, body_id: str) -> dict[str, MemberView]:
    return {
        member.id: MemberView(
            id=member.id,
            full_name=member.full_name,
            honorific=member.honorific,
            post=member.post,
            group=member.group,
            seat=member.seat,
            role=Role(member.role).value,
            votes=member.votes,
            place=place,
        )
        for place, member in enumerate(members_of(tx, body_id))
    }
