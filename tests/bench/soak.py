"""`make soak-idp MINUTES=120`: half of the peak load for so long, of all kinds; var/bench/soak.json.

It fails on any error, and on memory that grows: by the line through the second half of the samples, more than 5 % an hour.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from tests.bench import providers
from tests.bench.oidc_load import AT_ONCE, Act, Round, arriving, closed, dismiss, make_people, quantile
from tests.bench.person import SCENARIOS, Person
from tests.bench.procfs import cpu_ns, cpu_seconds, family, pss_mib
from tests.bench.providers import VAR, Provider

# Of a hundred operations: people who are signed in go from application to application, and one signs in.
MIX = {"sso": 30, "userinfo": 25, "introspection": 20, "refresh": 14, "client_credentials": 10, "login": 1}
EVERY = 10.0  # seconds between samples
MOST_GROWTH = 0.05  # an hour
LEAST_GROWTH = 2.0  # MiB: what a line through a few minutes shows below this is chance
console = Console()


@dataclass(frozen=True)
class Sample:
    """At `minute` of the run; what was done since the last, and the server's own memory."""

    minute: float
    own_mib: float  # not shared with others
    operations: int
    errors: int
    p50: float
    p99: float
    cores: float


def mixed() -> Act:
    """Each kind in its turn, spread evenly."""
    spread = sorted((place / share, name) for name, share in MIX.items() for place in range(share))
    kinds = cycle([name for _, name in spread])

    async def act(person: Person) -> None:
        await SCENARIOS[next(kinds)](person)

    return act


async def soak(one: Provider, minutes: float) -> dict[str, Any]:
    people, act = await make_people(one.targets["ES256"], "sso", 2 * AT_ONCE), mixed()
    peak = Round(act)
    await closed(peak, people, EVERY / 2)
    rate = len(peak.seconds) / EVERY  # half of what it did a second
    console.print(f"Peak {2 * rate:.0f}/s; {rate:.0f}/s for {minutes:g} minutes")
    samples, errors, started = list[Sample](), peak.errors, time.monotonic()
    while (time.monotonic() - started) < minutes * 60 and not errors:
        round_, before, began = Round(act), _spent(one), time.monotonic()
        try:
            await arriving(round_, people, rate, EVERY)
        except TimeoutError:
            round_.errors.append("operations that were due were not done in time")
        now, times = time.monotonic(), sorted(round_.seconds)
        errors += round_.errors
        sample = Sample(
            minute=round((now - started) / 60, 2),
            own_mib=round(pss_mib(family(*one.parts["server"]), "Pss_Anon"), 2),
            operations=len(times),
            errors=len(round_.errors),
            p50=round(1000 * quantile(times, 0.5), 2),
            p99=round(1000 * quantile(times, 0.99), 2),
            cores=round(cpu_seconds(before, _spent(one)) / (now - began), 3),
        )
        samples.append(sample)
        if len(samples) % 6 == 1:
            console.print(f"[dim]{sample.minute:6.1f} min  {sample.own_mib:.1f} MiB  p50 {sample.p50} ms  p99 {sample.p99} ms")
    dismiss(people)
    return {
        "minutes": minutes,
        "database": one.database,
        "rate": round(rate, 1),
        "operations": sum(sample.operations for sample in samples),
        "errors": len(errors),
        "first_error": errors[0] if errors else "",
        "p99_median": statistics.median(sample.p99 for sample in samples) if samples else None,
        **growth(samples),
        "samples": [asdict(sample) for sample in samples],
    }


def _spent(one: Provider) -> dict[int, int]:
    return cpu_ns(family(*one.parts["server"]))


def growth(samples: list[Sample]) -> dict[str, Any]:
    """Of the memory in the second half: MiB by the line through it, as a share an hour, and whether it is too much."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return {"grown_mib": None, "growth_an_hour": None, "grows": False}
    slope = statistics.linear_regression([one.minute for one in half], [one.own_mib for one in half]).slope
    grown, an_hour = slope * (half[-1].minute - half[0].minute), slope * 60 / statistics.mean(one.own_mib for one in half)
    grows = an_hour > MOST_GROWTH and grown > LEAST_GROWTH
    return {"grown_mib": round(grown, 2), "growth_an_hour": round(an_hour, 4), "grows": grows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=120.0)
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    asked = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    providers.come_first()
    folder = Path(tempfile.mkdtemp(prefix="dienhong-soak-", dir=providers.DISK))
    try:
        with providers.ours_on(folder, "postgresql" if asked.postgresql else "sqlite") as one:
            providers.pin_client()
            told = uvloop.run(soak(one, asked.minutes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    file = VAR / "soak.json"
    file.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    console.print({name: value for name, value in told.items() if name != "samples"})
    return 1 if told["errors"] or told["grows"] else 0


if __name__ == "__main__":
    sys.exit(main())
