from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import Field

from meetings.agenda.door import Conducting, Delegated, Preparing, Voting
from meetings.agenda.routes import Created, ItemMove, Title
from meetings.bodies.rules import Share
from meetings.live.frames import Receipt
from meetings.live.views import View
from meetings.live.wire import Wire
from meetings.voting import actions
from meetings.voting import box as box_of
from meetings.voting.box import Box
from meetings.voting.models import counted_of, polls_of
from meetings.voting.rules import Choice, PollStage
from shared.clock import Now
from shared.problems import NotFound
from shared.transactions import Read, Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}/polls")
items_router = APIRouter(prefix="/api/meetings/{meeting_id}/items/{item_id}")
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class NewPoll(Wire):
    item_id: Annotated[str, Field(max_length=64)]
    title: Title
    majority: Share | None = None
    duration: Annotated[int, Field(ge=10, le=3600)] | None = None


class Cast(Wire):
    choice: Choice
    replaces: Annotated[str, Field(max_length=64)] | None = None


class Extension(Wire):
    seconds: Annotated[int, Field(ge=10, le=600)]


class CountedBallot(View):
    """A line of the table of a declared named vote."""

    member_id: str
    choice: Choice
    code: str


@items_router.post("/move", status_code=204)
def move_item(seat: Preparing, tx: Tx, now: Now, item_id: str, move: ItemMove) -> None:
    actions.move_item(tx, now, seat, item_id, **move.model_dump())


@items_router.delete("", status_code=204)
def remove_item(seat: Preparing, tx: Tx, now: Now, item_id: str) -> None:
    actions.remove_item(tx, now, seat, item_id)


@router.post("", status_code=201)
def prepare_poll(seat: Preparing, tx: Tx, now: Now, plan: NewPoll) -> Created:
    return Created(id=actions.prepare_poll(tx, now, seat, **plan.model_dump()))


@router.post("/{poll_id}/open", status_code=204)
def open_poll(seat: Conducting, tx: Tx, now: Now, poll_id: str) -> None:
    actions.open_poll(tx, now, seat, poll_id)


@router.post("/{poll_id}/ballots")
async def cast_ballot(request: Request, seat: Voting, now: Now, poll_id: str, key: IdempotencyKey, cast: Cast) -> Receipt:
    """Shares its transaction with the ballots that come over sockets (`meetings.voting.box`)."""
    box: Box = request.app.state.box
    return await box.put(
        box_of.Cast(seat.meeting_id, poll_id, seat.member_id, seat.caller.sid, cast.choice.value, key, cast.replaces, now)
    )


@router.get("/{poll_id}/ballots/mine")
def my_ballot(seat: Voting, tx: Read, poll_id: str) -> Receipt:
    """The caller's ballot that counts; NotFound where there is none."""
    mine = counted_of(tx, poll_id).get(seat.member_id)
    if mine is None or poll_id not in {poll.id for poll in polls_of(tx, seat.meeting_id)}:
        raise NotFound()
    return Receipt.model_validate(mine)


@router.post("/{poll_id}/extend", status_code=204)
def extend_poll(seat: Conducting, tx: Tx, now: Now, poll_id: str, extension: Extension) -> None:
    actions.extend_poll(tx, now, seat, poll_id, extension.seconds)


@router.post("/{poll_id}/close", status_code=204)
def close_poll(seat: Conducting, tx: Tx, now: Now, poll_id: str) -> None:
    actions.close_poll(tx, now, seat, poll_id)


@router.post("/{poll_id}/declare", status_code=204)
def declare_outcome(seat: Conducting, tx: Tx, now: Now, poll_id: str) -> None:
    actions.declare_outcome(tx, now, seat, poll_id)


@router.get("/{poll_id}/ballots")
def counted_ballots(seat: Delegated, tx: Read, poll_id: str) -> list[CountedBallot]:
    """Who voted how in a named vote, once its outcome is declared."""
    if not any(poll.id == poll_id and poll.stage == PollStage.DECLARED for poll in polls_of(tx, seat.meeting_id)):
        raise NotFound()
    ballots = counted_of(tx, poll_id).values()
    return [CountedBallot.model_validate(ballot) for ballot in sorted(ballots, key=lambda ballot: ballot.code)]
