"""Prepare, open, cast, close, declare.

The promise: a ballot is acknowledged after its commit; a retry gets the same receipt, byte for byte; what was
acknowledged before the close is in the tally, and nothing else is.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count

from sqlalchemy.orm import Session

from meetings.agenda import actions as agenda
from meetings.agenda.door import Seat
from meetings.agenda.models import Meeting, agenda_view
from meetings.agenda.problems import NoQuorum
from meetings.agenda.rules import Stage, need_stage
from meetings.attendance.models import present_of, quorum_of
from meetings.bodies.models import count_voters, voters_of
from meetings.bodies.rules import Share, needed
from meetings.live import events, log
from meetings.live.frames import Receipt
from meetings.live.log import Level
from meetings.voting import rules
from meetings.voting.box import Cast, cast_together
from meetings.voting.models import (
    Poll,
    PollVoter,
    choices_of,
    electorate_of,
    last_cast_at,
    next_place,
    open_poll_of,
    polls_of,
    receipts_of,
)
from meetings.voting.problems import AnotherPollOpen, WeakDatabase
from meetings.voting.rules import Choice, PollStage
from shared import audit, clock, jobs
from shared.audit import canonical
from shared.db import Database, lock
from shared.ids import fingerprint, new_id, new_token
from shared.problems import NotFound, Problem
from shared.words import nfc

SPARES = (0, 5, 30)  # seconds after its hour at which a poll is closed, should the process have died that took the close before
LATEST = timedelta(hours=2)  # the longest a poll may be kept open by extensions


def prepare_poll(
    tx: Session, now: datetime, seat: Seat, *, item_id: str, title: str, majority: Share | None, duration: int | None
) -> str:
    """Write a poll down under an item; `majority` None means the body's ordinary one; `duration` in seconds. Its id."""
    meeting = agenda.get_unclosed(tx, seat.meeting_id)
    item = agenda.get_item(tx, meeting.id, item_id)
    share, total = majority or Share(meeting.body.majority), count_voters(tx, meeting.body_id)
    poll = Poll(
        id=new_id(),
        meeting_id=meeting.id,
        item_id=item.id,
        place=next_place(tx, item.id),
        number="",
        title=nfc(title),
        majority=share,
        chair_breaks_tie=meeting.body.chair_breaks_tie,
        duration=duration,
        stage=PollStage.PREPARED,
        secret=new_token(),
        electorate=total,
        needed=needed(share, total),
        tie_decided_by_chair=False,
    )
    tx.add(poll)
    _number_prepared(tx, now, seat)
    return poll.id


def move_item(tx: Session, now: datetime, seat: Seat, item_id: str, *, parent_id: str | None, position: int) -> None:
    """See `agenda.actions`; polls that nobody has voted in yet take the new numbers of their items."""
    agenda.move_item(tx, now, seat, item_id, parent_id=parent_id, position=position)
    _number_prepared(tx, now, seat)


def remove_item(tx: Session, now: datetime, seat: Seat, item_id: str) -> None:
    """See `move_item`."""
    agenda.remove_item(tx, now, seat, item_id)
    _number_prepared(tx, now, seat)


def _number_prepared(tx: Session, now: datetime, seat: Seat) -> None:
    """A prepared poll's number is its item's and a place; a poll once opened keeps the number under which it was voted on."""
    meeting, items = tx.get_one(Meeting, seat.meeting_id), agenda_view(tx, seat.meeting_id)
    polls = sorted(polls_of(tx, meeting.id), key=lambda poll: poll.place)
    prepared = [poll for poll in polls if poll.stage == PollStage.PREPARED]
    taken = {poll.number for poll in polls if poll.stage != PollStage.PREPARED}
    for poll in prepared:
        places = (f"{items[poll.item_id].number}.{place}" for place in count(poll.place))
        number = next(one for one in places if one not in taken)
        taken.add(number)
        if number != poll.number:
            poll.number = number
            event = events.PollPrepared(poll=poll.view(Level.GUEST))
            log.append(tx, now, meeting.id, event, actor=seat.actor, level=meeting.seen_from)


def open_poll(tx: Session, now: datetime, seat: Seat, poll_id: str) -> None:
    """Freeze the electorate and the rule, and let ballots in; refused without quorum."""
    meeting = agenda.get_meeting(tx, seat.meeting_id)
    poll = _locked(tx, meeting.id, poll_id)
    rules.need_prepared(PollStage(poll.stage))
    need_stage(Stage(meeting.stage), Stage.OPEN)
    if open_poll_of(tx, meeting.id):
        raise AnotherPollOpen()
    _need_durable_database(tx)
    quorum = quorum_of(tx, meeting)
    if not quorum.reached:
        raise NoQuorum(needed=quorum.needed, total=quorum.total, present=quorum.present)
    tx.add_all(PollVoter(poll_id=poll.id, member_id=voter_id) for voter_id in voters_of(tx, meeting.body_id))
    poll.stage, poll.opened_at, poll.chair_id = PollStage.OPEN, now, meeting.chair_id
    poll.electorate, poll.needed = quorum.total, needed(Share(poll.majority), quorum.total)
    poll.quorum_needed, poll.quorum_present = quorum.needed, quorum.present
    if poll.duration:
        _close_later(tx, poll, now + timedelta(seconds=poll.duration))
    _log(tx, now, seat.actor, poll, events.PollOpened(poll=poll.view(Level.GUEST)))
    audit.record(tx, now, "poll.opened", actor=seat.actor, object=poll.id, needed=poll.needed, electorate=poll.electorate)


