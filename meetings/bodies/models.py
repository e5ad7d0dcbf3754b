from sqlalchemy import ColumnElement, ForeignKey, UniqueConstraint, and_, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from meetings.bodies.rules import Role, Share
from meetings.live.views import MemberView
from shared.caller import Caller
from shared.db import Base
from shared.words import name_key, sort_key


class Body(Base):
    __tablename__ = "body"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    quorum: Mapped[str]
    majority: Mapped[str]
    chair_breaks_tie: Mapped[bool]
    lost_bridge: Mapped[str]

    @property
    def quorum_share(self) -> Share:
        return Share(self.quorum)


class Bridge(Base):
    """A remote room of the body, for good. `number`: the how manieth it was, which orders the clusters."""

    __tablename__ = "bridge"
    __table_args__ = (UniqueConstraint("body_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    body_id: Mapped[str] = mapped_column(ForeignKey("body.id"))
    number: Mapped[int]
    name: Mapped[str]
    short: Mapped[str]
    cluster: Mapped[str]
    lead_username: Mapped[str]  # empty: nobody is in charge
    phone: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)


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
    bridge_id: Mapped[str | None] = mapped_column(ForeignKey("bridge.id"))  # None: in the hall


def is_seat_of(caller: Caller) -> ColumnElement[bool]:
    """Of a member. A user name may pass to another person; a seat that is bound does not go with it."""
    same_person = or_(Member.subject.is_(None), Member.subject == caller.subject)
    return and_(Member.username == caller.username, Member.active, same_person)


def members_of(tx: Session, body_id: str) -> list[Member]:
    """Active members in the Vietnamese order of names."""
    active = select(Member).where(Member.body_id == body_id, Member.active)
    return sorted(tx.scalars(active), key=lambda member: name_key(member.full_name))


def voters_of(tx: Session, body_id: str) -> list[str]:
    """Ids of all members with a vote: the denominator of every share."""
    return list(tx.scalars(select(Member.id).where(Member.body_id == body_id, Member.active, Member.votes)))


def count_voters(tx: Session, body_id: str) -> int:
    voters = select(func.count()).select_from(Member).where(Member.body_id == body_id, Member.active, Member.votes)
    return tx.execute(voters).scalar_one()


def bridges_of(tx: Session, body_id: str) -> list[tuple[int, Bridge]]:
    """Active bridges with their places: clusters as they were first named, the Vietnamese alphabet within each. A bridge that
    is closed leaves its place empty."""
    every = list(tx.scalars(select(Bridge).where(Bridge.body_id == body_id).order_by(Bridge.number)))
    first: dict[str, int] = {}
    for bridge in every:
        first.setdefault(bridge.cluster, bridge.number)
    every.sort(key=lambda bridge: (first[bridge.cluster], sort_key(bridge.short), bridge.number))
    return [(place, bridge) for place, bridge in enumerate(every) if bridge.active]


def bridge_names(tx: Session, body_id: str) -> set[str]:
    """In small letters."""
    return {name.casefold() for name in tx.scalars(select(Bridge.name).where(Bridge.body_id == body_id, Bridge.active))}


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
            bridge_id=member.bridge_id,
        )
        for place, member in enumerate(members_of(tx, body_id))
    }
