"""Where things are and how long they may be."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = {".py": 300, ".ts": 250, ".svelte": 250}
GENERATED = {"meetings/web/src/wire/types.ts"}
DOORS = {"__init__.py", "rules.py", "models.py", "actions.py", "routes.py", "problems.py", "door.py"}
ATTICS = {"service", "repository", "utils", "util", "helpers", "helper", "base", "manager", "common", "misc"}
# Files of a room beside its doors, each with a noun of the field.
ROOMS_OWN = {
    "meetings/access": {"relays.py"},
    "meetings/bodies": {"sheet.py"},
    "meetings/bridges": {"health.py", "sheet.py"},
    "meetings/invitations": {"letter.py"},
    "meetings/minutes": {"draft.py", "evidence.py", "facts.py", "recount.py", "verify.py"},
    "meetings/pages": {"verify.py"},
    "meetings/live": {
        "apply.py",
        "doors.py",
        "events.py",
        "frames.py",
        "hub.py",
        "log.py",
        "presence.py",
        "relay.py",
        "snapshot.py",
        "socket.py",
        "views.py",
        "ways.py",
        "wire.py",
        "wires.py",
    },
    "meetings/rehearsal": {"copy.py", "crowd.py", "line.py", "process.py", "run.py", "session.py"},
    "meetings/voting": {"box.py", "check.py", "turnout.py"},
}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_file_is_longer_than_a_room_should_be():
    too_long = []
    for name in tracked():
        limit = 400 if name.startswith("tests/") else LONGEST.get(Path(name).suffix)
        if limit and Path(name).suffix in LONGEST and name not in GENERATED and "/migrations/versions/" not in name:
            lines = len((ROOT / name).read_text("utf-8").splitlines())
            if lines > limit:
                too_long.append(f"{name}: {lines} lines, {limit} at most; make two rooms of it")
    assert not too_long, "\n".join(too_long)


def test_no_file_is_an_attic():
    attics = [name for name in tracked() if Path(name).stem in ATTICS]
    assert not attics, f"say what lives there instead: {attics}"


@pytest.mark.parametrize("room", sorted(p.parent for p in (ROOT / "meetings").glob("*/__init__.py")), ids=lambda p: p.name)
def test_a_room_of_meetings_has_only_the_known_doors(room):
    own = ROOMS_OWN.get(str(room.relative_to(ROOT)), set())
    strange = {file.name for file in room.glob("*.py")} - DOORS - own
    assert not strange, f"{room.name}: use a door ({', '.join(sorted(DOORS))}) or name the new file in ROOMS_OWN: {strange}"


def test_lock_files_name_no_host():
    """An office behind a mirror must be able to install from them."""
    for name in ("requirements.lock", "meetings/web/package-lock.json", "tests/conformance/peer/package-lock.json"):
        found = re.findall(r"https?://[^\s\"]+", (ROOT / name).read_text())
        assert not found, f"{name}: {found[:3]}; `make lock` writes them without"


def test_nothing_names_a_path_of_the_machine_it_was_made_on():
    found = []
    for name in tracked():
        if Path(name).suffix in {".py", ".ts", ".svelte", ".md", ".toml", ".json", ".css", ".html", ".typ", ".yaml", ""}:
            text = (ROOT / name).read_text("utf-8", errors="ignore")
            if re.search(r"/(?:work|root)/\w", text) and "house" not in name:
                found.append(name)
    assert not found, found
