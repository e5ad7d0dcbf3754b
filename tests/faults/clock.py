"""Clocks that are set: hours, a day, back by minutes, under the one node and under one of two, while a vote is on."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from shared import clock
from shared.audit import AuditEvent
from shared.audit import faults as broken
from tests.faults.burst import Burst
from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.history import History
from tests.faults.processes import until
from tests.faults.table import Run, fault

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
JUMPS = ("+2h", "+1d", "-2h", "+0", "-5m", "+90s", "+0")
TOKENS = timedelta(days=3)  # on either side of now: it is the meeting whose clock is tried, not the sign-in's
VOTERS = 60


def with_own_clock(cluster: Cluster, number: int) -> Path:
    """The node reads its time as the file says; its monotonic clock stays as it is."""
    if not LIBRARY.exists():
        raise Skip("libfaketime")
    file = cluster.folder / f"time-{number}"
    file.write_text("+0")
    cluster.nodes[number].environment |= {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return file


def long_tokens(cluster: Cluster) -> None:
    now = clock.now()
    span = {"iat": int((now - TOKENS).timestamp()), "exp": int((now + TOKENS).timestamp())}
    for name in ("chair", "secretary", *(f"d{number}" for number in range(VOTERS))):
        cluster._tokens[name] = cluster.issuer.token(name, audience=cluster.address, **span)


def jumping(run: Run, nodes: int) -> None:
    files: list[Path] = []

    def prepare(cluster: Cluster) -> None:
        files.append(with_own_clock(cluster, nodes - 1))

    with Cluster(voters=VOTERS, nodes=nodes, prepare=prepare) as cluster:
        long_tokens(cluster)
        history = History(cluster.folder / "history.jsonl")
        node = cluster.nodes[-1]

        async def course() -> None:
            async with Burst(cluster, history, seed=run.seed) as burst:
                for jump in JUMPS:
                    poll = await burst.open_poll()
                    voting = burst.start(burst.vote(poll, 3, ballots=2))
                    await burst.acks(VOTERS // 2)
                    files[0].write_text(jump)
                    await voting
                    await burst.close(poll)
                    away = sum(1 for one in burst.everybody if not one.up)
                    run.figure(f"of {VOTERS} without a line after {jump}", away)
                await burst.settle()

        in_loop(course())
        run.judge(cluster, history)
        assert node.alive
        marked = select(func.count()).where(AuditEvent.act == "clock.jumped")

        def all_marked() -> bool:
            with cluster.looking() as db, db.read() as tx:
                return (tx.scalar(marked) or 0) >= len(JUMPS)

        until(all_marked, 20, "a jump is not marked in the audit record")
        with cluster.looking() as db, db.read() as tx:
            run.violations += [f"I6 audit event {seq}: {what}" for seq, what in broken(tx)]


@fault("F4", "the clock of a node is set while a vote is on: one node, then one of two")
def set_clocks(run: Run) -> None:
    jumping(run, 1)
    jumping(run, 2)
