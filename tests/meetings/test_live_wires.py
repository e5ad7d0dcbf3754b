"""The wire under pressure: slow readers, floods, storms, rights that are withdrawn while a socket is open."""

import json
import socket as sockets
from contextlib import ExitStack

import pytest
from sqlalchemy import update

from meetings.bodies.models import Member
from meetings.live import doors, hub, wires
from meetings.live.models import MeetingLog
from meetings.live.socket import SOCKETS_PER_SESSION
from meetings.live.ways import finished
from tests.meetings.conftest import PUBLIC_URL
from tests.meetings.lines import line, ticket


@pytest.fixture
def quick(monkeypatch) -> None:
    for name, seconds in (("TICK", 0.1), ("NET", 0.1), ("RIGHTS", 0.2), ("COALESCE", 0.01)):
        monkeypatch.setattr(hub, name, seconds)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_finished_frame_is_what_the_standard_says(size):
    from websockets.frames import Frame, Opcode

    text = b"x" * size
    assert finished(text) == Frame(Opcode.TEXT, text).serialize(mask=False)


def in_loop(web, deed):
    """What `deed` gives in the event loop of the application."""

    async def run():
        return deed()

    return web.client.portal.call(run)


def everybody(web):
    [room] = web.client.app.state.hub._rooms.values()
    return room.everybody()


def listeners(web):
    return in_loop(web, lambda: everybody(web))  # the room's sets change there


def slow_line(stack: ExitStack, web):
    """A tablet that takes in nothing: small buffers, and nobody reads."""
    raw = sockets.create_connection(("127.0.0.1", web.client.app.state.port))
    stack.callback(raw.close)
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    request = (
        f"GET /api/live?ticket={ticket(web, 'm4')} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {PUBLIC_URL}\r\n\r\n"
    )
    raw.sendall(request.encode())
    assert b" 101 " in raw.recv(20)
    return raw


def test_a_reader_too_slow_is_let_go_with_4408_and_catches_up_and_others_hear_all(web, quick, monkeypatch):
    monkeypatch.setattr(wires, "CLOSE_WITHIN", 0.3)
    with ExitStack() as stack:
        mine = stack.enter_context(line(web, "m3"))
        start = mine.hello()["snapshot"]
        slow_line(stack, web)
        while len(listeners(web)) < 2:
            pass
        codes, end = [], wires.Wire.end
        monkeypatch.setattr(wires.Wire, "end", lambda wire, code, reason="": codes.append(code) or end(wire, code, reason))
        large = finished(json.dumps({"type": "heartbeat", "head": 0, "pad": "x" * 50_000}).encode())

        def flood() -> int:
            for one in everybody(web):
                one.wire.write(large)
            return sum(one.wire.transport.get_write_buffer_size() for one in everybody(web))

        waited = []
        for _ in range(400):
            waited.append(in_loop(web, flood))
            mine.until("heartbeat")
            if codes:
                break
        assert codes == [4408]
        assert max(waited) <= wires.MOST_BYTES + 4 * len(large)  # what waits for a slow reader is bounded
        web.call("m5", "POST", "check-in", json={})
        assert mine.until("events")["after"] == start["seq"]
        again = stack.enter_context(line(web, "m4"))
        assert again.hello(start["epoch"], start["seq"])["up_to"] == start["seq"] + 1
        while len(listeners(web)) > 2:  # the slow one never answered its close, and is cut off
            pass


def test_who_lets_many_small_frames_wait_is_too_slow_as_well(web, monkeypatch):
    monkeypatch.setattr(wires, "MOST_FRAMES", 16)
    codes: list[int] = []
    monkeypatch.setattr(wires.Wire, "end", lambda _wire, code, _reason="": codes.append(code))
    with ExitStack() as stack:
        stack.enter_context(line(web, "m3"))
        slow_line(stack, web)
        while len(listeners(web)) < 2:
            pass

        def at_once() -> int:
            wire = next(one.wire for one in everybody(web) if one.member_id == web.house.seats["m4"].member_id)
            while not wire.transport.get_write_buffer_size():
                wire.write(finished(b"x" * 60_000))
            for _ in range(20):
                wire.write(finished(b"{}"))
            return wire.transport.get_write_buffer_size()

        assert in_loop(web, at_once) < wires.MOST_BYTES
    assert codes
    assert set(codes) == {4408}


