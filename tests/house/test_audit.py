"""Every name that the audit record can hold stands in docs/audit.md: `python -m tests.house.test_audit` writes the table."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from shared.app import AUDITED
from shared.problems import Problem

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "docs_store", "idp", "meetings", "deploy")
PAGE = ROOT / "docs/audit.md"
# Names that the code composes, and what they are composed of.
COMPOSED = {"f'consent.{decision}'": ("consent.allow", "consent.deny")}
ELSEWHERE = {"f'refused.{problem.code}'", "self.act"}  # `refusals` and `endpoints`


def calls() -> Iterator[tuple[str, ast.Call]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                    if isinstance(node, ast.Call):
                        yield str(path.relative_to(ROOT)), node


def acts() -> Iterator[tuple[str, str]]:
    for where, call in calls():
        if ast.unparse(call.func) == "audit.record":
            name = call.args[2]
            composed = ast.unparse(name)
            if composed in ELSEWHERE:
                continue
            known = [node.value for node in ast.walk(name) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            for act in COMPOSED.get(composed) or known:
                assert re.fullmatch(r"[a-z-]+\.[a-z-]+", act), f"{where}: {composed}; name what it can be in COMPOSED"
                yield act, where


def endpoints() -> Iterator[tuple[str, str]]:
    for where, call in calls():
        options = {one.arg: ast.unparse(one.value).strip("'") for one in call.keywords}
        if ast.unparse(call.func) == "endpoint" and len(call.args) > 1 and "page" not in options:
            name = options.get("name") or ast.unparse(call.args[0]).replace("_", "-").strip("-")
            yield f"refused.{name}", where


def refusals() -> Iterator[tuple[str, str]]:
    for package in PACKAGES[:-1]:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if found.name.endswith(("problems", "tokens")):
                importlib.import_module(found.name)
    waiting = [Problem]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            audited = kind.status in AUDITED if kind.audited is None else kind.audited
            if audited and kind.__module__.split(".")[0] in PACKAGES:
                yield f"refused.{kind.code}", kind.__module__.replace(".", "/") + ".py"


def table() -> str:
    written: dict[str, set[str]] = {}
    for act, where in (*acts(), *endpoints(), *refusals()):
        written.setdefault(act, set()).add(where)
    rows = [f"| `{act}` | {', '.join(f'`{where}`' for where in sorted(written[act]))} |" for act in sorted(written)]
    return "\n".join(["| event | of |", "| --- | --- |", *rows])


def test_the_table_of_events_is_that_of_the_code():
    assert table() in PAGE.read_text("utf-8"), "run: python -m tests.house.test_audit"


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text[: text.index("| event | of |")] + table() + "\n", "utf-8")
