"""`make bench-idp`: our provider against others on this machine, in short alternating rounds of one run; var/bench/idp.json.

Each server has one core. Ours is durable: SQLite with synchronous=FULL, and PostgreSQL with fsync, whose work counts as ours.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from deploy import HUGE_PAGES
from tests.bench import providers
from tests.bench.oidc_load import AT_ONCE, Figures, Round, closed, dismiss, make_people, measure
from tests.bench.person import SCENARIOS, WITHOUT_SESSION, Person
from tests.bench.providers import VAR, Provider, on_server_core

console = Console(width=132)


@dataclass(frozen=True)
class Case:
    what: str
    scenario: str
    algorithm: str = "ES256"
    people: int = AT_ONCE
    goal: float | None = None  # least ratio to node oidc-provider, by rate

    def is_for(self, one: Provider) -> bool:
        signs = self.scenario != "signed_credentials" or next(iter(one.targets.values())).resource
        return bool(signs) and (self.scenario != "sso" or self.algorithm in one.targets)


CASES = (
    Case("SSO login, ES256", "sso", "ES256", goal=1.5),
    Case("SSO login, RS256", "sso", "RS256", goal=1.2),
    Case("client credentials", "client_credentials", goal=1.3),
    Case("the same, tokens signed by all", "signed_credentials"),
    Case("refresh, rotating", "refresh", goal=1.5),
    Case("userinfo", "userinfo", goal=1.5),
    Case("introspection", "introspection", goal=1.5),
    Case("password login", "login", people=4),
)


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    waiting: float  # seconds of the open loops

    @classmethod
    def of(cls, *, quick: bool) -> "Plan":
        return cls(7, 0.3, 2) if quick else cls(15, 0.5, 8)


def median(rounds: list[Figures]) -> dict[str, Any]:
    """Of rounds of one provider: medians, all errors, the most memory."""
    middle = {
        name: round(statistics.median(getattr(one, name) for one in rounds), 3)
        for name in ("rate", "p50", "p99", "cpu_ms", "cores", "client_cores")
    }
    return middle | {
        "rates": [one.rate for one in rounds],
        "cpu": [one.cpu_ms for one in rounds],
        "parts_ms": {part: statistics.median(one.parts_ms[part] for one in rounds) for part in rounds[0].parts_ms},
        "pss_mib": {part: max(one.pss_mib[part] for one in rounds) for part in rounds[0].pss_mib},
        "errors": sum(one.errors for one in rounds),
        "first_error": next((one.first_error for one in rounds if one.first_error), ""),
    }


class Crowds:
    """People by provider and client. They stay signed in from case to case, but for a provider that forgets under load."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[Person]] = {}

    async def of(self, one: Provider, case: Case) -> list[Person]:
        target = one.targets.get(case.algorithm) or next(iter(one.targets.values()))
        if case.scenario in WITHOUT_SESSION or one.database == "memory":
            return await make_people(target, case.scenario, case.people)
        key = (one.label, target.client_id)
        if key not in self._known:
            self._known[key] = await make_people(target, case.scenario, case.people)
        return self._known[key]


async def alternate(case: Case, known: list[Provider], crowds: Crowds, plan: Plan) -> dict[str, dict[str, Any]]:
    """Ours, a peer, ours, a peer, ...: what else the machine does falls on all of them. Medians by provider."""
    able = [one for one in known if case.is_for(one)]
    people = {one.label: await crowds.of(one, case) for one in able}
    found: dict[str, list[Figures]] = {one.label: [] for one in able}
    for _ in range(plan.rounds):
        for one in able:
            found[one.label].append(await measure(people[one.label], case.scenario, seconds=plan.seconds, parts=one.parts))
    for crowd in people.values():
        dismiss(crowd)
    return {label: median(rounds) for label, rounds in found.items()}


