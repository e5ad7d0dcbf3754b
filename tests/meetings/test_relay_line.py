"""The one socket of a relay: what it must show to come in, and that its tablets are listeners like all others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from meetings.access import actions as access
from meetings.bridges import health
from meetings.live import hub, relay, socket
from shared import clock, tokens
from shared.audit import AuditEvent
from shared.ids import new_token
from tests.meetings.conftest import PUBLIC_URL
from tests.meetings.lines import PATIENCE, address, line, ticket

ROOM, SCOPE = "relay-hoa-vang", "meetings.relay"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"relays": f"relay-dai-loc, {ROOM}"})


@pytest.fixture
def quick(monkeypatch) -> None:
    for name, seconds in (("COALESCE", 0.01), ("TICK", 0.1), ("NET", 0.1), ("RIGHTS", 0.2)):
        monkeypatch.setattr(hub, name, seconds)


class Link:
    """A relay's side of the socket; by line what came to it: frames, `in`, or its end."""

    def __init__(self, session: ClientConnection) -> None:
        self.session = session
        self.heads: list[dict[str, Any]] = []
        self.kept: dict[int, bytes] = {}
        self.heard: dict[int, list[Any]] = {}

    def say(self, kind: str, text: str | None = None, **head: Any) -> "Link":
        self.session.send(json.dumps({"type": kind, **head}) + ("" if text is None else f"\n{text}"))
        return self

    def enter(self, number: int, entry: str, origin: str = PUBLIC_URL) -> Any:
        """What becomes of it: the number, or the code with which it is turned away."""
        self.say("enter", line=number, ticket=entry, origin=origin)
        return self.until(number, lambda one: not isinstance(one, dict))

    def said(self, number: int, **message: Any) -> "Link":
        return self.say("said", json.dumps(message), line=number)

    def hello(self, number: int) -> dict[str, Any]:
        self.said(number, type="hello")
        return self.until(number, lambda one: one["type"] == "snapshot")

    def until(self, number: int, holds: Any) -> Any:
        """The first thing of a line, not looked at yet, that it is waited for."""
        while True:
            waiting = self.heard.setdefault(number, [])
            while waiting:
                if holds(one := waiting.pop(0)):
                    return one
            self.next()

    def next(self) -> dict[str, Any]:
        message = self.session.recv(timeout=PATIENCE)
        assert isinstance(message, bytes)
        first, _, frame = message.partition(b"\n")
        head = json.loads(first)
        self.heads.append(head)
        if "keep" in head:
            self.kept[head["keep"]] = frame
        if "to" in head:
            self.frame = self.kept[head["kept"]] if "kept" in head else frame
        for number in head.get("to", ()):
            self.heard.setdefault(number, []).append(json.loads(_content(self.frame)))
        for kind in ("in", "out"):
            if kind in head:
                self.heard.setdefault(head[kind], []).append(head.get("code", head[kind]))
        return head

    def closed(self) -> int:
        while True:
            try:
                self.session.recv(timeout=PATIENCE)
            except ConnectionClosed as end:
                return end.rcvd.code if end.rcvd else 1006


def _content(frame: bytes) -> bytes:
    """Of a finished frame (RFC 6455, 5.2)."""
    assert frame[0] == 0x81
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def relay_token(web, **changes: Any) -> str:
    return web.issuer.token_of_client(ROOM, **{"audience": PUBLIC_URL, "scope": SCOPE, **changes})


@contextmanager
def link(web, token: str | None = None) -> Iterator[Link]:
    bearer = {"Authorization": f"Bearer {relay_token(web) if token is None else token}"}
    with connect(f"{address(web)}/relay", additional_headers=bearer, max_size=None, close_timeout=2) as session:
        yield Link(session)


def turned_away(web, token: str) -> int:
    with pytest.raises(InvalidStatus) as end, link(web, token):
        pass
    return end.value.response.status_code


@pytest.mark.parametrize(
    ("why", "code"),
    [
        ("none", "invalid-token"),
        ("nonsense", "invalid-token"),
        ("forged", "invalid-token"),
        ("another issuer", "invalid-token"),
        ("another audience", "invalid-token"),
        ("over", "invalid-token"),
        ("no access token", "invalid-token"),
        ("a person", "forbidden"),
        ("a person of its client", "forbidden"),
        ("a client that is no relay", "forbidden"),
        ("no scope", "forbidden"),
        ("part of a scope", "forbidden"),
        ("bound to a key", "forbidden"),
    ],
)
def test_who_is_no_relay_does_not_come_in(web, why, code):
    past = int((clock.now() - timedelta(hours=1)).timestamp())
    token = {
        "none": lambda: "",
        "nonsense": lambda: "x.y.z",
        "forged": lambda: relay_token(web, key=_another_key(web)),
        "another issuer": lambda: relay_token(web, iss="https://evil.example"),
        "another audience": lambda: relay_token(web, audience="https://other.example"),
        "over": lambda: relay_token(web, iat=past, exp=past + 60),
        "no access token": lambda: relay_token(web, typ="JWT"),
        "a person": lambda: web.issuer.token("m3", audience=PUBLIC_URL, scope=SCOPE),
        "a person of its client": lambda: web.issuer.token("m3", audience=PUBLIC_URL, scope=SCOPE, client_id=ROOM),
        "a client that is no relay": lambda: relay_token(web, sub="calendar", client_id="calendar"),
        "no scope": lambda: relay_token(web, scope="openid"),
        "part of a scope": lambda: relay_token(web, scope=f"{SCOPE}s x{SCOPE}"),
        "bound to a key": lambda: relay_token(web, cnf={"jkt": "x"}),
    }[why]()
    assert turned_away(web, token) == 403
    with web.client.app.state.db.read() as tx:
        assert f"refused.{code}" in set(tx.scalars(select(AuditEvent.act).where(AuditEvent.object == "/api/live/relay")))


