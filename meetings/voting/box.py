"""The ballot box: ballots that come together share a transaction, over the socket and over HTTPS alike.

A ballot that comes alone goes in at once; those that come while one transaction is under way, or within `TOGETHER` after it,
share the next. One commit a ballot costs five times as much (`make bench-live`; docs/performance-live.md).
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from meetings.access.models import EndedSession
from meetings.access.problems import SessionEnded
from meetings.attendance.models import Attendance
from meetings.attendance.problems import NotPresent
from meetings.bodies.models import Member
from meetings.live.frames import Receipt, VoteCast, VoteRefused
from meetings.live.hub import Listener
from meetings.live.ways import finished
from meetings.voting import rules
from meetings.voting.check import seal
from meetings.voting.models import Ballot, Poll, PollVoter
from meetings.voting.problems import AlreadyVoted, ChangedTooOften, KeyReused, NotEligible
from meetings.voting.rules import PollStage
from shared.app import is_audited, record_refusal
from shared.clock import now
from shared.db import Database, lock
from shared.ids import short_code
from shared.prepared import Prepared
from shared.problems import Forbidden, NotFound, Problem, Unavailable

MOST = 500  # ballots in one transaction: bounds how long the event loop, or a closing chair, waits for it
MANY = 20  # ballots within TOGETHER: a hall votes
QUIET = 0.004  # seconds in which nobody comes: then the last of a hall do not wait for others
TOGETHER = 0.02  # seconds between two transactions: what each costs, in pages written as well, is shared by more


class Cast(NamedTuple):
    """A ballot as it came. `key` is the client's idempotency key, `replaces` the receipt of the ballot that it changes."""

    meeting_id: str
    poll_id: str
    member_id: str
    sid: str
    choice: str
    key: str
    replaces: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class _Poll:
    id: str
    meeting_id: str
    stage: str
    opened_at: datetime | None
    closes_at: datetime | None
    secret: str


Deliver = Callable[[Receipt | Exception], None]
_COLUMNS = ("member_id", "poll_id", "key", "turn", "choice", "cast_at", "receipt", "code")
_ROW = (*_COLUMNS, "sid", "meeting_id")
_POLL = Prepared(
    select(Poll.id, Poll.meeting_id, Poll.stage, Poll.opened_at, Poll.closes_at, Poll.secret).where(Poll.id == bindparam("id"))
)
_BALLOT = select(*(Ballot.__table__.c[name] for name in Receipt.model_fields), Ballot.key).where(
    Ballot.poll_id == bindparam("poll_id")
)
_KNOWN = Prepared(_BALLOT.where(Ballot.key == bindparam("key")))
_LAST = Prepared(_BALLOT.where(Ballot.member_id == bindparam("member_id")).order_by(Ballot.turn.desc()).limit(1))
_MAY = Prepared(
    select(
        select(EndedSession.sid).where(EndedSession.sid == bindparam("sid")).exists(),
        select(Member.id).where(Member.id == bindparam("member_id"), Member.active, Member.votes).exists(),
        select(PollVoter.member_id)
        .where(PollVoter.poll_id == bindparam("poll_id"), PollVoter.member_id == bindparam("member_id"))
        .exists(),
        select(Attendance.member_id)
        .where(
            Attendance.meeting_id == bindparam("meeting_id"),
            Attendance.member_id == bindparam("member_id"),
            Attendance.state == "present",
        )
        .exists(),
    )
)


def _put_all(engine: str) -> str:
    """Ballots that may be put in: on SQLite one at a time, of many; on PostgreSQL all at once, in the order of members, so that
    two nodes that put in the same ones wait for each other in that order."""
    if engine == "sqlite":
        each, order = f"(SELECT {', '.join(f'? AS {name}' for name in _ROW)}) AS v", ""
    else:
        kinds = {"turn": "integer", "cast_at": "timestamptz"}
        named = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in _ROW)
        each, order = f"json_to_recordset(%s) AS v({named})", " ORDER BY v.member_id"
    columns = ", ".join(_COLUMNS)
    return (
        f"INSERT INTO ballot ({columns}) SELECT {columns} FROM {each}"  # noqa: S608
        " WHERE EXISTS (SELECT 1 FROM poll_voter e WHERE e.poll_id = v.poll_id AND e.member_id = v.member_id)"
        " AND EXISTS (SELECT 1 FROM attendance a WHERE a.meeting_id = v.meeting_id AND a.member_id = v.member_id"
        " AND a.state = 'present')"
        " AND EXISTS (SELECT 1 FROM member m WHERE m.id = v.member_id AND m.active AND m.votes)"
        f" AND NOT EXISTS (SELECT 1 FROM ended_session s WHERE s.sid = v.sid){order} ON CONFLICT DO NOTHING"
    )


