"""What the conformance suite is given fits our pages, and its modules are those that our own tests bear the names of."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.conformance.__main__ import app
from deploy.conformance.plans import EXPECTED_SKIPS, LOGOUT_REFUSED, PLANS, REFUSED, REJECTED, SHOWN, Place

ROOT = Path(__file__).parents[2]
PLACE = Place("https://id.example.test", "https://suite.example.test:8443", "hanhnth", "mot-cau-ngan-de-nho")
TEMPLATES = "".join(file.read_text("utf-8") for file in (ROOT / "idp/pages/templates").glob("*.html"))
OURS = "".join(file.read_text("utf-8") for file in (ROOT / "tests/conformance").glob("test_*.py"))
PATHS = {"login?", "login/password", "consent", "authorize", "end_session", "signed-out", "login"}


def entries(config: dict[str, Any]) -> list[dict[str, Any]]:
    return config["browser"] + [one for override in config["override"].values() for one in override["browser"]]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_every_element_that_the_suite_looks_for_stands_in_a_template(plan):
    config = PLACE.config(plan, {})
    tasks = [task for entry in entries(config) for task in entry["tasks"]]
    wanted = {command[2] for task in tasks for command in task["commands"] if command[1] == "id"} - {"submission_complete"}
    ids = set(re.findall(r'id="([a-z-]+)"', TEMPLATES))
    ids |= {f"client-{name}" for name in re.findall(r'\("(home|policy|terms)", stored', TEMPLATES)}
    ids |= {"password"}  # of the macro `secret`
    assert 'parts.secret("password"' in TEMPLATES
    assert wanted
    assert wanted <= ids
    assert 'id="problem-{{' in TEMPLATES


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_task_matches_one_page_of_ours_or_the_suite_and_never_both(plan):
    for entry in entries(PLACE.config(plan, {})):
        assert entry["match"].removeprefix(f"{PLACE.issuer}/").rstrip("*") in PATHS
        for task in entry["tasks"]:
            known = (f"{PLACE.issuer}/", f"{PLACE.suite}/test/")
            assert task["match"].startswith(known), task
            if task["match"].startswith(PLACE.issuer):
                assert task["match"].removeprefix(f"{PLACE.issuer}/").rstrip("*") in PATHS


@pytest.mark.parametrize(
    "module", sorted({*REFUSED, *SHOWN, *LOGOUT_REFUSED, REJECTED, *(one["test-name"] for one in EXPECTED_SKIPS)})
)
def test_every_module_that_is_named_has_a_test_of_our_own(module):
    name = module.replace("-", "_")
    assert re.search(rf"def test_{name}\b", OURS, re.IGNORECASE), name


def test_without_settings_it_is_told_what_is_missing(tmp_path, monkeypatch):
    for name in ("PUBLIC_URL", "DATABASE_URL", "SECRET"):
        monkeypatch.delenv(name, raising=False)
    told = CliRunner().invoke(app, [str(tmp_path / "out"), "--suite", PLACE.suite, "--username", "x", "--password", "x"])
    assert (told.exit_code, told.stderr.splitlines()[0]) == (2, "PUBLIC_URL: Field required")
    assert not (tmp_path / "out").exists()


def test_the_configurations_are_written_with_clients_that_are_registered(tmp_path):
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/idp.db",
        "PUBLIC_URL": PLACE.issuer,
        "SECRET": "0123456789abcdef" * 3,
        "CONFORMANCE_PASSWORD": PLACE.password,
    }

    def run(*words: str) -> None:
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=environment, check=True, capture_output=True)

    run("deploy.cli", "migrate", "idp")
    run("deploy.conformance", str(tmp_path / "out"), "--suite", PLACE.suite, "--username", PLACE.username)
    written = {file.stem: json.loads(file.read_text("utf-8")) for file in (tmp_path / "out").glob("*.json")}
    assert written.keys() == {plan.name for plan in PLANS} | {"expected-failures", "expected-skips"}
    first, second = written["fapi2-ms"]["client"], written["fapi2-ms"]["client2"]
    assert first["client_id"] != second["client_id"]
    assert first["jwks"]["keys"][0]["d"]
    assert "client_id" not in written["basic"]["client"]
    assert [file.name for file in (tmp_path / "out").iterdir() if file.stat().st_mode & 0o077] == []
    assert len((tmp_path / "out" / "plans.txt").read_text().splitlines()) == len(PLANS)
