"""Which seat the caller has in the meeting of the path, and what it allows. Deny first."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from meetings.access.door import SignedIn
from meetings.agenda.models import Meeting
from meetings.agenda.rules import Stage
from meetings.bodies.actions import bind_subject
from meetings.bodies.models import Member
from meetings.bodies.rules import Role
from meetings.live.log import Level
from shared.caller import Caller
from shared.db import Database
from shared.prepared import Prepared
from shared.problems import Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class Seat:
    caller: Caller
    meeting_id: str
    member_id: str
    role: Role
    votes: bool
    is_chair: bool
    is_secretary: bool
    bound: bool  # the seat knows the issuer's lasting id of the person

    @property
    def level(self) -> Level:
        return _level(self.role, desk=self.is_chair or self.is_secretary)

    @property
    def actor(self) -> str:
        return self.caller.subject


_SEAT = Prepared(
    select(Meeting.stage, Meeting.chair_id, Meeting.secretary_id, Member.id, Member.role, Member.votes, Member.subject)
    .join(Member, Member.body_id == Meeting.body_id)
    .where(Meeting.id == bindparam("meeting_id"), Member.username == bindparam("username"), Member.active)
)


def find_seat(tx: Session, caller: Caller, meeting_id: str) -> Seat:
    """The caller's seat, or NotFound: to who has none, the meeting does not exist, nor does a draft to who prepares nothing."""
    found = _SEAT.one(tx, meeting_id=meeting_id, username=caller.username)
    if found is None:
        raise NotFound()
    stage, chair_id, secretary_id, member_id, role, votes, subject = found
    if subject not in (None, caller.subject):
        raise NotFound()
    seat = Seat(
        caller=caller,
        meeting_id=meeting_id,
        member_id=member_id,
        role=Role(role),
        votes=votes,
        is_chair=chair_id == member_id,
        is_secretary=secretary_id == member_id or role == Role.SECRETARY,
        bound=subject is not None,
    )
    if stage == Stage.DRAFT and seat.level < Level.DESK:
        raise NotFound()
    return seat


def _level(role: str, *, desk: bool) -> Level:
    if desk:
        return Level.DESK
    return Level.GUEST if role == Role.GUEST else Level.DELEGATE


_SEATS = Prepared(
    select(Member.id, Member.role, Meeting.chair_id, Meeting.secretary_id, Meeting.stage)
    .join(Meeting, Meeting.body_id == Member.body_id)
    .where(Meeting.id == bindparam("meeting_id"), Member.active)
)


def levels_of(tx: Session, meeting_id: str) -> Mapping[str, Level]:
    """Of everybody who has a seat that `find_seat` would find, by member."""
    seats = _SEATS.all(tx, meeting_id=meeting_id)
    levels = {
        one: _level(role, desk=one in (chair, secretary) or role == Role.SECRETARY) for one, role, chair, secretary, _ in seats
    }
    if seats and seats[0][4] == Stage.DRAFT:
        return {one: level for one, level in levels.items() if level >= Level.DESK}
    return levels


def _found(tx: Session, caller: Caller, meeting_id: str) -> Seat | None:
    """None instead of an error, which would undo what others do in the same transaction."""
    with suppress(NotFound):
        return find_seat(tx, caller, meeting_id)
    return None


def _need(allowed: Callable[[Seat], bool]) -> Callable[..., Awaitable[Seat]]:
    async def dependency(request: Request, caller: SignedIn, meeting_id: str) -> Seat:
        db: Database = request.app.state.db
        seat = await db.reads.run(lambda tx: _found(tx, caller, meeting_id))
        if seat is None:
            raise NotFound()
        if not allowed(seat):
            raise Forbidden()
        if not seat.bound:
            await db.writes.run(lambda tx: bind_subject(tx, seat.member_id, caller.subject))
        return seat

    return dependency


Seated = Annotated[Seat, Depends(_need(lambda _seat: True))]
Delegated = Annotated[Seat, Depends(_need(lambda seat: seat.level >= Level.DELEGATE))]
Voting = Annotated[Seat, Depends(_need(lambda seat: seat.votes))]
Preparing = Annotated[Seat, Depends(_need(lambda seat: seat.is_secretary))]
Conducting = Annotated[Seat, Depends(_need(lambda seat: seat.is_chair or seat.is_secretary))]