def _another_key(web) -> Any:
    """It calls itself as the issuer's."""
    key = tokens.generate_key("ES256")
    return tokens.import_keys({"keys": [{**key.as_dict(private=True), "kid": web.issuer.key.kid}]}).keys[0]


def test_after_a_restore_a_relay_needs_a_token_of_the_new_epoch(web):
    old = relay_token(web)
    with link(web, old):
        pass
    with web.client.app.state.db.write() as tx:
        access.begin_epoch(tx, clock.now())
    assert turned_away(web, old) == 403
    with link(web, relay_token(web, iat=int(clock.now().timestamp()) + 2)) as relay_link:
        assert relay_link.enter(1, "none") == 4403


def test_where_no_relay_is_named_none_comes_in(web, monkeypatch):
    monkeypatch.setattr(web.client.app.state, "admit_relay", _admit_with(web, ""))
    assert turned_away(web, relay_token(web)) == 403


def _admit_with(web, relays: str) -> Any:
    from meetings.access.relays import admit_relay

    state = web.client.app.state
    settings = state.settings.model_copy(update={"relays": relays})
    return lambda token, instant: admit_relay(settings, state.issuer_keys, lambda: None, token, instant)


def test_a_tablet_comes_in_with_its_ticket_and_gets_what_a_direct_one_gets(web, quick):
    with link(web) as room, line(web, "m3") as direct:
        assert room.enter(1, ticket(web, "m4")) == 1
        assert room.hello(1) == direct.hello()
        poll = web.house.open().open_poll()
        told = direct.until("events")
        assert room.until(1, lambda one: one["type"] == "events") == told
        listeners = [one for one in web.client.app.state.hub._rooms[web.house.meeting_id].everybody() if one.via]
        assert [(one.via, one.member_id) for one in listeners] == [(ROOM, web.house.seats["m4"].member_id)]
        assert room.until(1, lambda one: one["type"] == "turnout")["poll_id"] == poll


def test_the_desk_knows_which_tablets_of_a_bridge_are_behind_a_relay(web, quick, monkeypatch):
    monkeypatch.setattr(health, "LOOK", 0.1)
    far = web.house.bridge("Hòa Vang", "m3", "m4")
    with link(web) as room, line(web, "m3") as direct, line(web, "chair") as desk:
        assert room.enter(1, ticket(web, "m4")) == 1
        direct.hello()
        heard = {"online": 0}
        while heard["online"] < 2:
            heard = desk.until("bridges")["bridges"].get(far, heard)
        assert heard["relayed"] == 1


@pytest.mark.parametrize("why", ["used", "none", "made up", "another origin", "no origin"])
def test_a_tablet_without_a_good_ticket_is_turned_away_as_it_is_directly(web, why):
    entry = ticket(web, "m3")
    origin = {"another origin": "https://evil.example", "no origin": ""}.get(why, PUBLIC_URL)
    if why == "used":
        with line(web, entry=entry):
            pass
    with link(web) as room:
        assert room.enter(1, {"none": "", "made up": new_token()}.get(why, entry), origin) == socket.NO_ENTRY
        assert room.enter(2, ticket(web, "m4")) == 2  # the others go on


def test_one_sign_in_has_no_more_tablets_behind_a_relay_than_beside_it(web):
    with link(web) as room, line(web, "m3"), line(web, "m3"):
        codes = [room.enter(number, ticket(web, "m3")) for number in range(1, 5)]
        assert codes == [1, 2, 3, socket.TOO_MANY]
        room.say("left", line=1)
        assert room.enter(9, ticket(web, "m4")) == 9
        assert room.enter(5, ticket(web, "m3")) == 5


def test_what_many_are_told_is_sent_once(web, quick):
    web.house.open()
    names = ["m3", "m4", "m5", "m6", "secretary"]
    with link(web) as room:
        for number, name in enumerate(names, 1):
            assert room.enter(number, ticket(web, name)) == number
        snapshots = [room.hello(number) for number in (1, 2, 3, 4)]
        assert all(one == snapshots[0] for one in snapshots)
        carried = [head for head in room.heads if "keep" in head]
        assert len(carried) == 1, "one snapshot for four delegates"
        room.hello(5)
        before = len(room.heads)
        web.house.open_poll()
        for number in (1, 5):
            room.until(number, lambda one: one["type"] == "events")
        events = [head for head in room.heads[before:] if "to" in head]
        assert sorted(number for head in events[:2] for number in head["to"])[:5] == [1, 2, 3, 4, 5]
        assert any(sorted(head["to"]) in ([1, 2, 3, 4], [1, 2, 3, 4, 5]) for head in events)


