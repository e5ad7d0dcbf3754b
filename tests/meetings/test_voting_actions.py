"""The promise of the ballot, on every database: acknowledged is counted, once, and the close is a line."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import event

from meetings.agenda.problems import NoQuorum
from meetings.attendance.problems import NotPresent
from meetings.bodies.rules import Kind, Share
from meetings.live import log
from meetings.live.log import Level
from meetings.voting import actions, models, rules
from meetings.voting.problems import (
    AlreadyVoted,
    AnotherPollOpen,
    ChangedTooOften,
    KeyReused,
    NotEligible,
    PollNotClosed,
    PollNotOpen,
    PollNotPrepared,
    WeakDatabase,
)
from meetings.voting.turnout import Turnout
from shared import clock, jobs
from shared.db import Database
from shared.problems import NotFound
from tests.conftest import servers
from tests.makers import make_house


def test_a_poll_cannot_be_opened_without_quorum(house):
    house.open(present=4)
    poll = house.prepare_poll()
    with house.db.write() as tx:
        house_mark(house, tx, "m3", "absent")
    with house.db.write() as tx, pytest.raises(NoQuorum) as refusal:
        actions.open_poll(tx, clock.now(), house.seats["secretary"], poll)
    assert refusal.value.facts == {"needed": 4, "total": 6, "present": 3}


def house_mark(house, tx, name, state):
    from meetings.attendance import actions as attendance

    attendance.mark(tx, clock.now(), house.seats["secretary"], house.seats[name].member_id, state, "đi công tác")


def test_a_ballot_is_counted_and_its_receipt_is_the_same_for_every_retry(house):
    poll = house.open().open_poll()
    first = house.cast("m3", poll, "in_favour", key="k" * 20)
    again = house.cast("m3", poll, "in_favour", key="k" * 20)
    assert (first.receipt, first.code, first.cast_at, first.turn) == (again.receipt, again.code, again.cast_at, 1)
    closed = house.close_poll(poll)
    assert (closed.in_favour, closed.not_voted, closed.absent) == (1, 5, 0)
    after = house.cast("m3", poll, "in_favour", key="k" * 20)
    assert after.receipt == first.receipt


def test_a_second_ballot_by_another_key_is_refused_unless_it_replaces_the_first(house):
    poll = house.open().open_poll()
    first = house.cast("m3", poll, "in_favour")
    with pytest.raises(AlreadyVoted) as refusal:
        house.cast("m3", poll, "against")
    assert refusal.value.facts["code"] == first.code
    second = house.cast("m3", poll, "against", replaces=first.receipt)
    assert second.turn == 2
    with pytest.raises(AlreadyVoted):
        house.cast("m3", poll, "abstaining", replaces=first.receipt)
    closed = house.close_poll(poll)
    assert (closed.in_favour, closed.against, closed.not_voted) == (0, 1, 5)


def test_a_mind_is_changed_only_so_often(house, monkeypatch):
    monkeypatch.setattr(rules, "MOST_TURNS", 2)
    poll = house.open().open_poll()
    first = house.cast("m3", poll, "in_favour")
    second = house.cast("m3", poll, "against", replaces=first.receipt)
    with pytest.raises(ChangedTooOften) as refusal:
        house.cast("m3", poll, "in_favour", replaces=second.receipt)
    assert refusal.value.facts == {"code": second.code}
    assert house.close_poll(poll).against == 1


def test_a_key_belongs_to_one_person_and_one_choice(house):
    poll = house.open().open_poll()
    house.cast("m3", poll, "in_favour", key="k" * 20)
    for name, choice in (("m3", "against"), ("m4", "in_favour")):
        with pytest.raises(KeyReused):
            house.cast(name, poll, choice, key="k" * 20)


def test_a_ballot_after_the_close_is_refused_and_not_counted(house):
    poll = house.open().open_poll()
    house.close_poll(poll)
    with pytest.raises(PollNotOpen):
        house.cast("m3", poll, "in_favour")


def test_a_ballot_after_the_hour_is_refused_although_nobody_has_closed_yet(house):
    poll = house.open().open_poll(duration=60)
    late = clock.now() + timedelta(seconds=61)
    with house.db.write() as tx, pytest.raises(PollNotOpen):
        actions.cast_ballot(tx, late, house.seats["m3"], poll, actions.Choice.IN_FAVOUR, "k" * 20, None)


def test_the_clock_closes_a_poll_at_its_hour_and_not_before(house, monkeypatch):
    poll = house.open().open_poll(duration=60)
    job = {"meeting_id": house.meeting_id, "poll_id": poll}
    actions.close_when_due(house.db, job)
    house.cast("m3", poll, "in_favour")
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=61))
    with house.db.read() as tx:
        assert [one.body for one in tx.query(jobs.Job).filter_by(kind="poll.close")] == [job] * len(actions.SPARES)
    actions.close_when_due(house.db, job)
    with house.db.read() as tx:
        assert tx.get_one(models.Poll, poll).in_favour == 1


def test_a_process_that_dies_while_it_closes_a_poll_leaves_it_to_another_for_seconds_only(house):
    class Death(BaseException):
        """As if the process were gone: nothing after it is done."""

    def die(_db, _body):
        raise Death

    with time_machine.travel(clock.now(), tick=False) as at:
        poll = house.open().open_poll(duration=60)
        at.shift(60)
        with pytest.raises(Death):
            jobs.run_due(house.db, {"poll.close": die})
        at.shift(actions.SPARES[1])
        jobs.run_due(house.db, {"poll.close": actions.close_when_due})
    with house.db.read() as tx:
        assert tx.get_one(models.Poll, poll).stage == "closed"


def test_more_time_moves_the_hour(house):
    poll = house.open().open_poll(duration=60)
    with house.db.write() as tx:
        actions.extend_poll(tx, clock.now(), house.seats["chair"], poll, 30)
        found = tx.get_one(models.Poll, poll)
        assert found.closes_at - found.opened_at == timedelta(seconds=90)


def test_only_who_is_on_the_frozen_list_and_in_the_room_votes(house):
    poll = house.open(present=5).open_poll()
    with pytest.raises(NotPresent):
        house.cast("m6", poll, "in_favour")
    with pytest.raises(NotEligible):
        house.cast("teller", poll, "in_favour")
    house.check_in(["m6"])
    assert house.cast("m6", poll, "in_favour").turn == 1
    closed = house.close_poll(poll)
    assert (closed.electorate, closed.in_favour, closed.not_voted, closed.absent) == (6, 1, 5, 0)


def test_the_electorate_is_frozen_when_the_poll_opens(house):
    from meetings.bodies import actions as bodies
    from meetings.bodies.rules import Role

    poll = house.open().open_poll()
    with house.db.write() as tx:
        body_id = tx.get_one(actions.Meeting, house.meeting_id).body_id
        bodies.add_member(tx, body_id, username="new", full_name="Lê Mới", role=Role.MEMBER, votes=True)
    assert house.close_poll(poll).electorate == 6


def test_one_poll_at_a_time_and_each_only_once(house):
    poll = house.open().open_poll()
    other = house.prepare_poll()
    with house.db.write() as tx, pytest.raises(AnotherPollOpen):
        actions.open_poll(tx, clock.now(), house.seats["chair"], other)
    house.close_poll(poll)
    with house.db.write() as tx, pytest.raises(PollNotPrepared):
        actions.open_poll(tx, clock.now(), house.seats["chair"], poll)
    with house.db.write() as tx, pytest.raises(PollNotOpen):
        actions.close_poll(tx, clock.now(), house.seats["chair"], poll)


def test_the_result_is_the_desks_until_it_is_declared(house):
    poll = house.open().open_poll()
    house.cast("m3", poll, "in_favour")
    with house.db.write() as tx, pytest.raises(PollNotClosed):
        actions.declare_outcome(tx, clock.now(), house.seats["chair"], poll)
    house.close_poll(poll)
    with house.db.read() as tx:
        found = tx.get_one(models.Poll, poll)
        assert found.view(Level.DELEGATE).tally is None
        assert found.view(Level.DESK).tally is not None
        told = [event for event in log.tail(tx, house.meeting_id, 0) if event.level < Level.DESK]
        assert not [event for event in told if event.body.get("poll", {}).get("tally")]
    with house.db.write() as tx:
        actions.declare_outcome(tx, clock.now(), house.seats["chair"], poll)
        assert tx.get_one(models.Poll, poll).view(Level.GUEST).outcome == "not_carried"


def test_the_check_code_is_that_of_the_counted_receipts(house):
    from meetings.minutes.evidence import collect
    from meetings.minutes.recount import recount

    poll = house.open().open_poll()
    first = house.cast("m3", poll, "in_favour")
    house.cast("m3", poll, "against", replaces=first.receipt)
    for name in ("chair", "secretary", "m4", "m5"):
        house.cast(name, poll, "in_favour")
    house.close_poll(poll)
    with house.db.read() as tx:
        evidence = collect(tx, house.meeting_id)
    assert recount(evidence).faults == []
    evidence["polls"][0]["ballots"][-1]["choice"] = "against"
    assert {code for code, _ in recount(evidence).faults} == {"poll-tally", "poll-outcome"}


def test_the_close_does_not_read_whole_ballots(house):
    poll, read = house.open().open_poll(), []
    first = house.cast("m3", poll, "in_favour")
    house.cast("m3", poll, "against", replaces=first.receipt)

    def look(ballot, _context):
        read.append(ballot.turn)

    event.listen(models.Ballot, "load", look)
    closed, of_close = house.close_poll(poll), [*read]
    with house.db.read() as tx:
        models.counted_of(tx, poll)
    event.remove(models.Ballot, "load", look)
    assert (closed.against, of_close, read) == (1, [], [1, 2])


def test_a_committees_tie_is_decided_by_the_chairmans_side(db):
    house = make_house(db, voters=4, kind=Kind.PEOPLES_COMMITTEE)
    poll = house.open().open_poll()
    for name, choice in (("chair", "in_favour"), ("secretary", "against"), ("m3", "in_favour"), ("m4", "against")):
        house.cast(name, poll, choice)
    closed = house.close_poll(poll)
    assert (closed.outcome, closed.tie_decided_by_chair) == ("carried", True)


def test_a_poll_may_ask_for_two_thirds(house):
    poll = house.open().open_poll(majority=Share.TWO_THIRDS)
    for name in ("chair", "secretary", "m3"):
        house.cast(name, poll, "in_favour")
    closed = house.close_poll(poll)
    assert (closed.needed, closed.outcome) == (4, "not_carried")


def test_another_meetings_poll_does_not_exist_here(db, house):
    poll = house.open().open_poll()
    other = make_house(db).open()
    with pytest.raises(NotFound):
        other.cast("m3", poll, "in_favour")


def test_the_database_itself_says_that_it_keeps_what_it_acknowledges(db):
    assert db.weak_settings() == []


@pytest.mark.parametrize("server", servers())
def test_a_vote_does_not_open_on_a_database_that_could_forget_it(server, postgres_urls):
    url = postgres_urls[server]
    db = Database(url + ("&" if "?" in url else "?") + "options=-c%20synchronous_commit%3Doff")
    house = make_house(db).open()
    poll = house.prepare_poll()
    with pytest.raises(WeakDatabase) as refusal, db.write() as tx:
        actions.open_poll(tx, clock.now(), house.seats["chair"], poll)
    assert refusal.value.facts == {"settings": "synchronous_commit=off"}
    db.close()


def test_the_same_key_from_many_threads_makes_one_ballot(house):
    poll = house.open().open_poll()
    with ThreadPoolExecutor(8) as pool:
        receipts = {one.receipt for one in pool.map(lambda _: house.cast("m3", poll, "in_favour", key="k" * 20), range(16))}
    assert len(receipts) == 1
    assert house.close_poll(poll).in_favour == 1


def test_two_devices_at_once_make_one_ballot_and_one_refusal(house):
    poll = house.open().open_poll()

    def device(choice: str) -> str:
        try:
            return house.cast("m3", poll, choice).choice
        except AlreadyVoted:
            return "refused"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(device, ["in_favour", "against"]))
    assert answers.count("refused") == 1
    closed = house.close_poll(poll)
    assert closed.in_favour + closed.against == 1


@pytest.mark.parametrize("race", range(5))
def test_what_was_acknowledged_before_the_close_is_in_the_tally_and_nothing_else(house, race):
    poll = house.open().open_poll()
    acknowledged, start = [], threading.Barrier(7)

    def vote(name: str) -> None:
        start.wait()
        try:
            house.cast(name, poll, "in_favour")
        except PollNotOpen:
            return
        acknowledged.append(name)

    def close() -> None:
        start.wait()
        house.close_poll(poll)

    threads = [threading.Thread(target=vote, args=(name,)) for name in house.names] + [threading.Thread(target=close)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with house.db.read() as tx:
        assert tx.get_one(models.Poll, poll).in_favour == len(acknowledged)


def test_while_a_hall_votes_the_turnout_waits_and_then_it_is_whole(house):
    poll, many = house.open().open_poll(), [False]
    count = Turnout(lambda: many[0])

    def told() -> int:
        with house.db.read() as tx:
            return count(tx, house.meeting_id).cast

    assert told() == 0
    house.cast("chair", poll, "in_favour")
    many[0] = True
    assert told() == 0
    house.cast("m3", poll, "in_favour")
    many[0] = False
    assert told() == 2