_PUT_ALL = {engine: _put_all(engine) for engine in ("sqlite", "postgresql")}


def cast_together(tx: Session, casts: Sequence[Cast]) -> list[Receipt | Problem]:
    """Put ballots in. What comes back are receipts only because the caller commits before it speaks.

    The same key and choice again give the stored receipt, even after the close; the close waits for all ballots under way.
    """
    outcomes: dict[int, Receipt | Problem] = {}
    placed = sorted(enumerate(casts), key=lambda one: one[1].poll_id)  # locks are taken in one order, so nobody deadlocks
    for poll_id, group in groupby(placed, key=lambda one: one[1].poll_id):
        poll, those = None, list(group)
        if "\0" not in poll_id:  # no poll has such an id, and PostgreSQL would refuse all that came with it
            lock(tx, f"poll:{poll_id}", shared=True)  # voters do not block each other; the close waits for all of them
            found = _POLL.one(tx, id=poll_id)
            poll = _Poll(*found) if found else None
        outcomes |= _put_first(tx, poll, those) if poll else {}
        for place, cast in those:
            if place not in outcomes:
                outcomes[place] = _settle(tx, poll, cast)
    return [outcomes[place] for place in range(len(casts))]


def _put_first(tx: Session, poll: _Poll, casts: list[tuple[int, Cast]]) -> dict[int, Receipt]:
    """Those that are a member's first ballot, by their place, if all of them went in; else each is asked about for itself."""
    chosen: dict[str, tuple[int, Receipt, Cast]] = {}
    members, stage = set[str](), PollStage(poll.stage)
    for place, cast in casts:
        fresh = cast.replaces is None and cast.key not in chosen and cast.member_id not in members
        if fresh and cast.meeting_id == poll.meeting_id and rules.is_open(stage, poll.closes_at, cast.at):
            chosen[cast.key] = place, _receipt(poll, cast, 1), cast
            members.add(cast.member_id)
    if not chosen or not _put(tx, poll, [(receipt, cast) for _, receipt, cast in chosen.values()]):
        return {}
    return {place: receipt for place, receipt, _ in chosen.values()}


def _put(tx: Session, poll: _Poll, ballots: list[tuple[Receipt, Cast]]) -> bool:
    """Whether all went in."""
    engine, rows = tx.get_bind().dialect.name, []
    for receipt, cast in ballots:
        # As SQLAlchemy writes it.
        written = receipt.cast_at.astimezone(UTC).isoformat(" ", "microseconds")[: 26 if engine == "sqlite" else None]
        told = cast.member_id, poll.id, cast.key, receipt.turn, cast.choice, written, receipt.receipt, receipt.code
        rows.append((*told, cast.sid, poll.meeting_id))
    rows.sort()
    given: Any = rows if engine == "sqlite" else (json.dumps([dict(zip(_ROW, row, strict=True)) for row in rows]),)
    return tx.connection().exec_driver_sql(_PUT_ALL[engine], given).rowcount == len(rows)


def _settle(tx: Session, poll: _Poll | None, cast: Cast) -> Receipt | Problem:
    if poll is None or poll.meeting_id != cast.meeting_id:
        return NotFound()
    try:
        return _one(tx, poll, cast)
    except KeyReused as problem:
        return problem
    except Problem as problem:
        # Sent twice, over two ways, it may have gone in by the other since its key was looked for.
        return _settle(tx, poll, cast) if _KNOWN.one(tx, poll_id=poll.id, key=cast.key) else problem


def _one(tx: Session, poll: _Poll, cast: Cast) -> Receipt:
    if known := _KNOWN.one(tx, poll_id=poll.id, key=cast.key):
        stored = _stored(known)
        if (stored.member_id, stored.choice) != (cast.member_id, cast.choice):
            raise KeyReused()
        return stored
    rules.need_open(PollStage(poll.stage), poll.closes_at, cast.at)
    may = _MAY.one(tx, sid=cast.sid, member_id=cast.member_id, poll_id=poll.id, meeting_id=poll.meeting_id)
    ended, votes, listed, present = may or (True, False, False, False)
    refusals = (ended, SessionEnded), (not listed, NotEligible), (not votes, Forbidden), (not present, NotPresent)
    for refused, problem in refusals:
        if refused:
            raise problem()
    last = _LAST.one(tx, poll_id=poll.id, member_id=cast.member_id)
    before = _stored(last) if last else None
    if before and before.receipt != cast.replaces:
        raise AlreadyVoted(code=before.code)
    if before and before.turn >= rules.MOST_TURNS:
        raise ChangedTooOften(code=before.code)
    receipt = _receipt(poll, cast, before.turn + 1 if before else 1)
    # Where nothing went in, another device of the member was first, this instant on another node.
    return receipt if _put(tx, poll, [(receipt, cast)]) else _one(tx, poll, cast)