def compare(case: Case, known: list[Provider], found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each of our databases and each peer."""
    own = [one for one in known if one.is_ours]
    peers = [one for one in known if not one.is_ours and one.label in found]
    rows = []
    for mine in own:
        ours = found[mine.label]
        row: dict[str, Any] = {"what": case.what, "database": mine.database, "ours": ours}
        for peer in peers:
            theirs = found[peer.label]
            ratio = {"ratio": _ratio(ours["rates"], theirs["rates"]), "cpu_ratio": _ratio(theirs["cpu"], ours["cpu"])}
            goal = case.goal if peer.name.startswith("node") else None
            rows.append(row | {"peer_name": peer.label, "peer": theirs, "goal": goal} | ratio)
        if not peers:
            rows.append(row | {"peer_name": "", "peer": None, "goal": None, "ratio": None, "cpu_ratio": None})
    return rows


def _ratio(more: list[float], less: list[float]) -> float | None:
    """The median over the rounds: the two of a round are so near in time that what slows the machine slows both."""
    each = [one / other for one, other in zip(more, less, strict=True) if other]
    return round(statistics.median(each), 2) if each else None


async def unhurried(mine: Provider, peer: Provider | None, rate: float, plan: Plan) -> dict[str, Any]:
    """SSO latency at half of our own rate, and of a peer at the same rate."""
    told: dict[str, Any] = {"what": "SSO at half of our rate, ES256", "database": mine.database, "rate": round(rate, 1)}
    for name, one in (("ours", mine), ("peer", peer)):
        if one:
            people = await make_people(one.targets["ES256"], "sso", 4 * AT_ONCE)
            told[name] = asdict(await measure(people, "sso", seconds=plan.waiting, parts=one.parts, rate=rate))
            dismiss(people)
    return told


def hash_alone(seconds: float, settings: dict[str, str]) -> tuple[float, float]:
    """Checks a second, and milliseconds of CPU each, on the servers' core; `settings` are of the environment."""
    command = on_server_core(sys.executable, "-m", "tests.bench.hash_alone", str(seconds))
    done = subprocess.run(command, cwd=providers.ROOT, env=os.environ | settings, check=True, capture_output=True, text=True)
    rate, cpu_ms = map(float, done.stdout.split())
    return rate, cpu_ms


async def passwords(mine: Provider, sso_rate: float, plan: Plan) -> dict[str, Any]:
    """Password logins against the hash alone, as any process has it and with the pages that we serve with, in turn; and SSO
    while they flood the server."""
    target = mine.targets["ES256"]
    crowd, signed_in = await make_people(target, "login", AT_ONCE), await make_people(target, "sso", 2 * AT_ONCE)
    plain, limits, logins = [], [], []
    for _ in range(plan.rounds):
        plain.append(await asyncio.to_thread(hash_alone, plan.seconds, {}))
        limits.append(await asyncio.to_thread(hash_alone, plan.seconds, HUGE_PAGES))
        logins.append(await measure(crowd, "login", seconds=plan.seconds, parts=mine.parts))
    rate = max(10.0, sso_rate / 10)
    calm = await measure(signed_in, "sso", seconds=plan.waiting, parts=mine.parts, rate=rate)
    flood = Round(SCENARIOS["login"])
    flooding = asyncio.create_task(closed(flood, crowd, plan.waiting + 1))
    flooded = await measure(signed_in, "sso", seconds=plan.waiting, parts=mine.parts, rate=rate)
    await flooding
    dismiss(crowd + signed_in)
    limit, hash_ms = (statistics.median(column) for column in zip(*limits, strict=True))
    ours, plain_rate = median(logins), statistics.median(rate for rate, _ in plain)
    return {
        "what": "password login and its hash",
        "database": mine.database,
        "ours": ours,
        "plain_hash_rate": round(plain_rate, 1),
        "plain_ratio": round(ours["rate"] / plain_rate, 3),
        "hash_rate": round(limit, 1),
        "hash_ms": round(hash_ms, 2),
        "ratio": round(ours["rate"] / limit, 3),
        "cpu_ratio": round(hash_ms / ours["cpu_ms"], 3),
        "sso_rate": round(rate, 1),
        "sso_calm": asdict(calm),
        "sso_in_flood": asdict(flooded) | {"flood_rate": round(len(flood.seconds) / (plan.waiting + 1), 1)},
        "errors": len(flood.errors),
    }


async def run(known: list[Provider], plan: Plan, only: list[str]) -> dict[str, list[dict[str, Any]]]:
    cases = [case for case in CASES if not only or case.scenario in only]
    rows, waits, logins, crowds = [], [], [], Crowds()
    for case in cases:
        console.print(f"[dim]{case.what} ...")
        found = await alternate(case, known, crowds, plan)
        rows += compare(case, known, found)
        if case.what == CASES[0].what:
            peer = next((one for one in known if one.name.startswith("node")), None)
            for mine in (one for one in known if one.is_ours):
                waits.append(await unhurried(mine, peer, found[mine.label]["rate"] / 2, plan))
                if not only:
                    logins.append(await passwords(mine, found[mine.label]["rate"], plan))
    return {"rows": rows, "half_rate": waits, "passwords": logins}


def show(told: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "", "a second", "CPU ms", "p50 ms", "p99 ms", "MiB", "ours on SQLite is", "on PostgreSQL"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for what in dict.fromkeys(row["what"] for row in told["rows"]):
        rows = [row for row in told["rows"] if row["what"] == what]
        for row in {row["database"]: row for row in rows}.values():
            table.add_row(what, f"ours, {row['database']}", *_cells(row["ours"]))
        for row in {row["peer_name"]: row for row in rows if row["peer"]}.values():
            ratios = [_times(one) for one in rows if one["peer_name"] == row["peer_name"]]
            table.add_row("", row["peer_name"], *_cells(row["peer"]), *ratios)
    console.print(table)
    console.print("[dim]x: by rate, in brackets by CPU time; behind the stroke the goal")
    for row in told["half_rate"]:
        peer = f"; {row['peer']['p99']:.0f} ms of node oidc-provider at that rate" if "peer" in row else ""
        console.print(f"SSO at {row['rate']:.0f}/s, {row['database']}: p99 {row['ours']['p99']:.0f} ms{peer}")
    for row in told["passwords"]:
        flooded = row["sso_in_flood"]
        console.print(
            f"Password logins, {row['database']}: {row['ours']['rate']:.1f}/s, the hash alone {row['plain_hash_rate']}/s:"
            f" {row['plain_ratio']:.0%}; with our pages {row['hash_rate']}/s: {row['ratio']:.0%}"
            f" (by CPU {row['cpu_ratio']:.0%}); SSO at {row['sso_rate']:.0f}/s has p99"
            f" {row['sso_calm']['p99']:.0f} ms, and {flooded['p99']:.0f} ms in a flood of {flooded['flood_rate']}/s"
        )


def _cells(figures: dict[str, Any]) -> list[str]:
    numbers = [figures[name] for name in ("rate", "cpu_ms", "p50", "p99")]
    return [f"{one:.{0 if one >= 100 else 1 if one >= 10 else 2}f}" for one in (*numbers, sum(figures["pss_mib"].values()))]


def _times(row: dict[str, Any]) -> str:
    goal = f" / {row['goal']}" if row["goal"] else ""
    return f"x {row['ratio']} ({row['cpu_ratio']}){goal}"


def failed(told: Any) -> bool:
    """Whether any operation did, anywhere in what was measured."""
    if isinstance(told, dict):
        return any(bool(value) if name == "errors" else failed(value) for name, value in told.items())
    return isinstance(told, list) and any(map(failed, told))


def start(stack: ExitStack, folder: Path, *, peers: bool) -> list[Provider]:
    known = [stack.enter_context(providers.ours_on(folder, "sqlite"))]
    if peers:
        known.append(stack.enter_context(providers.node()))
    known.append(stack.enter_context(providers.ours_on(folder, "postgresql")))
    if peers:
        known.append(stack.enter_context(providers.dot(folder)))
    return known


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: two minutes")
    parser.add_argument("--only", action="append", default=[], choices=SCENARIOS, help="this scenario; may be given again")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    asked = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    providers.come_first()
    folder = Path(tempfile.mkdtemp(prefix="dienhong-bench-", dir=providers.DISK))
    plan = Plan.of(quick=asked.quick)
    machine = {
        "cores": os.cpu_count(),
        "pinned": providers.TWO_CORES,
        "python": f"{platform.python_version()} of {sys.base_prefix}",
        "load_before": round(os.getloadavg()[0], 1),
    }
    try:
        with ExitStack() as stack:
            console.print("[dim]Starting the servers ...")
            known = start(stack, folder, peers=not asked.no_peers)
            providers.pin_client()
            told = uvloop.run(run(known, plan, asked.only))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    file = VAR / "idp.json"
    file.write_text(json.dumps({"machine": machine, "plan": asdict(plan), **told}, ensure_ascii=False, indent=1) + "\n")
    show(told)
    console.print(f"[dim]{file.relative_to(providers.ROOT)}")
    if failed(told):
        console.print("[red]Operations failed: see `errors` and `first_error` in the file")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
