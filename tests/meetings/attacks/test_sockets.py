"""W: sockets of other sites, without a ticket of one's own, past their time, in floods. docs/attacks.md has the table."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from meetings.access.routes import LOGOUT_EVENT
from meetings.live import hub, socket
from tests.meetings.conftest import PUBLIC_URL
from tests.meetings.inventory import PUBLIC
from tests.meetings.lines import address, line, ticket, turned_away
from tests.meetings.test_relay_line import link

SOCKETS = [path for method, path in PUBLIC if method == "WS"]
FOREIGN = [
    None,
    "null",
    "https://evil.example",
    f"{PUBLIC_URL}.evil.example",
    f"https://user@{PUBLIC_URL[7:]}",
    f"{PUBLIC_URL}, x",
]


def handshake(web: Any, path: str, origin: str | None = PUBLIC_URL, **arguments: Any) -> int:
    """101, or the status with which it is refused."""
    url = address(web).removesuffix("/api/live") + path
    try:
        with connect(url, origin=origin, close_timeout=2, **arguments):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize("path", SOCKETS)
def test_w01_another_site_opens_no_socket_with_what_a_victims_browser_sends_along(standing, path):
    """Cookies, which nothing here reads, and an address that the attacker chose; the ticket is not used up."""
    token = standing.issuer.token("m3", audience=PUBLIC_URL)
    entry = ticket(standing, "m3")
    cookies = {"cookie": f"session={token}; access_token={token}; ticket={entry}"}
    for origin in FOREIGN:
        assert handshake(standing, f"{path}?ticket={entry}&access_token={token}", origin, additional_headers=cookies) == 403
    assert handshake(standing, path, additional_headers=cookies) == 403, "no cookie opens it even from here"
    with line(standing, entry=entry) as mine:
        assert mine.hello()


@pytest.mark.parametrize("name", ["ticket", "token", "access_token", "authorization", "bearer", "id_token"])
def test_w02_an_access_token_in_the_address_opens_nothing(standing, name):
    token = standing.issuer.token("m3", audience=PUBLIC_URL)
    assert handshake(standing, f"/api/live?{name}={token}") == 403
    assert handshake(standing, f"/api/live/relay?{name}={token}") == 403


def test_w02_an_access_token_opens_nothing_in_a_header_either(standing):
    token = standing.issuer.token("m3", audience=PUBLIC_URL)
    bearer = {"authorization": f"Bearer {token}"}
    assert handshake(standing, "/api/live", additional_headers=bearer) == 403
    assert handshake(standing, "/api/live", subprotocols=[token]) == 403


def test_w02_of_ten_who_come_with_one_ticket_at_once_one_comes_in(standing):
    address(standing)
    entry = ticket(standing, "m3")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: handshake(standing, f"/api/live?ticket={entry}"), range(10)))
    assert sorted(answers) == [101, *[403] * 9]


def log_out(web: Any, sid: str) -> None:
    arguments = {"audience": "meetings-web", "typ": "logout+jwt", "events": {LOGOUT_EVENT: {}}, "sid": sid}
    form = {"logout_token": web.issuer.token("m3", **arguments)}
    assert web.client.post("/api/backchannel-logout", data=form).status_code == 200


def test_w02_w03_with_its_sign_in_a_ticket_and_a_socket_are_over_at_once(standing):
    token = standing.issuer.token("m3", audience=PUBLIC_URL, sid="sid-over")
    tickets = [standing.call("m3", "POST", "ticket", token=token).json()["ticket"] for _ in range(3)]
    with line(standing, entry=tickets[0]) as mine, link(standing) as room, line(standing, "m4") as other:
        mine.hello()
        other.hello()
        assert room.enter(1, tickets[1]) == 1
        began = time.monotonic()
        log_out(standing, "sid-over")
        assert mine.closed() == 4401
        assert room.until(1, lambda one: one == 4401)
        assert time.monotonic() - began < 5
        assert turned_away(standing, tickets[2]) == 403
        assert other.hello(), "others go on"


def test_w03_a_hint_that_is_lost_costs_no_more_than_five_seconds():
    """How often rights are looked up without one, at the latest; test_socket.py plays it in a shorter time."""
    assert hub.RIGHTS + hub.TICK + hub.COALESCE <= 5


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def masked(opcode: Opcode, size: int) -> bytes:
    """The head of a client's frame that says it has so many bytes, under a mask that changes nothing."""
    return bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big") + bytes(4)


