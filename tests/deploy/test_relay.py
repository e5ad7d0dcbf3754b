"""A room behind a relay: real processes, real sockets, and the database as the oracle."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import delete, select, update
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from deploy.relay.papers import Shelf
from meetings.access.models import EndedSession
from meetings.bodies.models import Member
from meetings.papers.models import Paper
from meetings.voting.models import Ballot
from shared import clock
from tests.deploy.rooms import SECRET, Province, until
from tests.docs_store.papers import one_page, paper
from tests.meetings.issuer import Issuer

pytestmark = pytest.mark.timeout(300)  # processes are started and killed, which takes long beside others


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    issuer = Issuer()
    province = Province(tmp_path_factory.mktemp("province"), issuer)
    yield province
    province.close()
    issuer.close()


@pytest.fixture(autouse=True)
def both_up(province: Province) -> None:
    province.ready()


def get(province: Province, way: str, who: str, paper_id: str, **headers: str) -> httpx2.Response:
    return province.call(way, who, "GET", f"papers/{paper_id}/file", headers=headers)


def kept(province: Province) -> list[Path]:
    return [path for path in (province.folder / "cache").rglob("*") if path.is_file()]


def ballots(province: Province, poll: str) -> dict[str, list[str]]:
    """Receipts by member, as they lie in the table."""
    found: dict[str, list[str]] = {}
    with province.db.read() as tx:
        for member_id, receipt in tx.execute(select(Ballot.member_id, Ballot.receipt).where(Ballot.poll_id == poll)):
            found.setdefault(member_id, []).append(receipt)
    return found


def test_twenty_tablets_hear_what_direct_ones_hear_over_one_connection(province):
    names = [name for name in province.house.names if name.startswith("m")][:20]
    entries = [province.ticket(name) for name in names]
    until(lambda: province.meetings.connections == 1, "the relay's line is the only connection")
    with ExitStack() as stack:
        tablets = [stack.enter_context(province.line(province.relayed, entry=entry)) for entry in entries]
        starts = [one.hello() for one in tablets]
        assert province.meetings.connections == 1
        direct = stack.enter_context(province.line(province.direct, "m3"))
        assert all(one == direct.hello() for one in starts)
        poll = province.open_vote()
        for one in (direct, *tablets):
            while not any(_opens(event, poll) for event in one.until("events")["events"]):
                pass
        told = [[frame for frame in one.heard if frame["type"] == "events"] for one in (direct, *tablets)]
        assert all(_events(frames) == _events(told[0]) for frames in told)
        assert f"ok: {len(tablets)} lines" == httpx2.get(f"{province.relayed}/healthz").text
    until(lambda: httpx2.get(f"{province.relayed}/healthz").text == "ok: 0 lines", "they have left")


def _opens(logged: dict[str, Any], poll: str) -> bool:
    return logged["event"]["type"] == "poll.opened" and logged["event"]["poll"]["id"] == poll


def _events(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for frame in frames for event in frame["events"]]


def test_a_ballot_through_the_relay_has_the_same_receipt_when_it_is_sent_again_directly(province):
    poll, key = province.open_vote(), uuid4().hex
    with province.line(province.relayed, "m3") as tablet:
        tablet.vote(poll, "in_favour", key)
        first = tablet.raw
    with province.line(province.direct, "m3") as tablet:
        tablet.vote(poll, "in_favour", key)
        assert tablet.raw == first
    cast = {"json": {"choice": "in_favour"}, "headers": {"Idempotency-Key": key}}
    answers = [province.call(way, "m3", "POST", f"polls/{poll}/ballots", **cast) for way in (province.relayed, province.direct)]
    assert answers[0].content == answers[1].content
    assert answers[0].json() == json.loads(first)["receipt"]
    assert [len(one) for one in ballots(province, poll).values()] == [1]


@pytest.mark.parametrize("entry", ["", "x", "used"])
def test_a_bad_ticket_or_origin_is_refused_as_it_is_directly(province, entry):
    if entry == "used":
        entry = province.ticket("m5")
        with province.line(province.direct, entry=entry):
            pass
    for way in (province.direct, province.relayed):
        for arguments in ({"entry": entry}, {"who": "m5", "origin": "https://evil.example"}, {"who": "m5", "origin": None}):
            with pytest.raises(InvalidStatus) as refused, province.line(way, **arguments):
                pass
            assert refused.value.response.status_code == 403


def test_codes_of_the_service_reach_the_tablet(province):
    with province.line(province.relayed, "m6") as tablet:
        tablet.hello()
        tablet.say("nonsense")
        assert tablet.closed() == 4400
    with province.line(province.relayed, "m6") as tablet, province.line(province.relayed, "m7") as other:
        tablet.hello()
        other.hello()
        with province.db.write() as tx:
            tx.add(EndedSession(sid="sid-m6", jti=uuid4().hex, ended_at=clock.now()))
        assert tablet.closed() == 4401
        assert province.call(province.relayed, "m6", "GET", "").status_code == 401
        with province.db.write() as tx:
            tx.execute(delete(EndedSession))
        assert other.hello()


def test_a_paper_comes_up_once_and_is_checked_for_everyone(province):
    content = paper("Dự toán", pages=30)
    paper_id = province.publish(content, title="Dự toán")
    direct = get(province, province.direct, "m3", paper_id)
    for who in ("m3", "m4", "m5"):
        answer = get(province, province.relayed, who, paper_id)
        assert (answer.status_code, answer.content) == (200, direct.content)
        assert {name: answer.headers[name] for name in _lasting(direct)} == _lasting(direct)
    tag = direct.headers["etag"]
    part = get(province, province.relayed, "m4", paper_id, Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, direct.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(direct.content)}"
    assert get(province, province.relayed, "m4", paper_id, Range=f"bytes={10**9}-").status_code == 416
    assert get(province, province.relayed, "m4", paper_id, **{"If-None-Match": tag}).status_code == 304
    assert get(province, province.relayed, "", paper_id).status_code == get(province, province.direct, "", paper_id).status_code
    found = [path for path in kept(province) if path.name == tag.strip('"')]
    assert len(found) == 1
    assert found[0].stat().st_mode & 0o077 == 0
    assert content[:200] not in found[0].read_bytes()


def _lasting(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}


def test_who_may_not_read_a_paper_any_more_is_refused_although_the_relay_has_it(province):
    paper_id = province.publish(one_page(b"BT /F1 12 Tf 72 700 Td (Kin) Tj ET"), title="Kín", audience="delegates")
    assert get(province, province.relayed, "m8", paper_id).status_code == 200
    assert get(province, province.relayed, "guest", paper_id).status_code == 404
    with province.db.write() as tx:
        tx.execute(update(Member).where(Member.username == "m8").values(active=False))
    answers = [get(province, way, "m8", paper_id) for way in (province.relayed, province.direct)]
    with province.db.write() as tx:
        tx.execute(update(Member).where(Member.username == "m8").values(active=True))
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "not-found")] * 2
    assert get(province, province.relayed, "m9", paper_id).status_code == 200
    with province.db.write() as tx:
        tx.execute(update(Paper).where(Paper.id == paper_id).values(withdrawn=True))
    assert get(province, province.relayed, "m9", paper_id).status_code == 404


@pytest.mark.parametrize("where", [40, -20, None], ids=["early", "late", "cut"])
def test_bytes_that_changed_on_the_disk_are_never_given_out(province, where):
    content = one_page(f"BT /F1 12 Tf 72 700 Td (Ban {where}) Tj ET".encode())
    paper_id = province.publish(content, title=f"Sổ {where}")
    content = get(province, province.direct, "m3", paper_id).content
    assert get(province, province.relayed, "m3", paper_id).content == content
    (file,) = (path for path in kept(province) if path.name == sha256(content).hexdigest())
    sealed = bytearray(file.read_bytes())
    if where is None:
        del sealed[-5:]
    else:
        sealed[where] ^= 1
    file.write_bytes(sealed)
    for headers in ({"Range": "bytes=0-49"}, {}):
        answer = get(province, province.relayed, "m4", paper_id, **headers)
        assert answer.content == (content[:50] if headers else content)
    assert file.read_bytes() != sealed


def test_all_who_open_a_paper_at_once_fetch_it_once(province):
    paper_id = province.publish(paper("Báo cáo", pages=40), title="Báo cáo")
    content = get(province, province.direct, "m3", paper_id).content
    names = [name for name in province.house.names if name.startswith("m")][:16]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda who: get(province, province.relayed, who, paper_id), names))
    assert {one.content for one in answers} == {content}
    fetched = [line for line in _log(province.relay.log) if line["event"] == "relay.paper-fetched"]
    assert [one["sha256"] for one in fetched].count(sha256(content).hexdigest()) == 1


def _log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def test_meetings_sees_the_tablets_address_and_not_what_a_tablet_says_it_is(province):
    """A refusal over the service's own figures: they are for the same machine only."""
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": ""}, {"Connection": "x-forwarded-for"}):
        assert httpx2.get(f"{province.relayed}/metrics", headers=headers).status_code == 404


