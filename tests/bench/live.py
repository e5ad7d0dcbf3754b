"""`make bench-live`: ours as deployed against others on this machine, in alternating rounds of one run; var/bench/live.json.

Each server has the first core, the clients the second. Every ballot is durable before it is acknowledged: SQLite with
synchronous=FULL, PostgreSQL with fsync and synchronous_commit, whose work counts as ours.
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from meetings.voting.box import Cast, cast_together
from shared import clock
from shared.ids import new_id
from tests.bench.live_plot import draw
from tests.bench.live_servers import Ours, Server, ours, peer, peers
from tests.bench.providers import DISK, VAR, come_first, pin_client, postgresql
from tests.bench.ws_swarm import Swarm, frame

console = Console(width=132)
HALL = 3500
GROWING = (100, 300, 1000, 3500, 10_000)
OPENSLIDES = 31.0  # votes a second of OpenSlides 3.3, in an own run of November 2026; it does not install here any more
Rows = list[dict[str, Any]]


def at(sorted_values: list[float], part: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, round(part * (len(sorted_values) - 1)))]


class Crowd:
    """One server's clients, connected."""

    def __init__(self, server: Server, count: int) -> None:
        self.server, self.swarm = server, Swarm(server.port)
        before, spent = server.memory(), server.cpu()
        self.connected_in = self.swarm.connect(server.handshakes(count), *server.first)
        self.swarm.quiet(0.7)
        self.connect_us = (server.cpu() - spent) / 1e3 / count
        self.kib = (server.memory() - before) / count
        self.last: list[float] = []
        self.first: list[float] = []
        self.us: list[float] = []
        self.turn = 0

    def fan_out(self) -> None:
        """One event to all. Ours begins with the chair's POST, theirs with a word on a socket."""
        self.turn += 1
        self.swarm.quiet(0.3)  # longer than a full hall rests between two tellings: a lone event is measured
        spent, server = self.server.cpu(), self.server
        if isinstance(server, Ours):
            body = json.dumps({"item_id": self.items(server)[self.turn % 2]}).encode()
            headers = server.bearer("chair") | {"content-type": "application/json"}
            path = f"/api/meetings/{server.house.meeting_id}/enter"
            last, took = self.swarm.fan_out(lambda: self.chair.request("POST", path, body, headers), b'"item.entered"')
            answer = self.chair.getresponse()
            assert (answer.status, answer.read()) == (204, b"")
        else:
            last, took = self.swarm.fan_out(lambda: self.swarm.say(0, b"go"), b'"item.entered"')
        self.last.append(last * 1e3)
        self.first.append(min(took) * 1e3)
        self.us.append((self.server.cpu() - spent) / 1e3 / len(took))

    @cached_property
    def chair(self) -> HTTPConnection:
        """Open before anything is measured, as a browser keeps it."""
        return HTTPConnection("127.0.0.1", self.server.port)

    def items(self, server: Ours) -> list[str]:
        if not hasattr(self, "_items"):
            plan = {"title": "Thảo luận", "presenter": "", "minutes": 5}
            self._items = [server.house.item_id, server.call("secretary", "items", plan)["id"]]
            self.swarm.quiet(0.3)
        return self._items

    def figures(self) -> dict[str, float]:
        last = sorted(self.last)
        return {
            "last_ms": round(at(last, 0.5), 1),
            "last_p99_ms": round(at(last, 0.99), 1),
            "first_ms": round(statistics.median(self.first), 1),
            "us": round(statistics.median(self.us), 2),
            "kib": round(self.kib, 1),
            "connect_us": round(self.connect_us),
        }


@contextmanager
def crowds(servers: list[Server], count: int) -> Iterator[list[Crowd]]:
    made: list[Crowd] = []
    try:
        for server in servers:
            made.append(Crowd(server, count))  # noqa: PERF401 - those that stand are closed, should one fail
        yield made
    finally:
        for one in made:
            one.swarm.close()


