"""Every refusal and every warning of this package has words in both languages."""

import json
import re
from pathlib import Path

import pytest

from docs_store import problems
from shared.problems import Problem

HOME = Path(problems.__file__).parent
CODES = [
    one.code for one in vars(problems).values() if isinstance(one, type) and issubclass(one, Problem) and one is not Problem
]
WARNINGS = {
    "repaired",
    "active-content-removed",
    "attachments-removed",
    "attachments-kept",
    "signed-kept-as-is",
    "no-text",
    "pages-without-text",
    "old-fonts",
    "fonts-not-embedded",
}


@pytest.mark.parametrize("language", ["vi", "en"])
def test_nothing_is_left_without_words_and_no_words_are_left_over(language: str) -> None:
    words = json.loads((HOME / "locales" / f"{language}.json").read_text("utf-8"))
    assert {*words} == {f"problem.{code}" for code in CODES} | {f"warning.{code}" for code in WARNINGS}


def test_the_warnings_listed_here_are_those_of_the_inspection() -> None:
    source = (HOME / "inspection.py").read_text("utf-8")
    assert set(re.findall(r'"([a-z]+(?:-[a-z]+)+|repaired)"', source)) >= WARNINGS