def test_files_of_the_web_app_come_up_once_and_nothing_else_is_kept_with_them(province):
    page = httpx2.get(f"{province.direct}/").text
    assets = sorted(set(re.findall(r"/assets/[\w.-]+", page)))
    assert assets, "the web app is built"
    for asset in assets:
        direct, *relayed = (httpx2.get(f"{way}{asset}") for way in (province.direct, province.relayed, province.relayed))
        assert [(one.content, _lasting(one)) for one in relayed] == [(direct.content, _lasting(direct))] * 2
        assert relayed[0].headers["x-request-id"] == relayed[1].headers["x-request-id"] != direct.headers["x-request-id"]
    page = [httpx2.get(f"{province.relayed}/") for _ in range(2)]
    assert page[0].headers["x-request-id"] != page[1].headers["x-request-id"]


@pytest.mark.parametrize("way_out", ["..", "%2e%2e", "x/../..", "/.."])
def test_a_path_goes_on_to_the_byte(province, way_out):
    """Else a paper could be taken for a file of the web app, which is everybody's."""
    paper_id = province.publish()
    path = f"/assets/{way_out}/api/meetings/{province.house.meeting_id}/papers/{paper_id}/file"
    for token in (province.token("m3"), "x"):
        answers = [_raw(way, path, token) for way in (province.direct, province.relayed)]
        assert [one.partition(b"\r\n")[0] for one in answers] == [b"HTTP/1.1 404 Not Found"] * 2


