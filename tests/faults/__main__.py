"""`make faults`: break the service in every way of the table, and let the oracle say what was lost; var/faults/report.json."""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.processes import PORTS, ROOT
from tests.faults.table import FAULTS, Run, perform

HERE = Path(__file__).parent
NOT_FAULTS = {"__init__", "__main__", "oracle", "twins", "conftest", "needed"}
PROMISES, BEGIN, END = ROOT / "docs" / "promises.md", "<!-- the last report -->", "<!-- end -->"
REPORT = ROOT / "var" / "faults" / "report.json"
# They mostly wait, or measure nothing in time: they run beside the others, so that the whole takes less than an hour.
BESIDE = ("F3a", "F3c", "F3d", "F13", "F13b", "F16", "F17", "F18", "F20", "F20b", "F21", "F22", "F23")


def load() -> None:
    """Every room registers its faults when it is imported."""
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in NOT_FAULTS and not path.stem.startswith("test_"):
            importlib.import_module(f"tests.faults.{path.stem}")


def order(id: str) -> tuple[int, str]:
    digits = "".join(sign for sign in id if sign.isdigit())
    return int(digits or 0), id


def write(rows: list[Run], tier: str, report: Path) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    keep([row.row() | {"at": at} for row in rows], tier, report)


def keep(rows: list[dict[str, Any]], tier: str, report: Path) -> None:
    """They take the place of older ones of the same fault; the others stay."""
    report.parent.mkdir(parents=True, exist_ok=True)
    known = {row["id"]: row for row in json.loads(report.read_text())["faults"]} if report.exists() else {}
    known |= {row["id"]: row for row in rows}
    faults = [known[one] for one in sorted(known, key=order)]
    report.write_text(json.dumps({"tier": tier, "faults": faults}, ensure_ascii=False, indent=1))


def add(report: Path, more: Path) -> None:
    """Rows of a further report: a fault that was run in both has the sum of the counts and the worst of the figures."""
    known = {row["id"]: row for row in json.loads(report.read_text())["faults"]} if report.exists() else {}
    for row in json.loads(more.read_text())["faults"]:
        before = known.get(row["id"])
        if row["runs"] and before and before["runs"]:
            for name in ("runs", "kills", "acks", "violations", "failing_seeds", "seconds"):
                row[name] = before[name] + row[name]
            row["load"] = max(before["load"], row["load"])
            row["twins"] = before["twins"] | {
                one: seen or before["twins"].get(one, False) for one, seen in row["twins"].items()
            }
            for name, one in before["figures"].items():
                row["figures"][name] = max(one, row["figures"].get(name, one), key=lambda figure: figure["value"])
        if row["runs"] or not before:
            known[row["id"]] = row
    report.write_text(json.dumps({"tier": "b", "faults": list(known.values())}, ensure_ascii=False, indent=1))


def table_of(report: Path) -> str:
    """The report as the table of docs/promises.md: what was run, and what was not."""
    known = {row["id"]: row for row in json.loads(report.read_text())["faults"]} if report.exists() else {}
    lines = ["| fault | what is done | kills | receipts | violations | broken on purpose: seen? | figures over their limit |"]
    lines.append("| --- | --- | ---: | ---: | ---: | --- | --- |")
    for entry in sorted(FAULTS.values(), key=lambda one: order(one.id)):
        row = known.get(entry.id)
        if row is None or row["not_run"] or not row["runs"]:
            why = row["not_run"] or row["error"] if row else "not in this report"
            lines.append(f"| {entry.id} | {entry.title} | not run: {why[:60]} | | | | |")
            continue
        over = [f"{name}: {one['value']:g} (≤ {one['limit']:g})" for name, one in row["figures"].items() if not one["ok"]]
        over += [f"ended early: {row['error'][:60]}"] if row["error"] else []
        seen = [f"{name}: {'yes' if caught else 'NO'}" for name, caught in row["twins"].items()]
        short = " (short tier)" if row["tier"] == "a" else ""
        counts = f"{row['kills']} | {row['acks']} | {len(row['violations'])}"
        lines.append(f"| {row['id']} | {row['title']}{short} | {counts} | {'; '.join(seen)} | {'; '.join(over) or '–'} |")
    return "\n".join(lines)


