"""Words: the same keys and placeholders in both languages, and words for every refusal."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

from shared.problems import Problem

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "docs_store", "idp", "meetings")
CATALOGUES = [*(f"{package}/locales" for package in PACKAGES), "meetings/web/src/locales"]


def words(folder: str, language: str) -> dict[str, str]:
    return json.loads((ROOT / folder / f"{language}.json").read_text("utf-8"))


@pytest.mark.parametrize("folder", CATALOGUES)
def test_both_languages_have_the_same_keys(folder):
    assert words(folder, "vi").keys() == words(folder, "en").keys()


@pytest.mark.parametrize("folder", CATALOGUES)
def test_both_languages_have_the_same_placeholders(folder):
    english = words(folder, "en")
    for key, text in words(folder, "vi").items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", english[key])), key


@pytest.mark.parametrize("folder", CATALOGUES)
def test_vietnamese_is_composed_and_polite(folder):
    for key, text in words(folder, "vi").items():
        assert not re.search(r"[\u0300-\u036f]", text), f"{key}: NFC"
        assert not re.search(r"\b[Bb]ạn\b", text), f"{key}: never “bạn” to an official"
        assert "!" not in text, key


def every_problem() -> list[type[Problem]]:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if found.name.endswith(("problems", "tokens")):
                importlib.import_module(found.name)
    known: list[type[Problem]] = []
    waiting = [Problem]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            known.append(kind)
            waiting.append(kind)
    return sorted(known, key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("problem", every_problem(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_refusal_has_words(problem):
    package = problem.__module__.split(".")[0]
    for language in ("vi", "en"):
        known = words(f"{package}/locales", language) | words("shared/locales", language)
        assert f"problem.{problem.code}" in known, f"add problem.{problem.code} to {package}/locales/{language}.json"


def test_every_refusal_code_is_used_once():
    seen: dict[str, str] = {}
    for problem in every_problem():
        name = f"{problem.__module__}.{problem.__qualname__}"
        package = problem.__module__.split(".")[0]
        other = seen.setdefault(f"{package}:{problem.code}", name)
        assert other == name, f"{problem.code}: {other} and {name}"


def test_every_refusal_is_seen_in_a_test():
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py") if "house" not in path.parts)
    missing = [kind.code for kind in every_problem() if kind.code not in tests and kind.__name__ not in tests]
    assert not missing, f"no test names these refusals: {missing}"
