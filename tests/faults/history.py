"""What the clients did and were told, one JSON line an operation: the oracle's first witness."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class History:
    """Lines `{t_mono, site, voter, poll, idem, op, phase, receipt, choice, node}`.

    `phase` is invoke, ok, fail or info (unknown). Other operations put what they have under names that the oracle knows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w")
        self._turn = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()  # by op and phase
        self.took: list[tuple[float, float]] = []  # when a ballot was acknowledged, and after how long

    def note(self, op: str, phase: str, **known: Any) -> None:
        line = json.dumps({"t_mono": round(time.monotonic(), 6), "op": op, "phase": phase} | known, ensure_ascii=False)
        with self._turn:
            self.counts[op, phase] += 1
            self._file.write(line + "\n")

    def acknowledged(self, seconds: float) -> None:
        self.took.append((time.monotonic(), seconds))

    @property
    def acks(self) -> int:
        return self.counts["cast", "ok"]

    def percentile(self, part: float, *, outside: "list[tuple[float, float]] | None" = None) -> float:
        """Seconds from a ballot to its receipt, of those that did not fall into a gap (from, until)."""
        gaps = outside or []
        kept = sorted(took for at, took in self.took if not any(at - took <= end and at >= start for start, end in gaps))
        return kept[min(len(kept) - 1, round(part * (len(kept) - 1)))] if kept else 0.0

    def lines(self) -> Iterator[dict[str, Any]]:
        self.flush()
        with self.path.open() as file:
            yield from map(json.loads, file)

    def flush(self) -> None:
        with self._turn:
            self._file.flush()

    def close(self) -> None:
        self._file.close()
