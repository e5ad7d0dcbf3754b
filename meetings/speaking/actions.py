from datetime import datetime

from sqlalchemy.orm import Session

from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.agenda.models import Meeting
from meetings.agenda.rules import Stage, need_stage
from meetings.attendance.models import has_checked_in
from meetings.attendance.problems import NotPresent
from meetings.live import events, log
from meetings.speaking import rules
from meetings.speaking.models import Speech, speaker_of, speeches_of
from meetings.speaking.problems import AlreadyAsked, AskedTooOften
from meetings.speaking.rules import HAS_FLOOR, SpeechState
from shared.ids import new_id
from shared.problems import NotFound

LONGEST = 3600  # seconds
MOST = 100  # requests of one member in a meeting: each stays in its log, and in what every screen starts from


def ask(tx: Session, now: datetime, seat: Seat, kind: str, allotted: int) -> str:
    """Put the member on the list for the current item; once at a time. The speech's id."""
    meeting = _sitting(tx, seat)
    if not has_checked_in(tx, meeting.id, seat.member_id):
        raise NotPresent()
    every = speeches_of(tx, meeting.id)
    waiting = [other.member_id for other in every if other.state in (SpeechState.WAITING, *HAS_FLOOR)]
    if seat.member_id in waiting:
        raise AlreadyAsked(position=1 + waiting.index(seat.member_id))
    if sum(other.member_id == seat.member_id for other in every) >= MOST:
        raise AskedTooOften(most=MOST)
    speech = Speech(
        id=new_id(),
        meeting_id=meeting.id,
        item_id=meeting.current_item_id,
        member_id=seat.member_id,
        kind=kind,
        state=SpeechState.WAITING,
        position=1 + max((other.position for other in every), default=0),
        asked_at=now,
        allotted=allotted,
        used=0,
    )
    tx.add(speech)
    _log(tx, now, seat, events.SpeechRequested(speech=speech.view()))
    return speech.id


def withdraw(tx: Session, now: datetime, seat: Seat, speech_id: str) -> None:
    """The member takes the request back, or the chair strikes it off."""
    _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    if speech.member_id != seat.member_id and not (seat.is_chair or seat.is_secretary):
        raise NotFound()
    rules.need_state(SpeechState(speech.state), SpeechState.WAITING)
    speech.state = SpeechState.WITHDRAWN
    _log(tx, now, seat, events.SpeechWithdrawn(speech=speech.view()))


def move(tx: Session, now: datetime, seat: Seat, speech_id: str, place: int) -> None:
    """Change the order of those who wait; `place` from 0."""
    meeting = _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    rules.need_state(SpeechState(speech.state), SpeechState.WAITING)
    waiting = {one.id: one for one in speeches_of(tx, meeting.id, SpeechState.WAITING)}
    positions = sorted(one.position for one in waiting.values())
    for position, one_id in zip(positions, rules.reorder(list(waiting), speech_id, place), strict=True):
        waiting[one_id].position = position
    _log(tx, now, seat, events.SpeechMoved(speeches={one.id: one.view() for one in waiting.values()}))


def give_floor(tx: Session, now: datetime, seat: Seat, speech_id: str) -> None:
    """Start the member's clock; who had the floor until now has ended."""
    meeting = _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    rules.need_state(SpeechState(speech.state), SpeechState.WAITING)
    if (before := speaker_of(tx, meeting.id)) is not None:
        _end(tx, now, seat, before)
    speech.state, speech.resumed_at, speech.item_id = SpeechState.SPEAKING, now, meeting.current_item_id
    _log(tx, now, seat, events.FloorGiven(speech=speech.view()))


def pause(tx: Session, now: datetime, seat: Seat, speech_id: str) -> None:
    _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    rules.need_state(SpeechState(speech.state), SpeechState.SPEAKING)
    speech.used, speech.resumed_at = rules.used(speech.used, speech.resumed_at, now), None
    speech.state = SpeechState.PAUSED
    _log(tx, now, seat, events.FloorPaused(speech=speech.view()))


def resume(tx: Session, now: datetime, seat: Seat, speech_id: str) -> None:
    _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    rules.need_state(SpeechState(speech.state), SpeechState.PAUSED)
    speech.state, speech.resumed_at = SpeechState.SPEAKING, now
    _log(tx, now, seat, events.FloorResumed(speech=speech.view()))


def extend(tx: Session, now: datetime, seat: Seat, speech_id: str, seconds: int) -> None:
    _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    rules.need_state(SpeechState(speech.state), *HAS_FLOOR)
    speech.allotted = min(speech.allotted + seconds, LONGEST)
    _log(tx, now, seat, events.FloorExtended(speech=speech.view()))


def end(tx: Session, now: datetime, seat: Seat, speech_id: str) -> None:
    """The chair takes the floor back, or the speaker is done."""
    _sitting(tx, seat)
    speech = _find(tx, seat, speech_id)
    rules.need_state(SpeechState(speech.state), *HAS_FLOOR)
    _end(tx, now, seat, speech)


def end_floor(tx: Session, now: datetime, seat: Seat) -> None:
    """Whoever has the floor has ended: the house rises."""
    if speech := speaker_of(tx, seat.meeting_id):
        _end(tx, now, seat, speech)


def _end(tx: Session, now: datetime, seat: Seat, speech: Speech) -> None:
    speech.used, speech.resumed_at = rules.used(speech.used, speech.resumed_at, now), None
    speech.state, speech.ended_at = SpeechState.ENDED, now
    tx.flush()
    _log(tx, now, seat, events.SpeechEnded(speech=speech.view()))


def _sitting(tx: Session, seat: Seat) -> Meeting:
    meeting = agenda.get_meeting(tx, seat.meeting_id)
    need_stage(Stage(meeting.stage), Stage.OPEN)
    return meeting


def _find(tx: Session, seat: Seat, speech_id: str) -> Speech:
    speech = tx.get(Speech, speech_id)
    if speech is None or speech.meeting_id != seat.meeting_id:
        raise NotFound()
    return speech


def _log(tx: Session, now: datetime, seat: Seat, event: events.AnyEvent) -> None:
    tx.flush()
    log.append(tx, now, seat.meeting_id, event, actor=seat.actor)
