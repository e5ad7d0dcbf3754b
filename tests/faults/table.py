"""The table of faults: each registered by its number, run with a seed, judged by the oracle, told as a row of the report."""

import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History

ORACLE = Path(__file__).parent / "oracle.py"
Deed = Callable[["Run"], None]


@dataclass
class Figure:
    value: float
    limit: float | None = None  # at most; None: told, not judged
    ok: bool = True


@dataclass
class Run:
    """What a fault's function is given, and fills: the row of the report."""

    id: str
    title: str
    tier: str
    seed: int
    minutes: float = 0  # that were asked for; 0: as long as the tier has it
    runs: int = 0
    kills: int = 0
    acks: int = 0
    violations: list[str] = field(default_factory=list)
    failing_seeds: list[int] = field(default_factory=list)
    twins: dict[str, bool] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    seconds: float = 0.0
    load: float = 0.0  # of the machine, in processes that want a core: other work on it makes times longer
    not_run: str = ""
    error: str = ""
    told: Callable[["Run"], None] | None = field(default=None, repr=False)  # after each judgement

    @property
    def random(self) -> random.Random:
        return random.Random(self.seed + self.runs)

    def times(self, a: int, b: int) -> range:
        """So many rounds in tier a, so many in tier b."""
        return range(a if self.tier == "a" else b)

    def figure(self, name: str, value: float, limit: float | None = None) -> None:
        """A measured value; of several under one name the worst is kept."""
        known = self.figures.get(name)
        worst = max(value, known.value) if known else value
        self.figures[name] = Figure(round(worst, 4), limit, limit is None or worst <= limit)

    def judge(self, cluster: Cluster, history: History) -> list[str]:
        """Export the meeting, ask the oracle, and count what it says into this row."""
        found = [*judge(cluster, history), *(f"a bug in {one}" for one in cluster.bugs())]
        self.runs += 1
        self.acks += history.acks
        if found:
            self.violations += found[:50]
            self.failing_seeds.append(self.seed)
        self.load = max(self.load, round(os.getloadavg()[0], 1))
        if self.told:
            self.told(self)
        return found

    @property
    def ok(self) -> bool:
        held = not self.violations and not self.error and all(figure.ok for figure in self.figures.values())
        return held and all(self.twins.values())

    def row(self) -> dict[str, Any]:
        caught = all(self.twins.values()) if self.twins else None
        known = asdict(replace(self, told=None))
        return {name: value for name, value in known.items() if name != "told"} | {
            "twin_caught": caught,
            "ok": None if self.not_run else self.ok,
            "seconds": round(self.seconds, 1),
        }


def judge(cluster: Cluster, history: History) -> list[str]:
    """The oracle's violations, one line each."""
    history.flush()
    export = cluster.export(cluster.folder / "export.json")
    done = subprocess.run([sys.executable, ORACLE, history.path, export], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr[-2000:])
    return [line for line in done.stdout.splitlines() if line.startswith("I")]


@dataclass(frozen=True)
class Entry:
    id: str
    title: str
    tiers: str
    deed: Deed
    twins: dict[str, Deed] = field(default_factory=dict)


FAULTS: dict[str, Entry] = {}


def fault(id: str, title: str, *, tiers: str = "b") -> Callable[[Deed], Deed]:
    """Register a fault; `tiers` "ab" runs in both, "b" in the long one only, "" where it is named only: it takes its time."""

    def register(deed: Deed) -> Deed:
        assert id not in FAULTS, id
        FAULTS[id] = Entry(id, title, tiers, deed)
        return deed

    return register


def twin(id: str, broken: str) -> Callable[[Deed], Deed]:
    """Register a run of a fault against the product broken on purpose: it is good if the oracle finds violations."""

    def register(deed: Deed) -> Deed:
        FAULTS[id].twins[broken] = deed
        return deed

    return register


def perform(entry: Entry, tier: str, seed: int, told: Callable[[Run], None] | None = None, minutes: float = 0) -> Run:
    """`told` hears how far it has come after each judgement."""
    run, started = Run(entry.id, entry.title, tier, seed, minutes, told=told), time.monotonic()
    try:
        entry.deed(run)
        for broken, deed in entry.twins.items() if tier == "b" else ():
            other = Run(entry.id, broken, tier, seed)
            deed(other)
            run.twins[broken] = bool(other.violations)
    except Skip as missing:
        run.not_run = f"needs {missing}"
    except Exception as error:
        run.error = f"{type(error).__name__}: {error}"[:500]
        run.failing_seeds.append(seed)
        traceback.print_exc()
    run.seconds = time.monotonic() - started
    return run
