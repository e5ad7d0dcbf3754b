"""The live socket: who may enter, what is read aloud to whom, and how it ends."""

import asyncio
import json
from contextlib import ExitStack
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, text, update

from meetings.access import actions as access
from meetings.access.models import EndedSession
from meetings.live import hub, log, socket
from meetings.live.apply import apply
from meetings.live.events import BridgeNoted, event_adapter
from meetings.live.frames import Hello
from meetings.live.log import Level
from meetings.live.models import MeetingLog, Ticket
from meetings.live.views import State
from shared import clock
from shared.ids import digest
from tests.meetings.conftest import PUBLIC_URL
from tests.meetings.lines import line, ticket, turned_away
from tests.meetings.scene import upload


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nobody waits for the beats of the clock."""
    monkeypatch.setattr(hub, "COALESCE", 0.01)
    monkeypatch.setattr(hub, "TICK", 0.1)
    monkeypatch.setattr(hub, "NET", 0.1)
    monkeypatch.setattr(hub, "RIGHTS", 0.2)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "https://evil.example",
        PUBLIC_URL + ".evil.example",
        PUBLIC_URL + "/",
        PUBLIC_URL.replace("http:", "https:"),
        PUBLIC_URL.replace("8500", "8501"),
        PUBLIC_URL.upper(),
    ],
)
def test_another_origin_is_turned_away_before_anything_is_looked_at(web, origin):
    entry = ticket(web, "m3")
    assert turned_away(web, entry, origin=origin) == 403
    with line(web, entry=entry) as mine:  # the ticket was not used up
        assert mine.hello()["snapshot"]["seq"] > 0


def test_without_a_ticket_of_ours_nobody_comes_in(web):
    token = web.issuer.token("m3", audience=PUBLIC_URL)
    for entry in ("", "x", "x" * 5000, token, "%00", digest(ticket(web, "m3"))):
        assert turned_away(web, entry) == 403


def test_a_ticket_lets_in_once(web):
    entry = ticket(web, "m3")
    with line(web, entry=entry):
        assert turned_away(web, entry) == 403
    assert turned_away(web, entry) == 403


def test_a_ticket_is_good_for_a_minute_and_only_its_digest_is_kept(web):
    early, late = ticket(web, "m3"), ticket(web, "m3")
    with web.client.app.state.db.read() as tx:
        assert {row.digest for row in tx.scalars(select(Ticket))} == {digest(early), digest(late)}
    with time_machine.travel(clock.now() + timedelta(seconds=58), tick=True), line(web, entry=early) as mine:
        assert mine.hello()
    with time_machine.travel(clock.now() + timedelta(seconds=62), tick=True):
        assert turned_away(web, late) == 403
        web.client.app.state.db.kept.clear()  # once a second
        ticket(web, "m4")  # a new one sweeps the old ones out
        with web.client.app.state.db.read() as tx:
            assert len(tx.scalars(select(Ticket)).all()) == 1


@pytest.mark.parametrize("who", ["chair", "secretary", "m3", "teller", "guest"])
def test_a_newcomer_gets_what_the_screen_would_get_over_http(web, who):
    web.house.open()
    with line(web, who) as mine:
        frame = mine.hello()
    assert frame["snapshot"] == web.call(who, "GET", "").json()


def test_what_happens_is_heard_in_order_without_a_gap(web, quick):
    with line(web, "m3") as mine:
        start = mine.hello()["snapshot"]
        state, seq = State.model_validate(start["state"]), start["seq"]
        for name in ("m4", "m5", "m6"):
            web.call(name, "POST", "check-in", json={})
            frame = mine.until("events")
            assert frame["after"] == seq
            state = [apply(state, event_adapter.validate_python(one["event"])) for one in frame["events"]][-1]
            seq = frame["up_to"]
    assert state == State.model_validate(web.call("m3", "GET", "").json()["state"])


def test_after_a_cut_only_what_was_missed_is_told(web):
    with line(web, "m3") as mine:
        start = mine.hello()["snapshot"]
    web.house.open()
    with line(web, "m3") as mine:
        missed = mine.hello(start["epoch"], start["seq"])
        assert missed["after"] == start["seq"]
        assert [one["seq"] for one in missed["events"]] == list(range(start["seq"] + 1, missed["up_to"] + 1))
        assert mine.hello(start["epoch"], missed["up_to"])["events"] == []
    state = State.model_validate(start["state"])
    for one in missed["events"]:
        state = apply(state, event_adapter.validate_python(one["event"]))
    assert state == State.model_validate(web.call("m3", "GET", "").json()["state"])


def test_what_many_have_missed_is_made_once_until_there_is_more(web):
    start = web.call("m3", "GET", "").json()
    web.house.open()
    front, hello = web.client.app.state.front, Hello(type="hello", epoch=start["epoch"], since=start["seq"])
    missed = lambda level: asyncio.run(front._catch_up(web.house.meeting_id, level, hello))  # noqa: E731
    told = missed(Level.DELEGATE)
    assert missed(Level.DELEGATE) is told
    note = BridgeNoted(bridge_id="b", text="Gọi lại sau")
    with web.client.app.state.db.write() as tx:
        log.append(tx, clock.now(), web.house.meeting_id, note, actor="-", level=Level.DESK)
    more, desk = missed(Level.DELEGATE), missed(Level.DESK)
    assert more != told
    assert b"bridge.noted" not in more
    assert b"bridge.noted" in desk
    assert missed(Level.DELEGATE) is more


@pytest.mark.parametrize("stand", ["another epoch", "the future", "long ago"])
def test_who_cannot_go_on_starts_anew(web, stand, monkeypatch):
    monkeypatch.setattr(hub, "RIGHTS", 1000.0)  # nobody but the client finds out
    with line(web, "m3") as mine:
        start = mine.hello()["snapshot"]
        web.house.open()
        newest = web.call("m3", "GET", "").json()["seq"]
        while mine.until("events")["up_to"] < newest:
            pass
        epoch, since = start["epoch"], start["seq"]
        if stand == "another epoch":
            with web.client.app.state.db.write() as tx:
                tx.execute(update(MeetingLog).values(epoch="restored"))
        elif stand == "the future":
            since = 10**9
        else:
            monkeypatch.setattr(socket, "TAIL_LIMIT", 2)
        mine.say({"type": "hello", "epoch": epoch, "since": since})
        again = mine.until("snapshot")["snapshot"]
    assert again == web.call("m3", "GET", "").json()


def test_what_is_hidden_shows_only_as_numbers_that_pass(web, quick):
    house = web.house.open()
    with line(web, "m3") as member, line(web, "secretary") as desk, line(web, "guest") as guest:
        epoch, start = (member.hello()["snapshot"][name] for name in ("epoch", "seq"))
        for other in (desk, guest):
            other.hello()
        poll = house.prepare_poll()
        for verb in ("open", "close"):
            assert web.call("chair", "POST", f"polls/{poll}/{verb}").status_code == 204
        paper = {"data": {"audience": "delegates", "title": "Kín"}, **upload()}
        assert web.call("secretary", "POST", f"items/{house.item_id}/papers", **paper).status_code == 201
        assert web.call("secretary", "POST", "publish").status_code == 200
        end = web.call("m3", "GET", "").json()["seq"]
        seen = {}
        for who, one in (("m3", member), ("secretary", desk), ("guest", guest)):
            while one.until("events")["up_to"] < end:
                pass
            frames = [frame for frame in one.heard if frame["type"] == "events"]
            assert [frame["after"] for frame in frames] == [start, *(frame["up_to"] for frame in frames[:-1])]
            seen[who] = {event["event"]["type"] for frame in frames for event in frame["events"]}
            told = one.hello(epoch, start)
            assert {event["event"]["type"] for event in told["events"]} == seen[who]
            assert ("Kín" in json.dumps(told, ensure_ascii=False)) is (who != "guest")
    everyone = {"poll.prepared", "poll.opened", "poll.closed"}
    assert seen == {
        "guest": everyone,
        "m3": everyone | {"paper.published"},
        "secretary": everyone | {"paper.published", "poll.counted"},
    }


def test_the_turnout_is_told_to_all_and_who_is_missing_to_the_desk(web, quick):
    house = web.house.open()
    poll = house.open_poll()
    with line(web, "guest") as guest, line(web, "chair") as desk:
        guest.hello()
        desk.hello()
        path, key = f"polls/{poll}/ballots", {"headers": {"Idempotency-Key": "k" * 20}}
        assert web.call("m3", "POST", path, json={"choice": "against"}, **key).status_code == 200
        missing = {house.seats[name].member_id for name in house.names if name != "m3"}
        for one, names in ((guest, set()), (desk, missing)):
            while one.until("turnout")["cast"] < 1:
                pass
            assert one.heard[-1] == {"type": "turnout", "poll_id": poll, "cast": 1, "missing": sorted(names)}
            assert "against" not in json.dumps([frame for frame in one.heard if frame["type"] != "snapshot"])


def test_who_is_connected_is_told_to_the_desk_alone(web, quick):
    ids = {name: seat.member_id for name, seat in web.house.seats.items()}
    with line(web, "secretary") as desk, line(web, "m3") as member, line(web, "guest") as guest:
        for one in (desk, member, guest):
            one.hello()
        with line(web, "m4"):
            while ids["m4"] not in desk.until("presence")["members"]:
                pass
        while ids["m4"] in desk.until("presence")["members"]:
            pass
        assert set(desk.heard[-1]["members"]) == {ids["secretary"], ids["m3"]}
        web.call("m5", "POST", "check-in", json={})
        for one in (member, guest):
            one.until("events")
            assert "presence" not in {frame["type"] for frame in one.heard}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '"hello"',
        '{"type": "bye"}',
        '{"type": "hello", "is_admin": true}',
        '{"type": "hello", "since": -1}',
        '{"type": "hello", "since": "many"}',
        '{"type": "hello", "since": NaN}',
        '{"type": "hello", "epoch": "' + "x" * 65 + '"}',
        '{"type": "hello", "epoch": "a\\u0000b"}',
        '{"type":' * 300,
        b'{"type": "hello"}',
    ],
    ids=range(14),
)
def test_nonsense_ends_the_socket(web, message):
    with line(web, "m3") as mine:
        mine.say(message)
        assert mine.closed() == 4400


def test_who_says_nothing_is_not_waited_for(web, quick, monkeypatch):
    monkeypatch.setattr(hub, "HELLO_WITHIN", 0.05)
    with line(web, "m3") as mine:
        assert mine.closed() == 4400
    with line(web, "m3") as mine:
        mine.hello()
        web.call("m4", "POST", "check-in", json={})
        assert mine.until("events")


@pytest.mark.parametrize("hint", ["heard", "lost"])
def test_a_sign_in_that_ends_takes_its_sockets_along(web, quick, hint):
    with line(web, "m3") as first, line(web, "m3") as second, line(web, "m4") as other:
        for one in (first, second, other):
            one.hello()
        with web.client.app.state.db.write() as tx:
            if hint == "heard":
                access.end_session(tx, clock.now(), "sid-m3", "jti")
            else:
                tx.add(EndedSession(sid="sid-m3", jti="jti", ended_at=clock.now()))
        assert (first.closed(), second.closed()) == (4401, 4401)
        web.call("m5", "POST", "check-in", json={})
        assert other.until("events")


def test_one_sign_in_has_so_many_sockets_and_no_more(web):
    with ExitStack() as stack:
        for _ in range(socket.SOCKETS_PER_SESSION):
            stack.enter_context(line(web, "m3")).hello()
        assert stack.enter_context(line(web, "m3")).closed() == 4429
        assert stack.enter_context(line(web, "m4")).hello()


def test_a_heartbeat_tells_how_far_the_log_has_come(web, quick, monkeypatch):
    monkeypatch.setattr(hub, "BEAT", 0.05)
    with line(web, "guest") as mine:
        seq = mine.hello()["snapshot"]["seq"]
        assert mine.until("heartbeat")["head"] == seq


def test_when_the_process_goes_every_socket_is_told_to_come_back(web):
    with line(web, "m3") as mine:
        mine.hello()
        web.client.portal.call(web.client.app.state.hub.close)
        assert mine.closed() == 1012


def test_when_the_database_is_lost_the_socket_is_told_to_come_back(web):
    with line(web, "m3") as mine:
        mine.hello()
        with web.client.app.state.db.write() as tx:
            tx.execute(text("ALTER TABLE meeting_log RENAME TO gone"))
        mine.say({"type": "hello"})
        assert mine.closed() == 1012
