"""A relay whose disk is full, whose store is at its bound, and behind which a tablet stops reading."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import httpx2
import pytest

from meetings.live.wires import MOST_BYTES
from tests.bench.ws_swarm import frame, handshake
from tests.deploy.rooms import Province, until
from tests.docs_store.papers import one_page
from tests.faults.cluster import Skip
from tests.faults.disk import fill, small_disk
from tests.meetings.issuer import Issuer
from tests.meetings.scene import upload

pytestmark = pytest.mark.timeout(300)  # processes are started, which takes long beside others
LARGE = 400 << 10  # bytes of a paper, of which the smallest store holds two
# What waits for a reader here and in the kernel, and more.
ALL_BUFFERS = 2 * MOST_BYTES + int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    issuer = Issuer()
    province = Province(tmp_path_factory.mktemp("province"), issuer, voters=500)
    yield province
    province.close()
    issuer.close()


def publish(province: Province, name: str) -> tuple[str, bytes]:
    """A paper that cannot be packed; its id and its bytes, as the service gives them."""
    content = one_page(b"BT /F1 12 Tf 72 700 Td (%s) Tj ET" % os.urandom(LARGE).hex().encode())
    path = f"items/{province.house.item_id}/papers"
    paper_id = province.call(province.direct, "secretary", "POST", path, **upload(content, f"{name}.pdf")).json()["paper_id"]
    assert province.call(province.direct, "secretary", "POST", "publish").status_code == 200
    return paper_id, get(province, province.direct, paper_id).content


def get(province: Province, way: str, paper_id: str) -> httpx2.Response:
    return province.call(way, "m3", "GET", f"papers/{paper_id}/file")


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "ballast"]


def test_papers_come_whole_through_a_relay_whose_disk_is_full_and_are_kept_again_when_it_is_not(province, tmp_path):
    papers = [publish(province, f"Tờ trình {number}") for number in range(2)]
    try:
        with small_disk(tmp_path / "disk", "1m") as disk, province.another_relay(CACHE_FOLDER=str(disk)) as (relay, way):
            ballast = fill(disk, LARGE // 2)
            for paper_id, content in papers * 2:
                assert get(province, way, paper_id).content == content
            part = province.call(way, "m3", "GET", f"papers/{papers[0][0]}/file", headers={"range": "bytes=5-9"})
            assert (part.status_code, part.content) == (206, papers[0][1][5:10])
            assert kept(disk) == [], "nothing half is left"
            assert "relay.paper-not-kept" not in relay.log.read_text(), (
                "what has no room is not fetched to be kept, and then again"
            )
            ballast.unlink()
            for _ in range(2):
                assert get(province, way, papers[0][0]).content == papers[0][1]
            assert len(kept(disk)) == 1
            assert relay.log.read_text().count("relay.paper-fetched") == 1
    except Skip as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("bound", ["setting", "disk"])
def test_a_store_at_its_bound_lets_the_longest_unused_go_and_fetches_it_again_when_it_is_asked_for(province, tmp_path, bound):
    papers = [publish(province, f"Báo cáo {bound} {number}") for number in range(3)]
    most = {"CACHE_BYTES": str(1 << 20)} if bound == "setting" else {}
    place = small_disk(tmp_path / "disk", "1m") if bound == "disk" else nullcontext(tmp_path / "folder")
    try:
        with place as folder, province.another_relay(CACHE_FOLDER=str(folder), **most) as (relay, way):
            for number in (0, 1, 0, 2, 0, 1):  # the third lets the second go, for the first was used since
                paper_id, content = papers[number]
                assert get(province, way, paper_id).content == content
                assert sum(path.stat().st_size for path in kept(folder)) <= 1 << 20
            lines = [json.loads(line) for line in relay.log.read_text().splitlines() if "relay.paper" in line]
    except Skip as missing:
        pytest.skip(str(missing))
    assert {line["event"] for line in lines} == {"relay.paper-fetched"}
    fetched = [line["sha256"] for line in lines]
    assert [fetched.index(one) for one in fetched] == [0, 1, 2, 1]


def test_a_tablet_that_stops_reading_is_let_go_by_its_relay_and_holds_up_nobody(province):
    with socket.socket() as slow, province.line(province.relayed, "m5") as other:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", province.relay.port))
        slow.sendall(handshake(province.relay.port, f"/api/live?ticket={province.ticket('m4')}", f"Origin: {province.direct}"))
        assert b" 101 " in slow.recv(4096)[:20]
        other.hello()
        for _ in range(ALL_BUFFERS // len(other.raw)):
            slow.sendall(frame(b'{"type":"hello"}'))  # a snapshot each time, of which it takes in nothing
            other.hello()  # its answer is behind the other's
        poll = province.open_vote()
        assert other.vote(poll, "in_favour", "k" * 32)["type"] == "vote.receipt"
        slow.settimeout(60)
        told = bytearray()
        with suppress(ConnectionResetError):  # the word 4408 is its last, or cut off where it is not taken in for too long
            while more := slow.recv(1 << 16):
                told += more
        assert len(told) < ALL_BUFFERS
    until(lambda: httpx2.get(f"{province.relayed}/healthz").text == "ok: 0 lines", "both have left")
    assert province.relay.log.read_text().count("relay.up") == 1, "the line upstream stands"
