"""What a room of 23 tablets brings over its uplink, with a relay and without: `python -m tests.bench.relay_bytes`.

Each tablet loads the web app, enters a meeting of 100 members, hears 40 events, fetches a paper of 4 MB piece by piece as the
reader does, and votes twice. Counted are the bytes in TCP's streams, without TLS, and the connections that were made.
"""

import asyncio
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx2
from rich.console import Console
from rich.table import Table

from meetings.papers import actions
from shared import clock
from tests.bench.providers import VAR
from tests.deploy.rooms import Province
from tests.docs_store.papers import one_page
from tests.meetings.issuer import Issuer
from tests.meetings.lines import Line

TABLETS, MEMBERS, PIECE, EVENTS, VOTES = 23, 100, 1 << 17, 40, 2
SIDE = 2048  # signs of a scan's edge, one byte each


class Meter:
    """A port that leads to another, and counts what goes through by direction."""

    def __init__(self, target: int) -> None:
        self.counted: Counter[str] = Counter()
        self._loop, self._target = asyncio.new_event_loop(), target
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._carry, "127.0.0.1", 0), self._loop).result()
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counted["connections"] += 1
        there, here = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pump("up", reader, here), self._pump("down", there, writer))

    async def _pump(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                self.counted[way] += len(data)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        sink.close()


class Room:
    """Its tablets, which find the service at one address."""

    def __init__(self, province: Province, way: str, meter: Meter) -> None:
        self.province, self.way, self.meter = province, way, meter
        self.names = [name for name in province.house.names if name.startswith("m")][:TABLETS]
        self.client = {name: httpx2.Client(base_url=way, timeout=60) for name in self.names}
        self.rows: list[tuple[str, int, int, int]] = []

    def each(self, act: Callable[[str], object]) -> None:
        with ThreadPoolExecutor(TABLETS) as pool:
            list(pool.map(act, self.names))

    def get(self, who: str, path: str, **headers: str) -> httpx2.Response:
        bearer = {"authorization": f"Bearer {self.province.token(who)}"}
        answer = self.client[who].get(path, headers=bearer | headers if path.startswith("/api/") else headers)
        answer.raise_for_status()
        return answer

    def measured(self, what: str, deed: Callable[[], object]) -> None:
        before = self.meter.counted.copy()
        deed()
        time.sleep(0.3)  # what is under way
        after = self.meter.counted
        self.rows.append((what, *(after[one] - before[one] for one in ("down", "up", "connections"))))

    def load(self, who: str) -> None:
        page = self.get(who, "/").text
        for asset in set(re.findall(r"/assets/[\w.-]+", page)):
            self.get(who, asset)

    def read(self, who: str, paper_id: str) -> None:
        path = f"/api/meetings/{self.province.house.meeting_id}/papers/{paper_id}/file"
        start, size = 0, 1
        while start < size:
            answer = self.get(who, path, Range=f"bytes={start}-{start + PIECE - 1}")
            size = int(answer.headers["content-range"].rpartition("/")[2])
            start += len(answer.content)

    def run(self, paper_id: str) -> list[tuple[str, int, int, int]]:
        province = self.province
        self.measured("the web app", lambda: self.each(self.load))
        with ExitStack() as stack:
            lines: dict[str, Line] = {}

            def enter(who: str) -> None:
                entry = (
                    self.client[who]
                    .post(
                        f"/api/meetings/{province.house.meeting_id}/ticket",
                        headers={"authorization": f"Bearer {province.token(who)}"},
                    )
                    .json()["ticket"]
                )
                lines[who] = stack.enter_context(province.line(self.way, entry=entry))
                lines[who].hello()

            self.measured("to enter: tickets and snapshots", lambda: self.each(enter))
            self.measured(f"{EVENTS} events", lambda: self.happen(lines))
            self.measured("a paper of 4 MB", lambda: self.each(lambda who: self.read(who, paper_id)))
            for _ in range(VOTES):
                poll = province.open_vote()
                self.measured(
                    "a vote", lambda poll=poll: self.each(lambda who: lines[who].vote(poll, "in_favour", uuid4().hex))
                )
        return self.rows

    def cast(self, lines: dict[str, Line], poll: str, who: str) -> None:
        lines[who].vote(poll, "in_favour", uuid4().hex)

    def happen(self, lines: dict[str, Line]) -> None:
        chair = self.province.house.seats["chair"]
        for number in range(EVENTS):
            led = (None, None) if number % 2 else (self.province.paper_id, 1)
            with self.province.db.write() as tx:
                actions.lead_page(tx, clock.now(), chair, *led)
            for line in lines.values():
                line.until("events")


def scan() -> bytes:
    """A page that is one picture, and does not shrink."""
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8 /Length %d >>"
    )
    head = picture % (SIDE, SIDE, SIDE * SIDE)
    page = b"q 595 0 0 842 0 0 cm /Scan Do Q"
    return one_page(
        page, head + b" stream\n" + os.urandom(SIDE * SIDE) + b"\nendstream", resources=b"/XObject << /Scan 6 0 R >>"
    )


def main() -> None:
    VAR.mkdir(parents=True, exist_ok=True)
    issuer = Issuer()
    tables = {}
    for way in ("without", "with"):
        with tempfile.TemporaryDirectory(dir=VAR) as folder:
            province = Province(Path(folder), issuer, voters=MEMBERS)
            try:
                paper_id = province.paper_id = province.publish(scan(), title="Bản quét")
                meter = Meter(province.meetings.port)
                if way == "without":
                    tables[way] = Room(province, meter.url, meter).run(paper_id)
                else:
                    with province.another_relay(UPSTREAM_URL=meter.url) as (relay, address):
                        relay.ready()
                        tables[way] = Room(province, address, meter).run(paper_id)
            finally:
                province.close()
    issuer.close()
    table = Table("", "without: down", "up", "connections", "with: down", "up", "connections")
    for one, other in zip(tables["without"], tables["with"], strict=True):
        table.add_row(one[0], *(f"{number:,}" for number in (*one[1:], *other[1:])))
    Console(width=132).print(table)


if __name__ == "__main__":
    main()