def fan_out(mine: Ours, others: list[Server], count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Alternating, where one process may have so many files; else one after the other, twice."""
    servers: list[Server] = [mine, *others]
    at_once = [servers] if count * len(servers) < 18_000 else [[one] for _ in range(2) for one in servers]
    found: dict[str, Crowd] = {}
    gc.freeze()
    for those in at_once:
        with crowds(those, count) as made:
            for turn in range(rounds + 2):
                for one in made:
                    one.fan_out()
                    if turn < 2:
                        one.last.clear(), one.us.clear(), one.first.clear()
            for one in made:
                before = found.setdefault(one.server.name, one)
                if before is not one:
                    before.last, before.us, before.first = before.last + one.last, before.us + one.us, before.first + one.first
    return {name: crowd.figures() for name, crowd in found.items()}


def storm(mine: Ours, others: list[Server], count: int) -> dict[str, float]:
    """Seconds until all are in: ours with a ticket that is used up, and the answer to `hello`."""
    took: dict[str, list[float]] = {}
    for _ in range(3):
        for server in (mine, *others):
            with crowds([server], count) as [crowd]:
                took.setdefault(server.name, []).append(crowd.connected_in)
            time.sleep(1.0)
    return {name: round(statistics.median(each), 2) for name, each in took.items()}


def tickets(mine: Ours, count: int) -> float:
    """Seconds for `count` tickets over HTTPS' own path, eight connections at a time: the token is verified, the seat found."""
    from concurrent.futures import ThreadPoolExecutor

    headers = [mine.bearer(f"d{place}") for place in range(count)]
    path = f"{mine.url}/api/meetings/{mine.house.meeting_id}/ticket"
    with httpx2.Client() as client, ThreadPoolExecutor(8) as pool:
        started = time.monotonic()
        answers = list(pool.map(lambda one: client.post(path, headers=one).status_code, headers))
    assert set(answers) == {201}
    return round(time.monotonic() - started, 2)


def votes(mine: Ours, count: int, rounds: int) -> dict[str, float]:
    """All vote at once over their sockets, in a poll of its own each round; every round is checked against the count."""
    total, acks, us = [], [], []
    with crowds([mine], count) as [crowd]:
        for turn in range(rounds + 1):
            poll = mine.open_poll()
            crowd.swarm.quiet(1.2)
            frames = [frame(json.dumps(one).encode()) for one in mine.ballots(poll, count)]
            gc.collect()
            spent = mine.cpu()
            took, each = crowd.swarm.burst(frames, b'"vote.receipt"')
            if turn:
                us.append((mine.cpu() - spent) / 1e3 / count)
                total.append(took * 1e3)
                acks.append(sorted(each))
            assert mine.close_poll(poll) == count
    return {
        "total_ms": round(statistics.median(total), 1),
        "p50_ms": round(statistics.median(at(one, 0.5) for one in acks) * 1e3, 1),
        "p99_ms": round(statistics.median(at(one, 0.99) for one in acks) * 1e3, 1),
        "per_second": round(count / statistics.median(total) * 1e3),
        "us": round(statistics.median(us), 1),
    }


def one_commit_each(mine: Ours, count: int) -> float:
    """Milliseconds for as many ballots by the same code, a transaction each, without any network: kinder than a server."""
    poll = mine.open_poll()
    casts = [
        Cast(mine.house.meeting_id, poll, member, "-", "in_favour", new_id(), None, clock.now())
        for member in mine.members[:count]
    ]
    started = time.monotonic()
    for one in casts:
        with mine.db.write() as tx:
            cast_together(tx, [one])
    took = (time.monotonic() - started) * 1e3
    mine.close_poll(poll)
    return round(took, 1)


class Report:
    def __init__(self) -> None:
        self.rows: Rows = []

    def add(self, what: str, n: int, own: float, other: float | None, name: str, goal: str = "", **more: Any) -> None:
        """`ratio` is ours to theirs: for milliseconds, microseconds and KiB, less is better."""
        ratio = round(own / other, 2) if other else None
        self.rows.append(
            {"what": what, "n": n, "ours": own, "peer": other, "peer_name": name, "ratio": ratio, "goal": goal} | more
        )

    def print(self) -> None:
        table = Table("what", "n", "ours", "peer", "peer's name", "ratio", "goal")
        for row in self.rows:
            table.add_row(*(str(row[name]) if row[name] is not None else "" for name in list(row)[:7]))
        console.print(table)

    def save(self, growth: Rows) -> None:
        VAR.mkdir(parents=True, exist_ok=True)
        (VAR / "live.json").write_text(json.dumps({"rows": self.rows, "growth": growth}, indent=1, ensure_ascii=False))


def event_of(mine: Ours) -> str:
    """The text of an event of ours, which the others send as well."""
    with crowds([mine], 1) as [crowd]:
        heard: list[bytes] = []
        read = crowd.swarm._read
        crowd.swarm._read = lambda file: heard.extend(texts := read(file)) or texts  # type: ignore[method-assign, func-returns-value]
        crowd.fan_out()
    return next(text for text in heard if b'"item.entered"' in text).decode()


def compare_fan_out(report: Report, mine: Ours, others: list[Server], count: int, rounds: int) -> None:
    found = fan_out(mine, others, count, rounds)
    own = found.pop("ours")
    for name, theirs in found.items():
        goal = "<= 1.0" if name == "node ws" else ""
        report.add("fan-out, last receive, ms", count, own["last_ms"], theirs["last_ms"], name, goal, details=[own, theirs])
        alone = [round(one["last_ms"] - one["first_ms"], 1) for one in (own, theirs)]
        report.add("fan-out alone, first to last receive, ms", count, alone[0], alone[1], name)
        report.add("fan-out, server CPU, us/message", count, own["us"], theirs["us"], name, "<= 12 us")
        report.add("memory, KiB/connection", count, own["kib"], theirs["kib"], name, "<= 32 KiB")


def measure_votes(report: Report, mine: Ours, rounds: int) -> None:
    burst, alone = votes(mine, HALL, rounds), one_commit_each(mine, HALL)
    label = f"votes on {mine.database}"
    report.add(
        f"{label}, all acknowledged, ms", HALL, burst["total_ms"], alone, "one commit a vote", "<= 250 ms", details=burst
    )
    report.add(f"{label}, acknowledgement p99, ms", HALL, burst["p99_ms"], None, "", "<= 200 ms")
    report.add(f"{label}, votes/s", HALL, burst["per_second"], OPENSLIDES, "OpenSlides 3.3, earlier run", ">= 100")


def grow(folder: Path, rounds: int) -> Rows:
    """What an event and a ballot cost as a hall grows."""
    rows = []
    for count in GROWING:
        with ours(f"sqlite:///{folder}/grow-{count}.db", "sqlite", count) as mine:
            event = fan_out(mine, [], count, rounds)["ours"]
            ballot = votes(mine, count, max(2, rounds // 4))
        rows.append(
            {"n": count, "event_us": event["us"], "event_ms": event["last_ms"], "ballot_us": ballot["us"]}
            | {"ballot_ms": ballot["total_ms"]}
        )
        console.print(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", default="fan-out,large,storm,votes,growth", help="parts, by comma")
    chosen = parser.parse_args()
    rounds, parts = (8 if chosen.quick else 20), chosen.only.split(",")
    VAR.mkdir(parents=True, exist_ok=True)
    come_first()
    pin_client()
    report, growth = Report(), Rows()
    with tempfile.TemporaryDirectory(dir=DISK) as named:
        folder = Path(named)
        measures: dict[str, Callable[[ExitStack], None]] = {}
        with ExitStack() as stack:
            mine = stack.enter_context(ours(f"sqlite:///{folder}/hall.db", "sqlite", HALL))
            others = [stack.enter_context(peer(name, event_of(mine))) for name in peers()]
            measures["fan-out"] = lambda _: compare_fan_out(report, mine, others, HALL, rounds)
            measures["storm"] = lambda _: _storm(report, mine, others[:2])
            measures["votes"] = lambda _: measure_votes(report, mine, 5)
            for part in ("fan-out", "storm", "votes"):
                if part in parts:
                    measures[part](stack)
        if "votes" in parts:
            with postgresql(folder) as (url, pid), ours(url, "postgresql", HALL, pid) as mine:
                measure_votes(report, mine, 5)
        if "large" in parts:
            with ExitStack() as stack:
                mine = stack.enter_context(ours(f"sqlite:///{folder}/large.db", "sqlite", 10_000))
                others = [stack.enter_context(peer(name, event_of(mine))) for name in peers()[:2]]
                compare_fan_out(report, mine, others, 10_000, max(4, rounds // 4))
        if "growth" in parts:
            growth = grow(folder, rounds)
            draw(growth)
    report.print()
    report.save(growth)


def _storm(report: Report, mine: Ours, others: list[Server]) -> None:
    found = storm(mine, others, HALL)
    for name, seconds in found.items():
        if name != "ours":
            report.add("connection storm, s", HALL, found["ours"], seconds, name, "<= 3 s")
    report.add("tickets for it over HTTP, s", HALL, tickets(mine, HALL), None, "")


if __name__ == "__main__":
    main()
