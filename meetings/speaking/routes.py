from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from meetings.agenda.door import Conducting, Delegated
from meetings.agenda.routes import Created
from meetings.live.wire import Wire
from meetings.speaking import actions
from shared.clock import Now
from shared.transactions import Tx

router = APIRouter(prefix="/api/meetings/{meeting_id}/speeches")


class NewSpeech(Wire):
    kind: Literal["speech", "debate"] = "speech"
    allotted: Annotated[int, Field(ge=60, le=1800)] = 300  # seconds


class Place(Wire):
    place: Annotated[int, Field(ge=0, le=1000)]


class MoreTime(Wire):
    seconds: Annotated[int, Field(ge=10, le=600)]


@router.post("", status_code=201)
def ask(seat: Delegated, tx: Tx, now: Now, speech: NewSpeech) -> Created:
    return Created(id=actions.ask(tx, now, seat, speech.kind, speech.allotted))


@router.post("/{speech_id}/withdraw", status_code=204)
def withdraw(seat: Delegated, tx: Tx, now: Now, speech_id: str) -> None:
    actions.withdraw(tx, now, seat, speech_id)


@router.post("/{speech_id}/move", status_code=204)
def move(seat: Conducting, tx: Tx, now: Now, speech_id: str, place: Place) -> None:
    actions.move(tx, now, seat, speech_id, place.place)


@router.post("/{speech_id}/give", status_code=204)
def give_floor(seat: Conducting, tx: Tx, now: Now, speech_id: str) -> None:
    actions.give_floor(tx, now, seat, speech_id)


@router.post("/{speech_id}/pause", status_code=204)
def pause(seat: Conducting, tx: Tx, now: Now, speech_id: str) -> None:
    actions.pause(tx, now, seat, speech_id)


@router.post("/{speech_id}/resume", status_code=204)
def resume(seat: Conducting, tx: Tx, now: Now, speech_id: str) -> None:
    actions.resume(tx, now, seat, speech_id)


@router.post("/{speech_id}/extend", status_code=204)
def extend(seat: Conducting, tx: Tx, now: Now, speech_id: str, more: MoreTime) -> None:
    actions.extend(tx, now, seat, speech_id, more.seconds)


@router.post("/{speech_id}/end", status_code=204)
def end(seat: Conducting, tx: Tx, now: Now, speech_id: str) -> None:
    actions.end(tx, now, seat, speech_id)
