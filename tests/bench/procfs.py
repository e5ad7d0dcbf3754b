"""What processes cost, as /proc tells it (Linux)."""

from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def family(*pids: int) -> set[int]:
    """The processes and all that they have started and that still live."""
    found, waiting = set(), list(pids)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        for children in (PROC / str(pid) / "task").glob("*/children"):
            waiting += [int(child) for child in _read(children).split()]
    return found


def cpu_ns(pids: Iterable[int]) -> dict[int, int]:
    """Nanoseconds on a core, user and kernel, of each process so far."""
    return {
        pid: sum(int((_read(thread) or "0").split()[0]) for thread in (PROC / str(pid) / "task").glob("*/schedstat"))
        for pid in pids
    }


def cpu_seconds(before: dict[int, int], after: dict[int, int]) -> float:
    return sum(max(0, spent - before.get(pid, 0)) for pid, spent in after.items()) / 1e9


def pss_mib(pids: Iterable[int], kind: str = "Pss") -> float:
    """Proportional set size: a page that several processes share is counted once among them. `Pss_Anon`: without what comes
    from files, of which less is counted here the more other programs of the kind run."""
    sizes = [
        int(line.split()[1])
        for pid in pids
        for line in _read(PROC / str(pid) / "smaps_rollup").splitlines()
        if line.startswith(f"{kind}:")
    ]
    return sum(sizes) / 1024


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # ended meanwhile
        return ""
