"""Too little memory: files that swell when they are opened, in a group of processes that may not grow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs_store.papers import one_page
from tests.faults.cluster import Cluster, Skip
from tests.faults.disk import upload, votes_on
from tests.faults.table import Run, fault

GROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
LIMIT = 450 << 20  # bytes: the service and everything that it starts
BOMBS = 20


@contextmanager
def small_group() -> Iterator[Path]:
    """A control group with a bound; the count of kills stands in `memory.oom_control` or `memory.events`."""
    home = next((one for one in GROUPS if (one / "cgroup.procs").exists()), None)
    if home is None or os.geteuid() != 0:
        raise Skip("root and a control group for memory")
    group = home / f"dienhong-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        raise Skip("leave to make a control group") from None
    bound = next((one for one in (group / "memory.limit_in_bytes", group / "memory.max") if one.exists()), None)
    try:
        if bound is None:
            raise Skip("a control group for memory")
        bound.write_text(str(LIMIT))
        yield group
    finally:
        group.rmdir()


def kills(group: Path) -> int:
    told = next(one for one in (group / "memory.oom_control", group / "memory.events") if one.exists()).read_text()
    return next(int(line.split()[1]) for line in told.splitlines() if line.startswith("oom_kill "))


@fault("F16", "twenty files that swell, in a service that may have 450 MB with all it starts")
def swelling_files(run: Run) -> None:
    bombs = [one_page(bytes(500 << 20), pack=2), one_page(b"0 0 m 9 9 l S " * (20 << 20), pack=2)]
    with small_group() as group:

        def prepare(cluster: Cluster) -> None:
            cluster.nodes[0].prefix = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "--"]

        with Cluster(voters=60, prepare=prepare) as cluster:
            before, statuses = cluster.nodes[0].pid, list[int]()

            def deed() -> None:
                statuses.extend(upload(cluster, bombs[number % 2], f"{number}.pdf").status_code for number in range(BOMBS))

            votes_on(run, cluster, deed, lambda: upload(cluster, one_page(), "lai.pdf"), 1.5)
            assert cluster.nodes[0].alive
            assert cluster.nodes[0].pid == before
            run.violations += [f"a file that swells: {status}" for status in statuses if status not in (201, 413, 422)]
            run.figure("processes killed for want of memory", kills(group))
            run.figure("files refused", sum(status != 201 for status in statuses))
