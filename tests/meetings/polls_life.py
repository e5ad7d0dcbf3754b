"""The life of a poll on two nodes: a machine votes, retries, closes and crashes in any order, and knows what must hold."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from meetings.live import log
from meetings.minutes.evidence import export
from meetings.voting import actions as voting
from meetings.voting.box import Cast, cast_together
from meetings.voting.rules import Choice
from shared import clock
from shared.db import Database
from shared.ids import new_token
from shared.problems import Problem
from tests.makers import House

CHOICES = st.sampled_from(["in_favour", "against", "abstaining"])
NODE, VOTER = st.sampled_from([0, 1]), st.sampled_from(["chair", "secretary", "m3", "m4", "m5", "m6"])
CRASH = st.sampled_from(["", "", "before", "after"])
PICK = st.integers(0, 30)


class Crashed(Exception):
    """The client hears nothing; the model knows whether the database did."""


@dataclass
class Sent:
    """A ballot as its client keeps it; `receipt` is what was acknowledged."""

    voter: str
    choice: str
    key: str
    replaces: str | None
    receipt: str = ""
    refused: str = ""


class PollsLife(RuleBasedStateMachine):
    """`house` and `nodes` (two databases objects on one database) are set by the test."""

    house: House
    nodes: tuple[Database, Database]

    @initialize()
    def begin(self) -> None:
        self.poll = self.house.prepare_poll()
        with self.house.db.write() as tx:
            voting.open_poll(tx, clock.now(), self.house.seats["secretary"], self.poll)
        self.sent: list[Sent] = []
        self.counts: dict[str, Sent] = {}  # by voter, the last that is in the box
        self.closed = False

    @contextmanager
    def transaction(self, node: int, crash: str) -> Iterator[Session]:
        """A transaction whose connection is lost before its commit, or whose process is gone after it."""
        try:
            with self.nodes[node].write() as tx:
                yield tx
                if crash == "before":
                    tx.connection().connection.driver_connection.close()
        except SQLAlchemyError:
            if crash != "before":
                raise
            raise Crashed() from None
        if crash:
            raise Crashed()

    def put(self, sent: Sent, node: int, crash: str) -> None:
        was_in = self.in_box(sent)
        seat = self.house.seats[sent.voter]
        cast = Cast(
            self.house.meeting_id, self.poll, seat.member_id, seat.caller.sid, sent.choice, sent.key, sent.replaces, clock.now()
        )
        told = None
        with suppress(Crashed):
            with self.transaction(node, crash) as tx:
                [outcome] = cast_together(tx, [cast])
            told = outcome
        expected = self.expected(sent, was_in)
        if crash != "before" and not expected:
            self.counts[sent.voter] = sent if not was_in else self.counts[sent.voter]
            sent.receipt = sent.receipt or (told.receipt if told and not isinstance(told, Problem) else "")
        if told is None:
            return
        if isinstance(told, Problem):
            assert told.code == expected, f"refused as {told.code}, should be {expected or 'taken'}"
            sent.refused = told.code
        else:
            assert not expected, f"taken, should be refused as {expected}"
            assert told.receipt == sent.receipt, "a retry gets the same receipt"

    def in_box(self, sent: Sent) -> bool:
        with self.house.db.read() as tx:
            known = tx.execute(text("SELECT 1 FROM ballot WHERE key = :key"), {"key": sent.key}).all()
        return len(known) > 0

    def expected(self, sent: Sent, was_in: bool) -> str:
        """The code of the refusal that this must get; empty: a receipt."""
        if was_in:
            return ""
        if self.closed:
            return "poll-not-open"
        before = self.counts.get(sent.voter)
        if before and sent.replaces != before.receipt:
            return "already-voted"
        return ""

    @rule(voter=VOTER, choice=CHOICES, node=NODE, crash=CRASH)
    def vote(self, voter: str, choice: str, node: int, crash: str) -> None:
        before = self.counts.get(voter)
        sent = Sent(voter, choice, new_token(), before.receipt if before and before.receipt else None)
        self.sent.append(sent)
        self.put(sent, node, crash)

    @precondition(lambda self: self.sent)
    @rule(pick=PICK, node=NODE, crash=CRASH)
    def try_again(self, pick: int, node: int, crash: str) -> None:
        sent = self.sent[-1 - pick % len(self.sent)]
        if not sent.refused:
            self.put(sent, node, crash)

    @precondition(lambda self: not self.closed)
    @rule(voter=VOTER, choice=CHOICES, node=NODE)
    def close_waits_for_a_ballot_under_way(self, voter: str, choice: str, node: int) -> None:
        """A ballot that is in but not committed at one node holds off the close at the other."""
        if voter in self.counts:
            return
        sent, seat = Sent(voter, choice, new_token(), None), self.house.seats[voter]
        self.sent.append(sent)
        cast = Cast(self.house.meeting_id, self.poll, seat.member_id, seat.caller.sid, choice, sent.key, None, clock.now())
        with self.nodes[node].write() as tx:
            [outcome] = cast_together(tx, [cast])
            assert not isinstance(outcome, Problem)
            with suppress(OperationalError), self.nodes[1 - node].write() as other:
                other.execute(text("SET LOCAL lock_timeout = '20ms'"))
                self.close_in(other)
                self.closed = True
        sent.receipt = outcome.receipt
        self.counts[voter] = sent

    def close_in(self, tx: Session) -> None:
        voting.close_poll(tx, clock.now(), self.house.seats["secretary"], self.poll)

    @precondition(lambda self: not self.closed and len(self.counts) > 2)
    @rule(node=NODE, crash=CRASH)
    def close(self, node: int, crash: str) -> None:
        with suppress(Crashed), self.transaction(node, crash) as tx:
            self.close_in(tx)
        self.closed = crash != "before"

    def teardown(self) -> None:
        if not hasattr(self, "poll"):
            return
        if not self.closed:
            with self.house.db.write() as tx:
                self.close_in(tx)
        with self.house.db.read() as tx:
            assert log.faults(tx, self.house.meeting_id) == []
            told = next(one for one in export(tx, self.house.meeting_id)["polls"] if one["id"] == self.poll)
        kept = {one["key"]: one for one in told["ballots"]}
        assert len(kept) == len(told["ballots"]), "a ballot is in twice"
        last = {one["member_id"]: one for one in sorted(told["ballots"], key=lambda one: one["turn"])}
        chosen = [one["choice"] for one in last.values()]
        for name in Choice:
            assert told["tally"][name] == chosen.count(name), "the tally is not that of the ballots"
        assert told["tally"]["not_voted"] == len(told["electorate"]) - len(last)
        for sent in self.sent:
            if sent.receipt:
                assert kept[sent.key]["receipt"] == sent.receipt, "acknowledged and lost"
            if sent.refused:
                assert sent.key not in kept, "refused and kept"
        for voter, sent in self.counts.items():
            assert last[self.house.seats[voter].member_id]["key"] == sent.key, "another ballot counts than the last"
