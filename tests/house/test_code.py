"""How the code is written: one transaction, one instant, one door for each library."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "docs_store", "idp", "meetings", "deploy")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts)


def code(path: Path) -> str:
    return path.read_text("utf-8")


def where(pattern: str, *, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in SOURCES
        if not str(path.relative_to(ROOT)).startswith(allowed)
        for match in re.finditer(pattern, code(path))
    ]


def test_nobody_else_commits_or_makes_sessions():
    found = where(r"\.(commit|rollback)\(\)|sessionmaker\(|\bSession\(", allowed=("shared/db.py", "shared/migrate.py"))
    assert not found, f"one request, one transaction: use Tx, Read or Database.write: {found}"


def test_only_the_clock_asks_what_time_it_is():
    found = where(r"datetime\.(now|utcnow|today)\(|\btime\.time\(", allowed=("shared/clock.py",))
    assert not found, f"take `now: Now`, or shared.clock.now(): {found}"


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("authlib", ("idp/oidc/", "deploy/demo/second_app/")),
        ("joserfc", ("shared/tokens.py",)),
        ("jose", ()),
        ("pypdf", ("docs_store/",)),
        ("pikepdf", ("docs_store/",)),
        ("pypdfium2", ("docs_store/",)),
        ("pyhanko", ("docs_store/",)),
        ("typst", ("docs_store/", "deploy/demo/papers/")),
        ("argon2", ("idp/accounts/",)),
        ("valkey", ("shared/bus.py",)),
        ("obstore", ("docs_store/",)),
    ],
)
def test_a_library_has_one_door(library, doors):
    found = where(rf"(?m)^\s*(?:from|import) {library}\b.*", allowed=doors or ("-",))
    assert not found, f"{library} is reached through {doors or 'the tests'} only: {found}"


def test_a_route_takes_its_transaction_after_its_caller():
    """Parameters are resolved in order; a token is not checked while SQLite's write lock is held."""
    wrong = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(code(path))):
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                kinds = [ast.unparse(a.annotation) for a in node.args.args if a.annotation]
                callers = [
                    i
                    for i, kind in enumerate(kinds)
                    if kind
                    in (
                        "SignedIn",
                        "Seated",
                        "Delegated",
                        "Voting",
                        "Preparing",
                        "Conducting",
                        "Managing",
                        "Administering",
                        "TakenIn",
                        "Uploaded",
                    )
                ]
                transactions = [i for i, kind in enumerate(kinds) if kind in ("Tx", "Read")]
                if callers and transactions and max(callers) > min(transactions):
                    wrong.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not wrong, wrong


def test_the_import_contracts_hold():
    done = subprocess.run([str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_test_can_fail():
    empty = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(code(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                text = ast.unparse(node)
                if not re.search(r"\bassert\b|raises\(|\bcheck\w*\(|\bexpect\w*\(|\bverify\w*\(|run_state_machine", text):
                    empty.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not empty, f"a test that asserts nothing: {empty}"


def test_nothing_is_left_for_later():
    found = where(r"(?i)\b(todo|fixme|xxx|not implemented)\b", allowed=("-",))
    assert not found, found