def _raw(way: str, path: str, token: str) -> bytes:
    """The answer to a request whose path nobody puts in order before."""
    host, port = way.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )
        return b"".join(iter(lambda: line.recv(1 << 16), b""))


def test_a_relay_that_is_led_back_to_itself_does_not_turn_round_and_round(province):
    answer = province.call(province.relayed, "m3", "GET", "", headers={"Via": "1.1 dienhong-relay"})
    assert answer.status_code == 508


def test_neither_tokens_nor_tickets_stand_in_logs_or_on_the_disk(province):
    token, entry = province.token("m3"), province.ticket("m3", province.relayed)
    with province.line(province.relayed, entry=entry) as tablet:
        tablet.hello()
    paper_id = province.publish()
    assert get(province, province.relayed, "m3", paper_id).status_code == 200
    written = b"".join(path.read_bytes() for path in [*kept(province), province.relay.log])
    for secret in (token.rpartition(".")[2], entry, SECRET, province.token("m3").partition(".")[2][:40]):
        assert secret.encode() not in written


class Voter(threading.Thread):
    """A tablet that casts one ballot, again and again with one key, until it has a receipt."""

    def __init__(self, province: Province, who: str, poll: str, ways: list[str]) -> None:
        super().__init__()
        self.province, self.who, self.poll, self.ways = province, who, poll, ways
        self.key, self.receipts = uuid4().hex, set[str]()

    def run(self) -> None:
        for attempt in range(1000):
            try:
                self._cast(self.ways[attempt % len(self.ways)])
            except (httpx2.TransportError, WebSocketException, OSError, AssertionError):  # a ticket that was not given, too
                threading.Event().wait(0.05)
            if self.receipts:
                return

    def _cast(self, way: str) -> None:
        with self.province.line(way, entry=self.province.ticket(self.who, way)) as tablet:
            answer = tablet.vote(self.poll, "in_favour", self.key)
            if answer["type"] == "vote.receipt":
                self.receipts.add(answer["receipt"]["receipt"])


