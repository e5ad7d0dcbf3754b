"""One run from the copy to the result, in a process of its own: what makes the load must not share the server's."""

import asyncio
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from time import monotonic, sleep

import uvloop
from sqlalchemy import select

from meetings.bodies.models import Member
from meetings.rehearsal import actions, rules
from meetings.rehearsal.crowd import Crowd
from meetings.rehearsal.line import Lateness, Requests, Server
from meetings.rehearsal.models import FigureView, Progress, Result, sitting
from meetings.rehearsal.problems import HouseSitting
from meetings.rehearsal.rules import Ballot
from meetings.rehearsal.session import Course
from meetings.voting.models import Ballot as StoredBallot
from shared.clock import now
from shared.db import Database

WITHIN = rules.LONGEST - timedelta(minutes=2)  # what is left is for clearing away
CLEARING = 60  # seconds
Tell = Callable[[Progress], None]


def run(db: Database, origin: str, url: str, rehearsal_id: str, told: Tell = lambda _progress: None) -> Result | None:
    """Rehearse against `url`, whose sockets want `origin`. None: another process has it, or it came to nothing. `HouseSitting`
    where a meeting is opened meanwhile."""
    actions.clear_away(db, now())
    with db.write() as tx:
        begun = actions.begin(tx, now(), rehearsal_id)
    if begun is None:
        return None
    copy_id, secret = begun

    def tell(progress: Progress) -> None:
        told(progress)
        with db.write() as tx:
            actions.tell(tx, rehearsal_id, progress)

    def go_on(progress: Progress) -> None:
        """What is opened meanwhile shares the server with nobody who is not there."""
        with db.read() as tx:
            if lively := sitting(tx, now()):
                raise HouseSitting(title=lively.title)
        tell(progress)

    result = None
    try:
        with _interruptible(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(_measure(db, Crowd(_members(db, copy_id), Requests(url, copy_id, secret), origin), go_on))
    finally:
        tell(Progress(step="clearing", percent=98))
        actions.end(db, now(), rehearsal_id, result)
    return result


def _members(db: Database, copy_id: str) -> list[str]:
    """Their ids by place."""
    with db.read() as tx:
        rows = tx.execute(select(Member.username, Member.id).where(Member.body_id == copy_id)).all()
    return [member_id for _, member_id in sorted(rows, key=lambda row: int(row[0].rsplit(":")[-1]))]


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM is as Ctrl-C, and neither is ignored, as a shell's background job inherits it: what was made is cleared away."""
    wanted = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: lambda *_: os.kill(os.getpid(), signal.SIGINT)}
    before = {ending: signal.signal(ending, handler) for ending, handler in wanted.items()}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


async def _measure(db: Database, crowd: Crowd, tell: Tell) -> Result:
    _allow_many_files()
    try:
        async with crowd.requests.http:
            return await _measured(Course(crowd, partial(_stored, db), tell))
    finally:
        await asyncio.sleep(0.1)  # sockets that were closed leave the loop in its next turns


async def _measured(course: Course) -> Result:
    crowd, lateness, server, started = course.crowd, Lateness(), Server(course.crowd.requests), monotonic()
    await server.look()
    beside = [asyncio.create_task(lateness.watch()), asyncio.create_task(server.watch())]
    try:
        async with asyncio.timeout(WITHIN.total_seconds()):
            await course.run()
    except TimeoutError:
        crowd.errors["not done in time"] += 1
    finally:
        for task in beside:
            task.cancel()
    await server.look()
    seconds = monotonic() - started
    figures = rules.judge(crowd.times, course.counts | {"errors": crowd.errors.total()})
    return Result(
        figures=[FigureView.model_validate(figure) for figure in figures],
        errors=dict(crowd.errors.most_common(20)),
        server=server.seen(seconds),
        late=rules.percentile(sorted(lateness.seen), 99) if lateness.seen else 0,
        seconds=round(seconds),
    )


def _stored(db: Database, poll_id: str) -> list[Ballot]:
    """What stands in the box, read without the service."""
    rows = select(StoredBallot.member_id, StoredBallot.choice, StoredBallot.receipt).where(StoredBallot.poll_id == poll_id)
    with db.read() as tx:
        return [Ballot(*row) for row in tx.execute(rows)]


def _allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def end_with_parent() -> None:
    """Interrupt this process when the other end of its standard input is gone, however that ended."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGINT)
        sleep(CLEARING)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
