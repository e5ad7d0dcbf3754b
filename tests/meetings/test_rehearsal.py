"""The copy of a meeting, and the pass of its simulated people: what is there, what it opens, and that nothing is left."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from meetings.access.actions import name_administrator
from meetings.agenda.door import find_seat
from meetings.agenda.models import Meeting
from meetings.agenda.problems import AgendaEmpty, MeetingNotInStage
from meetings.attendance import actions as attendance
from meetings.bodies.models import Bridge, Member
from meetings.live import snapshot
from meetings.live.log import Level
from meetings.rehearsal import actions, process, rules
from meetings.rehearsal.copy import person, remove_copy
from meetings.rehearsal.door import write_pass
from meetings.rehearsal.models import Progress, Rehearsal, Result
from meetings.rehearsal.problems import HouseSitting, PassRefused, RehearsalUnderWay
from meetings.rehearsal.rules import State
from meetings.rehearsal.run import run
from shared import clock, jobs
from shared.ids import new_id
from shared.problems import NotFound
from tests.makers import make_caller
from tests.meetings.inventory import OVER, ROWS
from tests.meetings.scene import upload

RESULT = Result(figures=[], errors={}, server=None, late=0, seconds=1)
KEPT = ("audit_event", "rehearsal")


def kept(db):
    """Every row of every table but the record of acts and the results."""
    with db.read() as tx:
        listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if not db.is_sqlite:
            listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        names = [name for name in tx.scalars(text(listed)) if name not in KEPT]
        return {name: sorted(map(repr, tx.execute(text(f'SELECT * FROM "{name}"')).all())) for name in names}  # noqa: S608


def ask(db, meeting_id, delegates=7, at=None):
    with db.write() as tx:
        return actions.ask(tx, at or clock.now(), meeting_id, delegates, "sub-secretary")


def begin(db, rehearsal_id):
    with db.write() as tx:
        return actions.begin(tx, clock.now(), rehearsal_id)


def state_of(db, rehearsal_id):
    with db.read() as tx:
        return tx.get_one(Rehearsal, rehearsal_id).state


def shown(state):
    """What counts of a meeting, without ids and instants."""
    agenda = {item.id: item for item in state.agenda.values()}
    papers = [
        (p.title, p.sha256, p.size, p.pages, p.version, p.audience, agenda[p.item_id].number) for p in state.papers.values()
    ]
    polls = [
        (p.number, p.title, p.majority, p.chair_breaks_tie, p.duration, agenda[p.item_id].number) for p in state.polls.values()
    ]
    items = [(item.number, item.title, item.presenter, item.minutes) for item in agenda.values()]
    return sorted(items), sorted(papers), sorted(polls, key=str)


def look(db, meeting_id):
    with db.read() as tx:
        return snapshot.take(tx, meeting_id, Level.DESK).state


def test_a_copy_is_equal_in_what_counts_and_leaves_the_true_meeting_and_nothing_else(web):
    db, house = web.client.app.state.db, web.house
    sent = web.call("secretary", "POST", f"items/{house.item_id}/papers", **upload())
    assert sent.status_code == 201
    assert web.call("secretary", "POST", "publish").status_code == 200
    house.prepare_poll(duration=60)
    house.prepare_poll(title="Lần hai", majority="two_thirds")
    with db.write() as tx:
        body_id = tx.get_one(Meeting, house.meeting_id).body_id
        room = {"number": 1, "short": "SN", "cluster": "1", "lead_username": "m3", "phone": "0263", "active": True}
        tx.add(Bridge(id=new_id(), body_id=body_id, name="Suối Ngang", **room))
    before = kept(db)
    rehearsal_id = ask(db, house.meeting_id)
    copy_id, _ = begin(db, rehearsal_id)
    true, copy = look(db, house.meeting_id), look(db, copy_id)
    assert shown(copy) == shown(true)
    assert len(copy.members) == copy.quorum.total == 7
    assert (copy.quorum.needed, copy.meeting.stage) == (5, "published")
    assert all(poll.electorate == 7 for poll in copy.polls.values())
    with db.read() as tx:
        bridge = tx.scalars(select(Bridge).where(Bridge.body_id == copy_id)).one()
        assert (bridge.name, bridge.phone, bridge.lead_username) == ("Suối Ngang", "", "")
    during = kept(db)
    assert during["document"] == before["document"]
    assert during["document_version"] == before["document_version"]
    assert not set(before["event"]) - set(during["event"])
    actions.end(db, clock.now(), rehearsal_id, RESULT)
    assert kept(db) == before
    assert state_of(db, rehearsal_id) == State.PASSED


def test_a_copy_is_removed_with_all_that_was_done_in_it(db, house):
    before = kept(db)
    rehearsal_id = ask(db, house.meeting_id)
    copy_id, _ = begin(db, rehearsal_id)
    with db.write() as tx:
        poll_id = next(iter(look(db, copy_id).polls))
        jobs.enqueue(tx, "poll.close", {"meeting_id": copy_id, "poll_id": poll_id}, clock.now())
        username, subject = person(copy_id, 0)
        chair = find_seat(tx, make_caller(username, subject=subject), copy_id)
        attendance.check_in(tx, clock.now(), chair)

    assert kept(db) != before
    actions.end(db, clock.now(), rehearsal_id, None)
    assert kept(db) == before
    assert state_of(db, rehearsal_id) == State.BROKEN


def test_no_rows_but_those_of_a_copy_are_ever_removed(db, house):
    before = kept(db)
    with db.read() as tx:
        body_id = tx.get_one(Meeting, house.meeting_id).body_id
    for true_id in (house.meeting_id, body_id, "unknown"):
        remove_copy(db, true_id)
    assert kept(db) == before


def test_a_meeting_without_polls_gets_one_to_rehearse(db, house):
    copy_id, _ = begin(db, ask(db, house.meeting_id))
    [poll] = look(db, copy_id).polls.values()
    assert (poll.title, poll.needed, poll.electorate) == ("Biểu quyết diễn tập", 4, 7)


def test_nobody_can_sign_in_as_a_simulated_member_nor_find_the_copy(web):
    db = web.client.app.state.db
    copy_id, _ = begin(db, ask(db, web.house.meeting_id))
    with db.read() as tx:
        for member in tx.scalars(select(Member).where(Member.body_id == copy_id)):
            with pytest.raises(NotFound):
                find_seat(tx, make_caller(member.username), copy_id)
    with db.write() as tx:
        name_administrator(tx, clock.now(), "administrator")
    for who in ("secretary", "administrator"):
        assert copy_id not in web.call(who, "GET", "/api/bodies").text
        assert copy_id not in web.call(who, "GET", "/api/meetings").text
        assert web.call(who, "GET", f"/api/bodies/{copy_id}/members").status_code == 404
        assert web.call(who, "GET", f"/api/meetings/{copy_id}").status_code == 404


# --- the pass ---


@pytest.fixture(scope="module")
def opened(world):
    """A rehearsal of the meeting in full course, as if an hour after the last thing that happened in it."""
    db = world.app.state.db
    rehearsal_id = ask(db, world.ours.ids["meeting_id"], at=clock.now() + rules.SITTING + timedelta(minutes=1))
    copy_id, secret = begin(db, rehearsal_id)
    yield copy_id, secret
    actions.end(db, clock.now(), rehearsal_id, None)


def with_pass(world, secret, place, arguments):
    headers = arguments.pop("headers", {}) | {"authorization": f"Bearer {write_pass(secret, place)}"}
    return world.web.client.request(
        **{"url" if name == "path" else name: value for name, value in arguments.items()}, headers=headers
    )


@pytest.mark.parametrize("place", [0, 3], ids=["chair", "delegate"])
def test_a_pass_opens_no_route_of_the_true_meeting_its_body_or_the_service(world, opened, place):
    _, secret = opened
    before = world.kept()
    for row in (*ROWS, *OVER):
        answer = with_pass(world, secret, place, row.request(world.ours.ids))
        told = answer.json()["code"] if row.method != "HEAD" else PassRefused.code
        assert (answer.status_code, told) == (403, PassRefused.code), row
    assert world.kept() == before


@pytest.mark.parametrize("place", [0, 3], ids=["chair", "delegate"])
def test_in_the_copy_it_opens_what_a_session_needs_and_no_more(world, opened, place):
    copy_id, secret = opened
    ids = world.ours.ids | {"meeting_id": copy_id, "body_id": copy_id}
    refused, let_in = set(), set()
    for row in (*ROWS, *OVER):
        if not row.path.startswith("/") and (row.method, row.path) != ("POST", "close"):
            answer = with_pass(world, secret, place, row.request(ids))
            was_refused = answer.status_code == 403 and (row.method == "HEAD" or answer.json()["code"] == PassRefused.code)
            (refused if was_refused else let_in).add(f"{row.method} {row.path}")
    wanted = {f"POST {path}" for path in ("ticket", "check-in", "speeches", "open", "enter", "lead")}
    wanted |= {f"POST speeches/{{floor_id}}/{verb}" for verb in ("give", "end")} | {"GET ", "GET papers/{paper_id}/file"}
    wanted |= {"POST papers/{paper_id}/opened", "POST polls/{poll_id}/ballots", "POST polls/{poll_id}/close"}
    wanted |= {"POST polls/{prepared_poll_id}/open", "POST polls/{closed_poll_id}/declare"}
    assert let_in == wanted
    assert refused


@pytest.mark.parametrize(
    "token", ["rehearsal.", "rehearsal.0.", "rehearsal.0.x", "rehearsal.99999.{}", "rehearsal.{}", "rehearsal.0.{}x"]
)
def test_what_is_no_pass_opens_nothing(world, opened, token):
    copy_id, secret = opened
    headers = {"authorization": f"Bearer {token.format(secret)}"}
    answer = world.web.client.get(f"/api/meetings/{copy_id}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "pass-refused")


def test_who_is_beyond_the_last_delegate_has_no_seat_and_a_delegate_conducts_nothing(world, opened):
    copy_id, secret = opened
    here = {"method": "GET", "path": f"/api/meetings/{copy_id}"}
    assert with_pass(world, secret, 6, dict(here)).status_code == 200
    assert with_pass(world, secret, 7, dict(here)).status_code == 404
    item = {"method": "POST", "path": f"/api/meetings/{copy_id}/open"}
    assert with_pass(world, secret, 3, item).json()["code"] == "forbidden"


def test_a_pass_is_over_with_its_rehearsal_and_after_half_an_hour(web, monkeypatch):
    db = web.client.app.state.db
    rehearsal_id = ask(db, web.house.meeting_id)
    copy_id, secret = begin(db, rehearsal_id)

    def status():
        return web.client.get(
            f"/api/meetings/{copy_id}", headers={"authorization": f"Bearer {write_pass(secret, 0)}"}
        ).status_code

    assert status() == 200
    with db.write() as tx:
        row = tx.get_one(Rehearsal, rehearsal_id)
        asked_at, row.asked_at = row.asked_at, row.asked_at - rules.LONGEST
    assert status() == 403
    with db.write() as tx:
        tx.get_one(Rehearsal, rehearsal_id).asked_at = asked_at
    assert status() == 200
    actions.end(db, clock.now(), rehearsal_id, RESULT)
    assert status() == 403
    with db.read() as tx:
        assert tx.get_one(Rehearsal, rehearsal_id).pass_digest is None


# --- asking ---


def test_one_rehearsal_at_a_time(db, house):
    first = ask(db, house.meeting_id)
    with pytest.raises(RehearsalUnderWay):
        ask(db, house.meeting_id)
    assert begin(db, first)
    assert begin(db, first) is None
    with pytest.raises(RehearsalUnderWay):
        ask(db, house.meeting_id)
    actions.end(db, clock.now(), first, RESULT)
    assert ask(db, house.meeting_id) != first


def test_none_while_a_meeting_is_in_session(db, house):
    house.open()
    with pytest.raises(HouseSitting) as refusal:
        ask(db, house.meeting_id)
    assert refusal.value.facts == {"title": "Kỳ họp thứ 4"}
    assert ask(db, house.meeting_id, at=clock.now() + rules.SITTING)


def test_what_has_no_agenda_or_is_over_is_not_rehearsed(db, house):
    with db.write() as tx:
        tx.get_one(Meeting, house.meeting_id).stage = "closed"
    with pytest.raises(MeetingNotInStage):
        ask(db, house.meeting_id)
    with db.write() as tx:
        tx.get_one(Meeting, house.meeting_id).stage = "draft"
        tx.execute(text("DELETE FROM agenda_item"))
    with pytest.raises(AgendaEmpty):
        ask(db, house.meeting_id)


def test_what_died_without_a_word_is_cleared_away(db, house):
    before = kept(db)
    rehearsal_id = ask(db, house.meeting_id, at=clock.now() - rules.LONGEST)
    begin(db, rehearsal_id)
    assert run(db, "", "", rehearsal_id) is None  # as the next one does first, wherever it is asked for
    assert kept(db) == before
    assert state_of(db, rehearsal_id) == State.BROKEN


def test_a_rehearsal_makes_way_for_a_meeting_that_is_opened_meanwhile(db, house):
    rehearsal_id = ask(db, house.meeting_id)
    house.open()
    before = kept(db)
    with pytest.raises(HouseSitting):
        run(db, "http://localhost", "http://127.0.0.1:1", rehearsal_id)
    assert state_of(db, rehearsal_id) == State.BROKEN
    assert kept(db) == before


def test_a_process_that_cannot_begin_leaves_a_broken_rehearsal(house, db, monkeypatch):
    monkeypatch.setattr(process, "COMMAND", ["false"])
    rehearsal_id = ask(db, house.meeting_id)
    process.start(db, {"rehearsal_id": rehearsal_id})
    deadline = time.monotonic() + 30
    while state_of(db, rehearsal_id) == State.WAITING and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state_of(db, rehearsal_id) == State.BROKEN


def test_the_secretary_sees_how_far_it_is_and_what_came_of_it(web):
    db = web.client.app.state.db
    assert web.call("secretary", "GET", "rehearsals").json() == []
    for delegates in (1, 5001):
        assert web.call("secretary", "POST", "rehearsals", json={"delegates": delegates}).status_code == 422
    rehearsal_id = ask(db, web.house.meeting_id)
    begin(db, rehearsal_id)
    with db.write() as tx:
        actions.tell(tx, rehearsal_id, Progress(step="sitting", percent=40))
    [told] = web.call("secretary", "GET", "rehearsals").json()
    assert (told["state"], told["progress"], told["result"]) == ("running", {"step": "sitting", "percent": 40}, None)
    actions.end(db, clock.now(), rehearsal_id, RESULT)
    [told] = web.call("secretary", "GET", "rehearsals").json()
    assert (told["state"], told["progress"], told["result"]["seconds"]) == ("passed", None, 1)