def test_a_ballot_through_a_relay_has_the_receipt_that_it_has_directly(web):
    house = web.house.open()
    poll = house.open_poll()
    ballot = {"type": "vote.cast", "poll_id": poll, "choice": "against", "key": "k" * 20}
    with link(web) as room, line(web, "m3") as direct:
        assert room.enter(1, ticket(web, "m3")) == 1
        mine = room.said(1, **ballot).until(1, lambda one: one["type"] == "vote.receipt")
        raw = _content(room.frame).decode()
        assert direct.vote(poll, "against", "k" * 20) == mine
        assert direct.raw == raw, "to the byte"
        wrong = room.said(1, **ballot | {"choice": "in_favour"}).until(1, lambda one: one["type"] == "vote.refused")
        assert (wrong["status"], wrong["code"]) == (422, "key-reused")
        answer = web.call(
            "m3", "POST", f"polls/{poll}/ballots", json={"choice": "against"}, headers={"Idempotency-Key": "k" * 20}
        )
        assert answer.json() == mine["receipt"]


def test_a_sign_in_that_ends_takes_its_tablets_behind_a_relay_along(web, quick):
    with link(web) as room:
        for number, name in ((1, "m3"), (2, "m4")):
            assert room.enter(number, ticket(web, name)) == number
            room.hello(number)
        with web.client.app.state.db.write() as tx:
            access.end_session(tx, clock.now(), "sid-m3", "jti")
        assert room.until(1, lambda one: not isinstance(one, dict)) == hub.SIGNED_OUT
        room.said(1, type="hello")  # it does not know yet
        assert room.hello(2)


@pytest.mark.parametrize(("message", "code"), [("{", 4400), ('{"type": "bye"}', 4400), ("x" * 5000, relay.TOO_LARGE)])
def test_nonsense_of_a_tablet_ends_its_line_alone(web, message, code):
    with link(web) as room:
        for number, name in ((1, "m3"), (2, "m4")):
            assert room.enter(number, ticket(web, name)) == number
        room.say("said", message, line=1)
        assert room.until(1, lambda one: not isinstance(one, dict)) == code
        assert room.hello(2)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '{"type": "said"}',
        '{"type": "enter", "line": 0, "ticket": "", "origin": ""}',
        '{"type": "left", "line": "1"}x',
        b"{}",
    ],
    ids=range(7),
)
def test_nonsense_of_a_relay_ends_its_socket(web, message):
    with link(web) as room:
        room.session.send(message)
        assert room.closed() == 4400


def test_a_relay_that_goes_takes_its_tablets_along(web, quick):
    ids = {name: seat.member_id for name, seat in web.house.seats.items()}
    with line(web, "secretary") as desk:
        desk.hello()
        with link(web) as room:
            assert room.enter(1, ticket(web, "m3")) == 1
            room.hello(1)
            while ids["m3"] not in desk.until("presence")["members"]:
                pass
        while ids["m3"] in desk.until("presence")["members"]:
            pass
        assert web.client.app.state.hub.count == 1


def test_a_silent_tablet_is_known_as_such_and_let_go(web, quick, monkeypatch):
    with link(web) as room:
        for number, name in ((1, "m3"), (2, "m4")):
            assert room.enter(number, ticket(web, name)) == number
            room.hello(number)
        monkeypatch.setattr(hub, "SILENCE", relay.MISSED + 0.1)
        room.say("silent", lines=[1])
        assert room.until(1, lambda one: not isinstance(one, dict)) == hub.RESTART
        assert room.hello(2)


def test_a_relay_whose_token_is_over_is_let_go_unless_it_brings_another(web, monkeypatch):
    monkeypatch.setattr(relay, "BEAT", 0.05)
    later = clock.now() + timedelta(minutes=20)
    with link(web) as room, link(web) as other:
        assert room.enter(1, ticket(web, "m3")) == 1
        exp = int((later + timedelta(minutes=10)).timestamp())
        room.say("token", token=relay_token(web, exp=exp))
        room.said(1, type="hello")
        room.until(1, lambda one: one["type"] == "snapshot")
        with time_machine.travel(later, tick=True):
            assert other.closed() == hub.SIGNED_OUT
            assert room.hello(1)


@pytest.mark.parametrize("token", ["x.y.z", "another"])
def test_a_relay_that_brings_a_bad_token_is_let_go(web, token):
    with link(web) as room:
        room.say("token", token=token if token == "x.y.z" else relay_token(web, sub="relay-dai-loc", client_id="relay-dai-loc"))
        assert room.closed() == hub.SIGNED_OUT


def test_when_the_process_goes_every_line_is_told_to_come_back(web):
    with link(web) as room:
        assert room.enter(1, ticket(web, "m3")) == 1
        room.hello(1)
        web.client.portal.call(web.client.app.state.hub.close)
        assert room.until(1, lambda one: not isinstance(one, dict)) == 1012
