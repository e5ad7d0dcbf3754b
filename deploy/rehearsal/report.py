"""The run of `dienhong rehearse`, and its result as a table."""

from rich.console import Console
from rich.table import Table

from meetings import app as wiring
from meetings.agenda.models import Meeting
from meetings.rehearsal import actions
from meetings.rehearsal.models import FigureView, Progress, Result
from meetings.rehearsal.run import end_with_parent, run
from meetings.settings import MeetingsSettings
from shared.clock import now
from shared.db import Database
from shared.problems import NotFound, Problem
from shared.words import say

assert wiring  # noqa: S101 - every table is known, so that no row of a copy is left
WORDS = {
    "connection": "a delegate comes in: ticket, socket, snapshot",
    "first_page": "first page of a paper is here",
    "event": "an act of the chair shows on a screen",
    "ballot": "a ballot is acknowledged",
    "errors": "errors",
    "lost": "acknowledged ballots that do not count",
    "doubled": "ballots that count twice, or were cast by nobody",
}


def run_and_print(settings: MeetingsSettings, meeting_id: str, delegates: int, url: str, begin: str) -> bool:
    """Whether it passed. `begin`: the id of one that was asked for by a service, which this process then ends with."""
    console, db = Console(), Database(settings.database_url)
    try:
        if begin:
            end_with_parent()
        else:
            with db.write() as tx:
                if tx.get(Meeting, meeting_id) is None:
                    raise NotFound()
                begin = actions.ask(tx, now(), meeting_id, delegates, "command")
        with console.status("") as status:

            def tell(progress: Progress) -> None:
                status.update(f"{progress.step} {progress.percent} %")

            result = run(db, settings.public_url, url or settings.public_url, begin, tell)
    except Problem as problem:
        console.print(f"[red]{say('en', ('shared', 'meetings'), f'problem.{problem.code}', **problem.facts)}")
        return False
    finally:
        db.close()
    if result is None:
        console.print("[red]nothing came of it")
        return False
    _print(console, result, delegates)
    return result.passed


def _print(console: Console, result: Result, delegates: int) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("what", "number", "p50 ms", "p95 ms", "p99 ms", "limit", ""):
        table.add_column(heading, justify="left" if heading in ("what", "") else "right")
    for figure in result.figures:
        table.add_row(*_row(figure))
    console.print(table)
    for what, count in result.errors.items():
        console.print(f"  {count} x {what}")
    if result.server:
        console.print(f"server: {result.server.cpu} % of a core, {result.server.memory} MiB at most")
    console.print(f"{delegates} delegates, {result.seconds} s; the simulation itself was late by {result.late} ms (p99)")
    console.print("[green]PASSED" if result.passed else "[red]FAILED")


def _row(figure: FigureView) -> list[str]:
    parts = ["" if part is None else str(part) for part in (figure.p50, figure.p95, figure.p99)]
    limit = str(figure.most) if figure.part == "count" else f"{figure.part} {figure.most}"
    return [WORDS[figure.name], str(figure.count), *parts, limit, figure.verdict]