def test_a_relay_that_is_killed_in_a_vote_loses_nothing_and_doubles_nothing(province):
    poll = province.open_vote()
    names = [name for name in province.house.names if name.startswith("m")][:8]
    both, relay_alone = [province.relayed, province.direct], [province.relayed]
    voters = [Voter(province, name, poll, (both, relay_alone)[place % 2]) for place, name in enumerate(names)]
    for voter in voters:
        voter.start()
    until(lambda: ballots(province, poll), "the first ballot is in")
    province.relay.kill()
    province.relay.start()
    for voter in voters:
        voter.join()
    mine = {province.house.seats[voter.who].member_id: sorted(voter.receipts) for voter in voters}
    assert ballots(province, poll) == mine, "each has one ballot, and what was acknowledged is it"


def test_when_the_service_is_killed_tablets_are_told_to_come_back_and_then_go_on(province):
    paper_id = province.publish(one_page(b"BT /F1 12 Tf 72 700 Td (Mat dien) Tj ET"), title="Mất điện")
    assert get(province, province.relayed, "m3", paper_id).status_code == 200
    with province.line(province.relayed, "m3") as tablet:
        start = tablet.hello()["snapshot"]
        province.meetings.kill()
        end = tablet.end()
        assert (end.code, end.reason[:15]) == (1012, "retry_after_ms=")
    with pytest.raises(ConnectionClosed) as later, province.line(province.relayed, entry="x") as tablet:
        tablet.session.recv(timeout=20)
    assert (later.value.rcvd.code, later.value.rcvd.reason[:15]) == (1013, "retry_after_ms=")
    answer = province.call(province.relayed, "m3", "GET", "")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")
    assert get(province, province.relayed, "m3", paper_id).status_code == 503, "nobody can say whether they may"
    probes = [httpx2.get(f"{province.relayed}/{path}").status_code for path in ("readyz", "healthz")]
    assert probes == [503, 200]
    province.meetings.start()
    province.ready()
    poll = province.open_vote()
    with province.line(province.relayed, "m3") as tablet:
        tablet.say({"type": "hello", "epoch": start["epoch"], "since": start["seq"]})
        assert poll in json.dumps(tablet.until("events"))
    assert get(province, province.relayed, "m3", paper_id).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"UPSTREAM_URL": "http://hop.example"}, "UPSTREAM_URL must be https"),
        ({"ISSUER": "http://dangnhap.example"}, "ISSUER must be https"),
        ({"TLS_KEY": __file__}, "TLS_CERTIFICATE and TLS_KEY go together"),
        ({"TLS_KEY": __file__, "TLS_CERTIFICATE": "x.pem"}, "TLS_CERTIFICATE names no file"),
        ({"UPSTREAM_CA": "x.pem"}, "UPSTREAM_CA names no file"),
        ({"RELAY_CLIENT_SECRET": "changeme"}, "RELAY_CLIENT_SECRET must be at least 32"),
        ({"PUBLIC_URL": "https://hop.example/"}, "must not end with a slash"),
    ],
)
def test_a_relay_with_an_unsafe_setting_does_not_start(changes, said):
    from typer.testing import CliRunner

    from deploy.cli import app

    complete = {
        "PUBLIC_URL": "https://hop.example",
        "ISSUER": "https://dangnhap.example",
        "RELAY_CLIENT_ID": "relay",
        "RELAY_CLIENT_SECRET": "x" * 43,
    }
    answer = CliRunner().invoke(app, ["relay"], env=complete | changes)
    assert (answer.exit_code, said in answer.stderr) == (2, True)


def test_what_a_killed_relay_was_writing_does_not_stay_on_its_disk(tmp_path):
    left = tmp_path / "ab" / ".0123456789abcdef"
    left.parent.mkdir()
    left.write_bytes(b"half of a paper")
    Shelf(tmp_path, SECRET, 1 << 20)
    assert not left.exists()
