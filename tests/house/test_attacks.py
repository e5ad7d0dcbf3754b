"""docs/attacks.md names a test for each attack, and the test is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = {row[2:5]: row for row in (ROOT / "docs/attacks.md").read_text("utf-8").splitlines() if re.match(r"\| [A-Z]\d\d ", row)}
LAST = {"R": 19, "C": 26, "J": 16, "S": 5, "A": 12, "W": 6, "V": 9}
IDS = [f"{kind}{number:02}" for kind, last in LAST.items() for number in range(1, last + 1)]


def written() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"(?m)^def (test_\w+)\(", path.read_text("utf-8"))
    }


def test_every_attack_has_its_row() -> None:
    assert set(IDS) <= ROWS.keys()


@pytest.mark.parametrize("attack", sorted(ROWS))
def test_the_tests_of_an_attack_are_there(attack: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", ROWS[attack]))
    assert named, "an attack without a test"
    assert named <= written(), "a test that there is not"
    own = {name for name in written() if f"_{attack.lower()}_" in f"{name}_"}
    assert own <= named, "a test of this attack that its row does not name"