def test_a_dead_line_is_cut_and_a_silent_one_that_answers_pings_is_not(web, quick, monkeypatch):
    monkeypatch.setattr(hub, "BEAT", 0.1)
    monkeypatch.setattr(hub, "SILENCE", 0.5)
    with ExitStack() as stack:
        mine = stack.enter_context(line(web, "m3"))
        mine.hello()
        slow_line(stack, web).sendall(b"")  # never answers a ping
        while len(listeners(web)) < 2:
            pass
        for _ in range(20):
            mine.until("heartbeat")
        assert [one.wire.ear is one for one in listeners(web)] == [True]


@pytest.mark.parametrize("change", ["inactive", "guest"])
def test_a_right_that_is_withdrawn_takes_the_socket_along(web, quick, change):
    with line(web, "m3") as mine, line(web, "m4") as other:
        mine.hello()
        other.hello()
        values = {"active": False} if change == "inactive" else {"role": "guest"}
        with web.client.app.state.db.write() as tx:
            tx.execute(update(Member).where(Member.username == "m3").values(**values))
        end = mine.end()
        assert end.code == (4401 if change == "inactive" else 1012)
        web.call("m5", "POST", "check-in", json={})
        assert other.until("events")


def test_a_restored_database_sends_every_socket_back(web, quick):
    with line(web, "m3") as mine:
        mine.hello()
        with web.client.app.state.db.write() as tx:
            tx.execute(update(MeetingLog).values(epoch="restored"))
        assert mine.end().code == 1012


def test_a_node_that_is_behind_admits_so_many_and_tells_the_others_when(web, monkeypatch):
    front = web.client.app.state.front
    entry = ticket(web, "m3")

    def behind() -> None:
        import asyncio

        instant = asyncio.get_running_loop().time()
        front.doors.behind_until, front.doors._left, front.doors._filled_at = instant + 60, 0.0, instant + 60

    with line(web, "m4"):  # the server is up
        in_loop(web, behind)
        with line(web, entry=entry) as mine:
            end = mine.end()
        assert end.code == 1013
        assert 200 <= int(end.reason.removeprefix("retry_after_ms=")) <= 10_200
        in_loop(web, lambda: setattr(front.doors, "behind_until", 0.0))
        with line(web, entry=entry) as mine:  # the ticket was not used up
            assert mine.hello()


def test_admission_is_a_bucket_that_fills_and_asks_for_ever_later_returns():
    bucket = doors.Doors()
    assert [bucket.admit(float(number)) for number in range(1000)] == [""] * 1000  # not behind: everybody
    bucket.behind_until = 1e9
    hints = [bucket.admit(2000.0) for _ in range(1000)]
    admitted = sum(not hint for hint in hints)
    assert admitted == doors.PER_SECOND
    assert sum(not bucket.admit(2000.5) for _ in range(1000)) == doors.PER_SECOND / 2
    waits = [int(hint.removeprefix("retry_after_ms=")) for hint in hints if hint]
    assert max(waits) > 1000
    assert min(waits) >= 200


def test_one_member_has_so_many_sockets_over_all_sign_ins(web, monkeypatch):
    from meetings.live import socket

    monkeypatch.setattr(socket, "SOCKETS_PER_MEMBER", 3)
    with ExitStack() as stack:
        for number in range(4):
            token = web.issuer.token("m3", audience=PUBLIC_URL, sid=f"sid-{number}")
            entry = web.call("m3", "POST", "ticket", token=token).json()["ticket"]
            mine = stack.enter_context(line(web, entry=entry))
            if number < 3:
                mine.hello()
            else:
                assert mine.closed() == 4429
    assert SOCKETS_PER_SESSION == 5


def test_thousands_who_come_back_cost_one_snapshot(web, monkeypatch):
    from meetings.live import snapshot

    taken, take = [], snapshot.take
    monkeypatch.setattr(snapshot, "take", lambda *arguments: taken.append(1) or take(*arguments))
    with ExitStack() as stack:
        lines = [stack.enter_context(line(web, name)) for name in ("m3", "m4", "m5", "m6")]
        assert len({json.dumps(one.hello()) for one in lines}) == 1
        assert len(taken) == 1
        web.house.open()  # events carry the snapshot forward; nothing is read anew
        assert lines[0].hello()["snapshot"] == web.call("m3", "GET", "").json()
    assert len(taken) == 2  # the other is that of the answer over HTTP


def test_an_old_snapshot_is_read_anew(web, monkeypatch):
    from meetings.live import snapshot

    monkeypatch.setattr(snapshot, "FRESH", -1.0)
    with line(web, "m3") as mine:
        mine.hello()
        with web.client.app.state.db.write() as tx:
            tx.execute(update(Member).where(Member.username == "m4").values(post="Chủ tịch"))
        told = mine.hello()["snapshot"]["state"]["members"]
    assert "Chủ tịch" in {one["post"] for one in told.values()}