def cast_ballot(
    tx: Session, now: datetime, seat: Seat, poll_id: str, choice: Choice, key: str, replaces: str | None
) -> Receipt:
    """Put one ballot in; see `box.cast_together`, which puts in many."""
    cast = Cast(seat.meeting_id, poll_id, seat.member_id, seat.caller.sid, choice.value, key, replaces, now)
    [outcome] = cast_together(tx, [cast])
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


def extend_poll(tx: Session, now: datetime, seat: Seat, poll_id: str, seconds: int) -> None:
    """Give more time to a poll that has a clock."""
    poll = _locked(tx, seat.meeting_id, poll_id)
    rules.need_open(PollStage(poll.stage), poll.closes_at, now)
    if poll.closes_at and poll.opened_at:
        _close_later(tx, poll, min(poll.closes_at + timedelta(seconds=seconds), poll.opened_at + LATEST))
        _log(tx, now, seat.actor, poll, events.PollExtended(poll=poll.view(Level.GUEST)))


def close_poll(tx: Session, now: datetime, seat: Seat, poll_id: str) -> None:
    """End the vote and count it. Nothing can be put in or changed after this transaction."""
    poll = _locked(tx, seat.meeting_id, poll_id)
    if poll.stage != PollStage.OPEN:
        rules.need_open(PollStage(poll.stage), None, now)
    _close(tx, now, poll, seat.actor)


def close_when_due(db: Database, body: dict[str, str]) -> None:
    """The job that closes a poll at its hour; an extension has jobs of its own, so an early one does nothing."""
    now = clock.now()
    with db.write() as tx:
        poll = _locked(tx, body["meeting_id"], body["poll_id"])
        if poll.stage == PollStage.OPEN and poll.closes_at and now >= poll.closes_at:
            _close(tx, now, poll, "clock")


def declare_outcome(tx: Session, now: datetime, seat: Seat, poll_id: str) -> None:
    """Tell the counted result to all."""
    poll = _locked(tx, seat.meeting_id, poll_id)
    rules.need_closed(PollStage(poll.stage))
    poll.stage = PollStage.DECLARED
    _log(tx, now, seat.actor, poll, events.OutcomeDeclared(poll=poll.view(Level.GUEST)))
    audit.record(tx, now, "outcome.declared", actor=seat.actor, object=poll.id, outcome=poll.outcome)


def _close(tx: Session, now: datetime, poll: Poll, actor: str) -> None:
    meeting = tx.get_one(Meeting, poll.meeting_id)
    choices = choices_of(tx, poll.id)
    tally = rules.count(electorate_of(tx, poll.id), choices, present_of(tx, meeting.id))
    chair = choices.get(poll.chair_id) if poll.chair_id else None
    decision = rules.decide(tally, Share(poll.majority), chair_breaks_tie=poll.chair_breaks_tie, chair=chair)
    # `now` is the first instant of the closing request; a ballot of a later instant may have had the lock before it.
    poll.stage, poll.closed_at = PollStage.CLOSED, max(now, last_cast_at(tx, poll.id) or now)
    for bucket in ("in_favour", "against", "abstaining", "not_voted", "absent"):
        setattr(poll, bucket, getattr(tally, bucket))
    poll.outcome, poll.tie_decided_by_chair = decision.outcome, decision.tie_decided_by_chair
    poll.check_code = fingerprint(_result_hash(tx, poll))
    tx.flush()
    _log(tx, now, actor, poll, events.PollClosed(poll=poll.view(Level.GUEST)))
    log.append(tx, now, meeting.id, events.PollCounted(poll=poll.view(Level.DESK)), actor=actor, level=Level.DESK)
    audit.record(tx, now, "poll.closed", actor=actor, object=poll.id, outcome=poll.outcome, check_code=poll.check_code)


def _result_hash(tx: Session, poll: Poll) -> str:
    """SHA-256 over the receipts that count, sorted: what the check code on every screen is taken from."""
    return sha256(canonical([poll.id, poll.electorate, poll.needed, receipts_of(tx, poll.id)])).hexdigest()


def _find(tx: Session, meeting_id: str, poll_id: str) -> Poll:
    poll = tx.get(Poll, poll_id, populate_existing=True)
    if poll is None or poll.meeting_id != meeting_id:
        raise NotFound()
    return poll


def _locked(tx: Session, meeting_id: str, poll_id: str) -> Poll:
    """The poll, with every ballot under way finished and later ones held off until this transaction ends."""
    lock(tx, f"poll:{poll_id}")
    return _find(tx, meeting_id, poll_id)


def _log(tx: Session, now: datetime, actor: str, poll: Poll, event: events.AnyEvent) -> None:
    tx.flush()
    log.append(tx, now, poll.meeting_id, event, actor=actor)


def _close_later(tx: Session, poll: Poll, at: datetime) -> None:
    poll.closes_at = at
    for spare in SPARES:
        jobs.enqueue(tx, "poll.close", {"meeting_id": poll.meeting_id, "poll_id": poll.id}, at + timedelta(seconds=spare))


def _need_durable_database(tx: Session) -> None:
    db: Database | None = tx.info.get("db")
    if db and (weak := db.weak_settings()):
        raise WeakDatabase(settings=", ".join(weak))