def _stored(row: tuple[Any, ...]) -> Receipt:
    return Receipt.model_validate(dict(zip(Receipt.model_fields, row, strict=False)))


def _receipt(poll: _Poll, cast: Cast, turn: int) -> Receipt:
    sealed = seal(poll.secret, poll.id, cast.member_id, cast.choice, cast.key)
    return Receipt(
        poll_id=poll.id,
        member_id=cast.member_id,
        turn=turn,
        choice=cast.choice,
        cast_at=max(cast.at, poll.opened_at or cast.at),
        receipt=sealed.hex(),
        code=short_code(sealed),
    )


class Box:
    """One a process. Its transactions are its own: another's would hold locks that a closing chair waits for."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._group = db.group("ballots")
        self._waiting: list[tuple[Cast, Deliver]] = []
        self._taken = 0  # ballots in the last transaction
        self._emptying: asyncio.Task[None] | None = None
        self._records: set[asyncio.Future[None]] = set()

    def many_come(self) -> bool:
        """Now, or at most `TOGETHER` ago."""
        return self._emptying is not None and len(self._waiting) + self._taken >= MANY

    def drop(self, cast: Cast, deliver: Deliver) -> None:
        """Put a ballot in. `deliver` gets the receipt once it is durable, or its refusal; an `SQLAlchemyError` decides nothing:
        the ballot may be in."""
        self._waiting.append((cast, deliver))
        if self._emptying is None:
            self._emptying = asyncio.create_task(self._empty())

    async def put(self, cast: Cast) -> Receipt:
        """The same for a request: the receipt, or the refusal raised."""
        future: asyncio.Future[Receipt | Exception] = asyncio.get_running_loop().create_future()
        self.drop(cast, lambda outcome: None if future.done() else future.set_result(outcome))
        outcome = await future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _empty(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._taken = len(batch)
            work = partial(cast_together, casts=[cast for cast, _ in batch])
            try:
                outcomes: Sequence[Receipt | Exception] = await self._twice(work)
            except Exception as error:
                outcomes = [error] * len(batch)
            for (_, deliver), outcome in zip(batch, outcomes, strict=True):
                deliver(outcome)
            seen, step = -1, QUIET if self._taken >= MANY else TOGETHER
            for _ in range(round(TOGETHER / step)):
                if seen < len(self._waiting) < MOST:
                    seen = len(self._waiting)
                    await asyncio.sleep(step)
        self._emptying = None

    async def _twice(self, work: "partial[list[Receipt | Problem]]") -> list[Receipt | Problem]:
        """Again if it fails: where the outcome of a commit was not known, the second time finds out."""
        try:
            return await self._group.run(work)
        except SQLAlchemyError:
            return await self._group.run(work)

    def take(self, listener: Listener, said: VoteCast) -> None:
        """A ballot that comes over a socket; its receipt is to the byte what it is over HTTPS."""
        at, sid = now(), listener.sid
        cast = Cast(listener.meeting_id, said.poll_id, listener.member_id, sid, said.choice, said.key, said.replaces, at)
        self.drop(cast, partial(self._tell, listener, said))

    def _tell(self, listener: Listener, said: VoteCast, outcome: Receipt | Exception) -> None:
        if isinstance(outcome, Receipt):
            text = b'{"type":"vote.receipt","key":"%b","receipt":%b}' % (said.key.encode(), outcome.model_dump_json().encode())
        else:
            problem = outcome if isinstance(outcome, Problem) else Unavailable()
            self._record(problem, listener.member_id, f"vote.cast {said.poll_id}")
            refused = VoteRefused(key=said.key, status=problem.status, code=problem.code, facts=problem.facts)
            text = refused.model_dump_json().encode()
        listener.wire.write(finished(text))

    def _record(self, problem: Problem, actor: str, what: str) -> None:
        if is_audited(problem):
            record = asyncio.ensure_future(record_refusal(self._db, problem, actor=actor, object=what))
            self._records.add(record)
            record.add_done_callback(self._records.discard)

    def close(self) -> None:
        self._group.close()