def write_promises(report: Path) -> None:
    text = PROMISES.read_text("utf-8")
    before, rest = text.split(BEGIN)
    PROMISES.write_text(before + BEGIN + "\n\n" + table_of(report) + "\n\n" + END + rest.split(END)[1], "utf-8")


def show(rows: list[Run]) -> None:
    table = Table(title="Faults")
    for name in ("fault", "title", "runs", "kills", "acks", "violations", "twins caught", "figures", "s", ""):
        table.add_column(name)
    for row in rows:
        figures = "\n".join(
            f"{name} {one.value:g}" + (f" (≤ {one.limit:g})" if one.limit is not None else "") + ("" if one.ok else " ✗")
            for name, one in row.figures.items()
        )
        twins = "\n".join(f"{'✓' if caught else '✗'} {name}" for name, caught in row.twins.items())
        end = row.not_run or row.error or ("✓" if row.ok else "✗")
        counts = (str(row.runs), str(row.kills), str(row.acks), str(len(row.violations)))
        table.add_row(row.id, row.title, *counts, twins, figures, f"{row.seconds:.0f}", end)
    Console(width=180).print(table)
    for row in rows:
        for line in row.violations[:10]:
            print(f"{row.id}: {line}")
        if row.failing_seeds:
            print(f"{row.id}: again with --only {row.id} --seed {row.failing_seeds[0]}")


def main() -> int:
    read = argparse.ArgumentParser(prog="python -m tests.faults")
    read.add_argument("--tier", choices="ab", default="b")
    read.add_argument("--only", default="", help="F1,F9")
    read.add_argument("--seed", type=int, default=1)
    read.add_argument("--minutes", type=float, default=0, help="of F22")
    read.add_argument("--report", type=Path, default=REPORT)
    read.add_argument("--add", type=Path, nargs="+", default=[], help="only add further reports to the report")
    read.add_argument("--promises", action="store_true", help="only write the report's table into docs/promises.md")
    given = read.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended, however we end
    load()
    for more in given.add:
        add(given.report, more)
    if given.promises:
        write_promises(given.report)
    if given.add or given.promises:
        return 0
    wanted = set(filter(None, given.only.split(",")))
    if unknown := wanted - FAULTS.keys():
        read.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(FAULTS, key=order))}")
    chosen = wanted or {entry.id for entry in FAULTS.values() if given.tier in entry.tiers}
    with beside(given, chosen & {*BESIDE} if not wanted and given.tier == "b" else set()) as others:
        rows = []
        for entry in sorted((FAULTS[one] for one in chosen - others.keys()), key=lambda one: order(one.id)):
            print(f"{entry.id}: {entry.title}", flush=True)
            told = lambda row: write([row], given.tier, given.report)  # noqa: E731
            rows.append(perform(entry, given.tier, given.seed, told, given.minutes))
            write(rows, given.tier, given.report)
    show(rows)
    return 0 if all(row.ok or row.not_run for row in rows) and all(others.values()) else 1


@contextmanager
def beside(given: argparse.Namespace, those: set[str]) -> Iterator[dict[str, bool]]:
    """Run them in a process of their own meanwhile, with ports of its own; whether each went well, in the end."""
    ended = dict.fromkeys(those, True)
    if not those:
        yield ended
        return
    report, log = given.report.with_suffix(".beside.json"), given.report.with_suffix(".beside.log")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    words = [
        "--only",
        ",".join(sorted(those)),
        "--seed",
        str(given.seed),
        "--minutes",
        str(given.minutes),
        "--report",
        str(report),
    ]
    environment = os.environ | {"FAULT_PORTS": f"{PORTS[len(PORTS) // 2]}-{PORTS.stop}"}
    with log.open("w") as out:
        other = subprocess.Popen([sys.executable, "-m", "tests.faults", *words], env=environment, stdout=out, stderr=out)
    try:
        yield ended
        other.wait()
    finally:
        other.terminate()
        other.wait()
        print(log.read_text())
        rows = json.loads(report.read_text())["faults"] if report.exists() else []
        keep(rows, given.tier, given.report)
        ended |= dict.fromkeys(those, False) | {row["id"]: row["ok"] or bool(row["not_run"]) for row in rows}


if __name__ == "__main__":
    sys.exit(main())
