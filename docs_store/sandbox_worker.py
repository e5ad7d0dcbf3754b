"""The confined process: `python -I -m docs_store.sandbox_worker TASK FOLDER`; see sandbox.py for the other side."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from docs_store.confine import confine

TASKS = {
    "nothing": "docs_store.sandbox_worker:nothing",
    "inspect": "docs_store.inspection:inspect",
    "table": "docs_store.tables:read",
    "annotate": "docs_store.annotations:draw",
    "validate": "docs_store.validation:validate_file",
}


def nothing(source: Path, output: Path) -> dict[str, Any]:  # noqa: ARG001
    """Only to learn which walls stand."""
    return {}


def main(task: str, folder: Path) -> int:
    """Every task is `(source, output, **arguments) -> JSON value`; a `Problem` is passed on as its code and facts."""
    walls = confine(folder)
    from shared.problems import Problem

    module, function = TASKS[task].split(":")
    arguments = json.loads((folder / "arguments.json").read_text("utf-8"))
    answer: dict[str, Any]
    try:
        deed = getattr(importlib.import_module(module), function)
        answer = {"result": deed(folder / "input", folder / "output", **arguments), "walls": walls}
    except Problem as problem:
        answer = {"problem": problem.code, "facts": problem.facts}
    except MemoryError:
        return 3
    (folder / "result.json").write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