PING = Frame(Opcode.PING, b"x").serialize(mask=True)
HUGE = 10 << 20
FLOODS = {
    "ten megabytes": ([masked(Opcode.TEXT, HUGE)], b"x" * (64 << 10), HUGE >> 16, 1009),
    "says that it has all the memory there is": ([masked(Opcode.TEXT, 1 << 62)], b"x" * (64 << 10), HUGE >> 16, 1009),
    "a million pings": ([], PING * 1000, 1000, 1008),
    "a million empty fragments": (
        [Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)],
        Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 1000,
        1000,
        1008,
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_w04_a_flood_takes_no_memory_and_ends_its_own_socket_only(standing, name):
    """What this process holds grows by less than 10 MB, though it is the one that sends as well."""
    first, piece, times, code = FLOODS[name]
    with line(standing, "m4") as other, line(standing, "m3") as mine:
        other.hello()
        before = resident()
        try:
            for part in (*first, *[piece] * times):
                if mine.session.protocol.close_rcvd:
                    break
                mine.session.socket.sendall(part)
        except OSError:  # the other side has had enough already
            pass
        assert resident() - before < 10 << 20
        assert mine.closed() == code
        assert other.hello()


def test_w04_no_compression_is_agreed_on_and_so_there_are_no_bombs(standing):
    with line(standing, "m3", compression="deflate") as mine:
        assert "sec-websocket-extensions" not in {name.lower() for name in mine.session.response.headers}
        packed = bytearray(Frame(Opcode.TEXT, b"\xaa\x56").serialize(mask=True))
        packed[0] |= 0x40
        mine.session.socket.sendall(bytes(packed))
        assert mine.closed() == 1002


def test_w05_of_twenty_sockets_of_one_sign_in_at_once_five_stay_open_and_a_place_that_is_left_is_free(standing):
    token = standing.issuer.token("m5", audience=PUBLIC_URL, sid="sid-many")
    address(standing)
    tickets = [standing.call("m5", "POST", "ticket", token=token).json()["ticket"] for _ in range(21)]
    lines = []

    def come(entry: str) -> Any:
        opened = line(standing, entry=entry)
        lines.append(opened)
        mine = opened.__enter__()
        try:
            return mine.say({"type": "hello"}).until("snapshot") and mine
        except ConnectionClosed as end:
            return end.rcvd.code

    with ThreadPoolExecutor(20) as pool:
        came = list(pool.map(come, tickets[:20]))
    stayed = [one for one in came if not isinstance(one, int)]
    assert (len(stayed), {one for one in came if isinstance(one, int)}) == (socket.SOCKETS_PER_SESSION, {4429})
    for mine in stayed:
        mine.session.close()
    with line(standing, entry=tickets[20]) as again:
        assert again.hello()


@pytest.mark.parametrize("smuggled", ["meeting_id", "member_id", "level", "audience", "sid", "ticket"])
def test_w06_nobody_says_where_they_sit_or_what_they_may_see(standing, smuggled):
    hello = {"type": "hello", "epoch": None, "since": None, smuggled: standing.theirs.meeting_id}
    with line(standing, "guest") as mine:
        assert mine.say(hello).closed() == 4400


def test_w06_a_hello_that_was_recorded_of_others_tells_only_what_its_sender_may_know(standing, poll):
    standing.house.cast("m3", poll, "against")
    with line(standing, "chair") as desk:
        start = desk.hello()["snapshot"]
    standing.end_poll()
    recorded = {"epoch": start["epoch"], "since": start["seq"]}
    heard = {}
    for who in ("chair", "guest"):
        with line(standing, who) as mine:
            told = mine.hello(**recorded)
            heard[who] = {one["event"]["type"] for one in told["events"]}
    assert heard["chair"] - heard["guest"] == {"poll.counted"}
    answer = standing.call("x-chair", "POST", f"/api/meetings/{standing.house.meeting_id}/ticket")
    assert answer.status_code == 404
    entry = standing.call("x-chair", "POST", f"/api/meetings/{standing.theirs.meeting_id}/ticket").json()["ticket"]
    with line(standing, entry=entry) as stranger:
        snapshot = stranger.say({"type": "hello", **recorded}).until("snapshot")["snapshot"]
        assert snapshot["state"]["meeting"]["id"] == standing.theirs.meeting_id


def test_w06_a_relay_speaks_for_no_tablet_but_its_own(standing, poll):
    """Lines are its own: what it says for a number that did not come in with a ticket is said by nobody."""
    ballot = {"type": "vote.cast", "poll_id": poll, "choice": "against", "key": "r" * 20}
    with link(standing) as room, link(standing) as other:
        assert room.enter(1, ticket(standing, "m3")) == 1
        other.said(1, **ballot).said(2, **ballot).say("left", line=1)
        assert other.enter(3, ticket(standing, "m4")) == 3
        other.hello(3)
        assert room.hello(1)
    assert standing.end_poll().not_voted == 6
