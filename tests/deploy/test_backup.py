"""What was backed up comes back whole or not at all, over nothing, and in a new epoch."""

import json
import os
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from deploy.backup import embedded
from deploy.cli import app
from docs_store import versions
from docs_store.store import derive_key, open_store
from idp.accounts.models import find_by_username
from idp.login.models import SignInSession
from meetings import app as wiring
from meetings.access.models import Epoch
from meetings.live import log
from meetings.live.log import Level
from meetings.live.models import MeetingLog, Ticket
from meetings.live.socket import issue_ticket
from meetings.voting.models import Ballot
from shared import clock, migrate
from shared.audit import AuditEvent
from shared.db import Database
from tests.makers import House, make_house

SECRET = "0123456789abcdef" * 3
PAPER = b"%PDF-1.7 " + bytes(range(256)) * 50


class Place:
    """A meetings service's database and documents in a folder, and the commands run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PUBLIC_URL": "https://hop.example",
            "DATABASE_URL": f"sqlite:///{folder}/meetings.db",
            "STORAGE_URL": str(folder / "documents"),
            "SECRET": SECRET,
        }

    def run(self, *words: object) -> tuple[int, str]:
        answer = CliRunner().invoke(app, [str(word) for word in words], env=self.environment)
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        return answer.exit_code, answer.output

    def open(self) -> Database:
        return Database(self.environment["DATABASE_URL"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, House, str]:
    """An open meeting with a vote that is closed, one that is open with a ballot in it, and a paper."""
    assert wiring
    folder = tmp_path_factory.mktemp("made")
    with closing(Database(f"sqlite:///{folder}/meetings.db")) as db:
        migrate.upgrade(db.engine, "meetings")
        house = make_house(db).open()
        closed = house.open_poll()
        house.cast("m3", closed, "in_favour")
        house.close_poll(closed)
        poll = house.open_poll()
        house.cast("m3", poll, "against")
        blob = open_store(str(folder / "documents"), derive_key(SECRET, "documents")).put(PAPER)
        with db.write() as tx:
            now = clock.now()
            versions.append(tx, versions.create(tx, now), blob, now, name="to-trinh.pdf", added_by="-")
    return folder, house, poll


@pytest.fixture
def place(made: tuple[Path, House, str], tmp_path: Path) -> Place:
    shutil.copytree(made[0], tmp_path / "here")
    return Place(tmp_path / "here")


def lose(place: Place) -> None:
    shutil.rmtree(place.folder)
    place.folder.mkdir()


def ballots(place: Place) -> set[str]:
    with closing(place.open()) as db, db.read() as tx:
        return set(tx.scalars(select(Ballot.receipt)))


def test_a_lost_machine_comes_back_with_every_ballot_and_paper_and_in_a_new_epoch(place, made, tmp_path):
    before = ballots(place)
    with closing(place.open()) as db:
        with db.read() as tx:
            epoch = tx.scalars(select(MeetingLog.epoch)).one()
        with db.write() as tx:
            issue_ticket(tx, clock.now(), made[1].meeting_id, "sid", made[1].seats["m3"].member_id, Level.DELEGATE)
    code, said = place.run("backup", tmp_path / "kept")
    assert (code, "meetings, 1 documents" in said) == (0, True)
    lose(place)
    code, said = place.run("restore", tmp_path / "kept")
    assert (code, "✗" in said, "a new epoch has begun" in said) == (0, False, True)
    assert ballots(place) == before
    assert place.run("verify") == (0, "✓ meetings: everything is what was put there\n")
    assert [file.name for file in place.folder.iterdir() if file.name.startswith(".")] == []
    with closing(place.open()) as db, db.read() as tx:
        assert tx.scalars(select(MeetingLog.epoch)).one() != epoch
        assert tx.scalars(select(Ticket)).all() == []
        assert len(tx.scalars(select(Epoch)).all()) == 1
        assert {"database.restored", "epoch.begun"} <= set(tx.scalars(select(AuditEvent.act)))


def test_the_newest_backup_that_is_not_later_is_taken_and_the_rest_of_time_is_lost(place, made, tmp_path):
    house, kept = made[1], tmp_path / "kept"
    place.run("backup", kept)
    between, early = clock.now(), ballots(place)
    with closing(place.open()) as db:
        house.db, was = db, house.db
        house.cast("secretary", made[2], "in_favour")
        house.db = was
    place.run("backup", kept)
    assert len(ballots(place)) == len(early) + 1
    lose(place)
    assert place.run("restore", kept, "--to", (between - timedelta(days=1)).isoformat())[0] == 2
    assert place.run("restore", kept, "--to", "yesterday")[0] == 2
    assert place.run("restore", kept, "--to", "2099-01-01T08:30:00")[0] == 2  # by which clock?
    assert place.run("restore", kept, "--to", between.isoformat())[0] == 0
    assert ballots(place) == early


def test_a_restore_writes_over_nothing(place, tmp_path):
    place.run("backup", tmp_path / "kept")
    before = (place.folder / "meetings.db").read_bytes()
    code, said = place.run("restore", tmp_path / "kept")
    assert (code, "not empty" in said) == (2, True)
    (place.folder / "meetings.db").unlink()
    code, said = place.run("restore", tmp_path / "kept")
    assert (code, "documents" in said) == (2, True)
    assert before
    assert not (place.folder / "meetings.db").exists()


@pytest.mark.parametrize("which", ["database.db", "documents/*/*"])
def test_a_backup_in_which_a_byte_has_turned_is_not_brought_back(place, tmp_path, which):
    place.run("backup", tmp_path / "kept")
    [file] = next((tmp_path / "kept").iterdir()).glob(which)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    lose(place)
    code, said = place.run("restore", tmp_path / "kept")
    assert (code, "is damaged" in said, str(file.name) in said) == (2, True, True)
    assert list(place.folder.iterdir()) == []


def test_a_document_is_kept_once_for_all_backups_unless_it_has_turned(place, tmp_path):
    kept = tmp_path / "kept"
    for _ in range(2):
        place.run("backup", kept)
    first, second = sorted(kept.iterdir())
    [name] = [str(file.relative_to(first)) for file in first.glob("documents/*/*")]
    assert (first / name).stat().st_ino == (second / name).stat().st_ino
    (second / name).write_bytes(b"turned")
    place.run("backup", kept)
    *_, (newest, manifest) = embedded.backups(kept)
    assert embedded.damaged(newest, manifest) == []


def test_what_an_interrupted_backup_left_is_no_backup(place, tmp_path):
    (tmp_path / "kept" / ".partial" / "documents").mkdir(parents=True)
    assert place.run("restore", tmp_path / "kept")[0] == 2
    assert place.run("backup", tmp_path / "kept")[0] == 0
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_a_folder_is_for_one_service_and_one_backup_at_a_time(place, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    with embedded.alone(kept):
        code, said = place.run("backup", kept)
    assert (code, "under way" in said) == (2, True)
    place.run("backup", kept)
    file = next(kept.iterdir()) / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"service": "idp"}))
    code, said = place.run("backup", kept)
    assert (code, "a folder for each service" in said) == (2, True)


def test_a_document_that_is_not_in_the_store_is_named_by_each_backup(place, tmp_path):
    [file] = (place.folder / "documents").glob("*/*")
    place.environment["STORAGE_URL"] = str(tmp_path / "not mounted")
    code, said = place.run("backup", tmp_path / "kept")
    assert (code, f"✗ document {file.name}: missing" in said, "meetings, 0 documents" in said) == (1, True, True)


def test_a_backup_that_fails_says_why_and_leaves_nothing(place, tmp_path):
    (place.folder / "documents" / "ab" / "abcd").mkdir(parents=True)
    code, said = place.run("backup", tmp_path / "kept")
    assert (code, "abcd" in said, list((tmp_path / "kept").iterdir())) == (2, True, [])


def test_old_backups_go_when_a_new_one_lacks_nothing(place, tmp_path):
    kept = tmp_path / "kept"
    place.run("backup", kept)
    [old] = kept.iterdir()
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(manifest | {"taken_at": "2020-01-01T00:00:00+00:00"}))
    documents, place.environment["STORAGE_URL"] = place.environment["STORAGE_URL"], str(tmp_path / "not mounted")
    assert place.run("backup", kept, "--keep-days", "30")[0] == 1
    assert old.exists()
    place.environment["STORAGE_URL"] = documents
    assert place.run("backup", kept, "--keep-days", "30")[0] == 0
    assert (old.exists(), len(list(kept.iterdir()))) == (False, 2)


def test_a_torn_manifest_is_named(place, tmp_path):
    place.run("backup", tmp_path / "kept")
    [one] = (tmp_path / "kept").iterdir()
    for torn in ((one / "manifest.json").read_text()[:-9], '["a list"]', '{"format": "dienhong-backup-1"}'):
        (one / "manifest.json").write_text(torn)
        for command in ("backup", "restore"):
            code, said = place.run(command, tmp_path / "kept")
            assert (code, f"{one}: not a backup" in said) == (2, True)


def test_a_backup_is_its_owners_alone_and_on_the_disk_with_all_its_folders(place, tmp_path, monkeypatch):
    flushed, fsync = set[str](), os.fsync

    def noted(handle: int) -> None:
        flushed.add(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    (tmp_path / "kept").mkdir(mode=0o755)
    for _ in range(2):  # the second is links
        flushed.clear()
        place.run("backup", tmp_path / "kept")
        folders = [".partial", ".partial/documents", *(f".partial/documents/{one.name}" for one in _first(tmp_path))]
        assert {str(tmp_path / "kept" / one) for one in folders} <= flushed
    for one in (tmp_path / "kept").iterdir():
        assert one.stat().st_mode & 0o077 == 0


def _first(tmp_path: Path) -> list[Path]:
    return list((next((tmp_path / "kept").iterdir()) / "documents").iterdir())


def test_one_restore_at_a_time(place, tmp_path):
    place.run("backup", tmp_path / "kept")
    lose(place)
    with embedded.alone(place.folder):
        code, said = place.run("restore", tmp_path / "kept")
    assert (code, "under way" in said, list(place.folder.iterdir())) == (2, True, [])


def test_an_event_a_vote_and_a_document_that_changed_are_named(place, made):
    with closing(place.open()) as db, db.write() as tx:
        tx.execute(text("UPDATE event SET body = '{broken' WHERE seq = 3"))
        tx.execute(text("DELETE FROM event WHERE seq = 5"))
        tx.execute(text("UPDATE audit_event SET actor = 'somebody' WHERE seq = 2"))
    [file] = (place.folder / "documents").glob("*/*")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, said = place.run("verify")
    meeting = made[1].meeting_id
    named = [f"meeting {meeting}, event 3: changed", f"meeting {meeting}, event 5: missing", "audit event 2: changed"]
    assert code == 1
    assert [line for line in named if line not in said] == []
    assert f"(to-trinh.pdf), {file.name}: damaged" in said


def test_a_ballot_that_changed_after_the_close_is_named_by_its_vote(place):
    with closing(place.open()) as db, db.write() as tx:
        tx.execute(text("UPDATE ballot SET choice = 'against' WHERE choice = 'in_favour'"))
    code, said = place.run("verify")
    assert (code, "poll-tally" in said) == (1, True)


def test_a_log_that_lost_its_end_is_found(place, made):
    with closing(place.open()) as db, db.write() as tx:
        last = log.position(tx, made[1].meeting_id)[0]
        tx.execute(text("DELETE FROM event WHERE seq > :seq"), {"seq": last - 2})
        assert log.faults(tx, made[1].meeting_id) == [(last - 1, "missing"), (last, "missing")]


def test_a_database_that_was_never_migrated_is_nobodys(tmp_path):
    place = Place(tmp_path)
    (tmp_path / "meetings.db").touch()
    for words in (["backup", tmp_path / "kept"], ["epoch", "bump"], ["verify"]):
        code, said = place.run(*words)
        assert (code, "not a database" in said) == (2, True)
    place.environment["DATABASE_URL"] = "postgresql://db/meetings"
    assert "docs/operate.md" in place.run("backup", tmp_path / "kept")[1]


def test_a_plan_says_what_a_migration_would_do_and_does_nothing(tmp_path):
    place = Place(tmp_path)
    for _ in range(2):
        code, said = place.run("migrate", "meetings", "--plan")
        assert (code, said.splitlines()[0]) == (0, "0001 initial")
    place.run("migrate", "meetings")
    assert place.run("migrate", "meetings", "--plan") == (0, "")


def test_the_identity_provider_comes_back_too_and_nobody_is_signed_in(tmp_path):
    (tmp_path / "here").mkdir()
    place = Place(tmp_path / "here")
    place.environment |= {"DATABASE_URL": f"sqlite:///{tmp_path}/here/idp.db", "STORAGE_URL": ""}
    place.run("migrate", "idp")
    place.run("create-account", "hanhnth", "Nguyễn Thị Hồng Hạnh")
    place.run("rotate-keys")
    with closing(place.open()) as db, db.write() as tx:
        account, now = find_by_username(tx, "hanhnth"), clock.now()
        proof = {"acr": "", "amr": [], "user_agent": "", "auth_time": now, "last_seen_at": now}
        tx.add(SignInSession(id="s", digest="d", account_id=account.id, expires_at=now + timedelta(hours=1), **proof))
    assert place.run("backup", tmp_path / "kept")[0] == 0
    lose(place)
    place.environment["SECRET"] = "another one, of another machine, perhaps"
    code, said = place.run("restore", tmp_path / "kept")
    assert (code, "✗ signing key" in said, "does not open with this SECRET" in said) == (1, True, True)
    lose(place)
    place.environment["SECRET"] = SECRET
    assert place.run("restore", tmp_path / "kept")[0] == 0
    assert place.run("verify") == (0, "✓ idp: everything is what was put there\n")
    with closing(place.open()) as db, db.read() as tx:
        assert find_by_username(tx, "hanhnth") is not None
        assert tx.get_one(SignInSession, "s").ended_at is not None
