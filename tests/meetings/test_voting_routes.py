"""A vote over HTTP: receipts to the byte, replays, late and second ballots, and nobody sees a result too early."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from meetings.agenda.actions import Meeting
from meetings.bodies import actions as bodies
from meetings.bodies.rules import Role
from meetings.minutes.evidence import collect
from meetings.minutes.recount import recount
from meetings.voting import actions, models
from shared import clock
from shared.audit import AuditEvent
from tests.makers import make_house


def cast(web, who: str, poll: str, choice: str = "in_favour", key: str = "k" * 20, **body: str) -> Any:
    headers = {"Idempotency-Key": key}
    return web.call(who, "POST", f"polls/{poll}/ballots", json={"choice": choice} | body, headers=headers)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def poll(web) -> str:
    return web.house.open().open_poll()


def test_a_vote_goes_from_plan_to_outcome(web):
    house = web.house.open()
    plan = {"item_id": house.item_id, "title": "  Thông qua  ", "majority": "two_thirds"}
    poll = web.call("secretary", "POST", "polls", json=plan).json()["id"]
    stages = []
    for verb in ("open", "close", "declare"):
        assert web.call("chair", "POST", f"polls/{poll}/{verb}").status_code == 204
        if verb == "open":
            for number, name in enumerate(("chair", "secretary", "m3", "m4")):
                assert cast(web, name, poll, key=f"{number}" * 20).status_code == 200
        view = web.call("m6", "GET", "").json()["state"]["polls"][poll]
        stages.append((view["stage"], view["tally"] and view["tally"]["in_favour"], view["outcome"]))
    assert stages == [("open", None, None), ("closed", None, None), ("declared", 4, "carried")]
    assert (view["number"], view["title"], view["needed"], view["electorate"]) == ("1.1", "Thông qua", 4, 6)
    told = web.call("m6", "GET", f"polls/{poll}/ballots").json()
    assert {one["member_id"] for one in told} == {house.seats[name].member_id for name in ("chair", "secretary", "m3", "m4")}
    assert [one["code"] for one in told] == sorted(one["code"] for one in told)  # not the order of casting


def test_a_retry_gets_the_same_receipt_to_the_byte(web, poll):
    first = cast(web, "m3", poll)
    with ThreadPoolExecutor(8) as pool:
        again = {answer.content for answer in pool.map(lambda _: cast(web, "m3", poll), range(16))}
    assert again == {first.content}
    receipt = first.json()
    assert web.call("m3", "GET", f"polls/{poll}/ballots/mine").content == first.content
    assert set(receipt) == {"poll_id", "member_id", "turn", "choice", "cast_at", "receipt", "code"}
    assert web.house.close_poll(poll).in_favour == 1
    assert cast(web, "m3", poll).content == first.content


def test_a_second_ballot_tells_of_the_first_and_may_replace_it(web, poll):
    first = cast(web, "m3", poll).json()
    second = cast(web, "m3", poll, "against", key="2" * 20)
    assert refused(second) == (409, "already-voted")
    assert second.json()["facts"] == {"code": first["code"]}
    assert refused(cast(web, "m3", poll, "against", key="3" * 20, replaces="0" * 64)) == (409, "already-voted")
    changed = cast(web, "m3", poll, "against", key="4" * 20, replaces=first["receipt"])
    assert (changed.status_code, changed.json()["turn"]) == (200, 2)
    assert web.call("m3", "GET", f"polls/{poll}/ballots/mine").json() == changed.json()
    closed = web.house.close_poll(poll)
    assert (closed.in_favour, closed.against) == (0, 1)


def test_a_recorded_ballot_is_of_no_use_elsewhere(web, poll):
    first = cast(web, "m3", poll).json()
    assert refused(cast(web, "m4", poll)) == (422, "key-reused")
    assert refused(cast(web, "m3", poll, "against")) == (422, "key-reused")
    with web.client.app.state.db.read() as tx:
        assert len(list(tx.scalars(select(AuditEvent).where(AuditEvent.act == "refused.key-reused")))) == 2
    web.house.close_poll(poll)
    other = web.house.open_poll()
    house, meeting = web.house, make_house(web.client.app.state.db).open()
    web.house = meeting
    assert refused(cast(web, "m3", other)) == (404, "not-found")
    web.house = house
    fresh = cast(web, "m3", other).json()
    assert fresh["receipt"] != first["receipt"]


def test_a_ballot_comes_too_early_or_too_late(web):
    house = web.house.open()
    poll = house.prepare_poll()
    assert refused(cast(web, "m3", poll)) == (409, "poll-not-open")
    web.call("chair", "POST", f"polls/{poll}/open")
    web.call("chair", "POST", f"polls/{poll}/close")
    assert refused(cast(web, "m3", poll)) == (409, "poll-not-open")
    for verb in ("close", "open"):
        answer = web.call("chair", "POST", f"polls/{poll}/{verb}")
        assert refused(answer) == (409, "poll-not-open" if verb == "close" else "poll-not-prepared")
    assert web.call("chair", "POST", f"polls/{poll}/declare").status_code == 204
    assert refused(web.call("chair", "POST", f"polls/{poll}/declare")) == (409, "poll-not-closed")


def test_the_hour_is_a_line_and_more_time_moves_it(web):
    house = web.house.open()
    poll = house.open_poll(duration=60)
    assert web.call("chair", "POST", f"polls/{poll}/extend", json={"seconds": 30}).status_code == 204
    with time_machine.travel(clock.now() + timedelta(seconds=75), tick=True):
        assert cast(web, "m3", poll).status_code == 200
    with time_machine.travel(clock.now() + timedelta(seconds=95), tick=True):
        assert refused(cast(web, "m4", poll, key="m" * 20)) == (409, "poll-not-open")
        assert refused(web.call("chair", "POST", f"polls/{poll}/extend", json={"seconds": 30})) == (409, "poll-not-open")


def test_a_poll_is_not_kept_open_for_ever(house):
    poll = house.open().open_poll(duration=3600)
    with house.db.write() as tx:
        for _ in range(12):
            actions.extend_poll(tx, clock.now(), house.seats["chair"], poll, 600)
        found = tx.get_one(models.Poll, poll)
        assert found.closes_at - found.opened_at == actions.LATEST


def test_who_has_no_vote_was_added_later_or_is_not_here_casts_none(web):
    house = web.house.open(present=5)
    poll = house.open_poll()
    for name in ("teller", "guest"):
        assert refused(cast(web, name, poll)) == (403, "forbidden")
    assert refused(cast(web, "m6", poll)) == (409, "not-present")
    with web.client.app.state.db.write() as tx:
        body_id = tx.get_one(Meeting, house.meeting_id).body_id
        bodies.add_member(tx, body_id, username="late", full_name="Lê Đến Sau", role=Role.MEMBER, votes=True)
    assert web.call("late", "POST", "check-in", json={}).status_code == 204
    assert refused(cast(web, "late", poll)) == (403, "not-eligible")
    assert house.close_poll(poll).electorate == 6


@pytest.mark.parametrize("stage", ["open", "closed"])
def test_nobody_sees_how_it_stands_before_it_is_declared(web, poll, stage):
    cast(web, "m3", poll, "against")
    if stage == "closed":
        web.house.close_poll(poll)
    for who in ("chair", "secretary", "m3", "teller", "guest"):
        assert web.call(who, "GET", f"polls/{poll}/ballots").json()["code"] in ("not-found", "forbidden")
        view = web.call(who, "GET", "").json()["state"]["polls"][poll]
        desk = stage == "closed" and who in ("chair", "secretary")
        assert (view["tally"] is not None, view["check_code"] is not None) == (desk, desk)
        if who not in ("chair", "secretary"):
            assert "against" not in web.call(who, "GET", "").text


def test_there_is_no_ballot_of_mine_until_i_cast_one(web, poll):
    assert refused(web.call("m3", "GET", f"polls/{poll}/ballots/mine")) == (404, "not-found")
    cast(web, "m3", poll)
    assert refused(web.call("m4", "GET", f"polls/{poll}/ballots/mine")) == (404, "not-found")


def test_one_vote_at_a_time_with_a_quorum(web, poll):
    other = web.house.prepare_poll()
    assert refused(web.call("chair", "POST", f"polls/{other}/open")) == (409, "another-poll-open")
    web.house.close_poll(poll)
    for name in ("m4", "m5", "m6"):
        path = f"attendance/{web.house.seats[name].member_id}"
        web.call("secretary", "PUT", path, json={"state": "absent"})
    short = web.call("chair", "POST", f"polls/{other}/open")
    assert refused(short) == (409, "no-quorum")
    assert short.json()["facts"] == {"needed": 4, "total": 6, "present": 3}


@pytest.mark.parametrize("early", [timedelta(seconds=-3), timedelta(seconds=3)])
def test_a_request_that_overtakes_another_does_not_fall_outside_the_hours(house, early):
    """The instant of a request is taken before it waits for its lock: whoever comes later may be served first."""
    poll = house.open().prepare_poll()
    now = clock.now()
    with house.db.write() as tx:
        actions.open_poll(tx, now, house.seats["chair"], poll)
    with house.db.write() as tx:
        actions.cast_ballot(tx, now + early, house.seats["m3"], poll, actions.Choice.IN_FAVOUR, "k" * 20, None)
    with house.db.write() as tx:
        actions.close_poll(tx, now, house.seats["chair"], poll)
    with house.db.read() as tx:
        found = recount(collect(tx, house.meeting_id))
        closed = tx.get_one(models.Poll, poll)
        assert closed.opened_at <= models.last_cast_at(tx, poll) <= closed.closed_at
    assert (found.faults, found.polls[0]["tally"]["in_favour"]) == ([], 1)


def test_a_poll_has_the_number_of_its_item_until_it_is_opened_and_keeps_it_then(web):
    house = web.house.open()
    voted = house.open_poll()
    house.close_poll(voted)
    [early, late] = [web.call("secretary", "POST", "items", json={"title": title}).json()["id"] for title in ("A", "B")]
    on_first, on_late = house.prepare_poll(), house.prepare_poll(item_id=late)

    def numbers() -> list[str]:
        polls = web.call("m3", "GET", "").json()["state"]["polls"]
        return [polls[one]["number"] for one in (voted, on_first, on_late)]

    assert numbers() == ["1.1", "1.2", "3.1"]
    assert (
        web.call("secretary", "POST", f"items/{house.item_id}/move", json={"parent_id": None, "position": 2}).status_code == 204
    )
    assert numbers() == ["1.1", "3.2", "2.1"]
    assert web.call("secretary", "DELETE", f"items/{early}").status_code == 204
    assert numbers() == ["1.1", "2.2", "1.2"]  # 1.1 was voted on: no second poll may bear that number
