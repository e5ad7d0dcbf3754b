"""`dienhong serve` says in a line each what keeps a service from starting, and starts nothing."""

import sqlite3
import time
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from deploy.cli import app
from idp import app as idp_app
from idp.accounts.models import find_by_username
from idp.clients.models import InitialAccessToken
from idp.keys.models import StoredKey
from idp.login.factors import has_factor
from idp.login.models import SecondFactor
from idp.settings import IdpSettings
from shared import clock, migrate
from shared.audit import AuditEvent
from shared.db import Database
from shared.ids import digest

COMPLETE = {
    "PUBLIC_URL": "https://hop.example",
    "DATABASE_URL": "sqlite:///x.db",
    "SECRET": "0123456789abcdef" * 3,
    "ISSUER": "https://dangnhap.example",
    "CLIENT_ID": "meetings-web",
    "AUDIENCE": "https://hop.example",
}


@pytest.mark.parametrize("service", ["idp", "meetings"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"WORKERS": "2", "BUS_URL": ""},
            "settings: WORKERS above 1 needs BUS_URL: the in-process bus reaches one process only",
        ),
        ({"SECRET": "changeme"}, "settings: SECRET must be at least 32 random signs"),
        ({"DATABASE_URL": None}, "DATABASE_URL: Field required"),
    ],
)
def test_a_service_with_an_unsafe_setting_does_not_start(service, changes, said):
    answer = CliRunner().invoke(app, ["serve", service], env={**COMPLETE, **changes})
    assert (answer.exit_code, answer.stderr.splitlines()) == (2, [said])


@pytest.mark.parametrize("service", ["idp", "meetings"])
def test_a_service_whose_tables_are_missing_does_not_start(service, tmp_path):
    answer = CliRunner().invoke(app, ["serve", service], env=COMPLETE | {"DATABASE_URL": f"sqlite:///{tmp_path}/new.db"})
    assert answer.exit_code == 2
    assert answer.stderr.endswith(f"migrations are missing: run `dienhong migrate {service}` first\n")


@pytest.mark.parametrize("service", ["idp", "meetings"])
def test_on_a_newer_database_a_service_starts_and_its_migrations_say_so(service, tmp_path, monkeypatch):
    """A node of the release before, in a rolling upgrade or on the way back."""
    environment = COMPLETE | {"DATABASE_URL": f"sqlite:///{tmp_path}/{service}.db", "STORAGE_URL": str(tmp_path / "documents")}
    assert CliRunner().invoke(app, ["migrate", service], env=environment).exit_code == 0
    with closing(sqlite3.connect(tmp_path / f"{service}.db")) as db, db:
        db.execute(f"UPDATE alembic_version_{service} SET version_num = '9999'")  # noqa: S608 - a name of ours
    for words in (["migrate", service], ["migrate", service, "--plan"]):
        answer = CliRunner().invoke(app, words, env=environment)
        assert (answer.exit_code, "9999" in answer.stderr, len(answer.stderr.splitlines())) == (2, True, 1)
    started = []
    monkeypatch.setattr("uvicorn.run", lambda *_, **told: started.append(told["port"]))
    environment["GLIBC_TUNABLES"] = ""  # or idp would begin anew
    assert CliRunner().invoke(app, ["serve", service, "--port", "7"], env=environment).exit_code == 0
    assert started == [7]


def test_meetings_without_a_place_for_documents_does_not_start(tmp_path):
    environment = COMPLETE | {"DATABASE_URL": f"sqlite:///{tmp_path}/meetings.db", "STORAGE_URL": None}
    assert CliRunner().invoke(app, ["migrate", "meetings"], env=environment).exit_code == 0
    answer = CliRunner().invoke(app, ["serve", "meetings"], env=environment)
    assert (answer.exit_code, answer.stderr) == (2, "STORAGE_URL: a folder, or s3://bucket\n")


def test_an_unknown_service_does_not_start():
    answer = CliRunner().invoke(app, ["serve", "mail"])
    assert (answer.exit_code, answer.stderr) == (2, "unknown service 'mail': one of idp, meetings, calendar\n")


def test_keys_are_rotated_and_applications_let_in_from_the_command_line(tmp_path):
    url = f"sqlite:///{tmp_path}/idp.db"
    environment = COMPLETE | {"DATABASE_URL": url}

    def run(*words):
        answer = CliRunner().invoke(app, list(words), env=environment, catch_exceptions=False)
        assert answer.exit_code == 0
        return answer.stdout

    run("migrate", "idp")
    run("rotate-keys")
    assert "ten minutes" in run("rotate-keys")
    assert "withdrawn" in run("rotate-keys", "--compromised")
    token = run("initial-access-token", "--days", "2").strip()
    with closing(Database(url)) as db, db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(StoredKey)) == 3
        leave = tx.scalars(select(InitialAccessToken)).one()
    assert (leave.digest, leave.expires_at - leave.created_at) == (digest(token), timedelta(days=2))


def test_a_lost_second_factor_is_taken_off_from_the_command_line(tmp_path):
    url = f"sqlite:///{tmp_path}/idp.db"
    environment = COMPLETE | {"DATABASE_URL": url}
    for words in (["migrate", "idp"], ["create-account", "hanhnth", "Nguyễn Thị Hồng Hạnh"]):
        assert CliRunner().invoke(app, words, env=environment, catch_exceptions=False).exit_code == 0
    with closing(Database(url)) as db, db.write() as tx:
        account = find_by_username(tx, "hanhnth")
        tx.add(SecondFactor(account_id=account.id, sealed="", last_step=0, created_at=clock.now(), confirmed_at=clock.now()))
    command = ["remove-second-factor", "hanhnth"]
    assert CliRunner().invoke(app, command, env=environment, catch_exceptions=False).exit_code == 0
    assert CliRunner().invoke(app, ["remove-second-factor", "nobody"], env=environment).exit_code == 2
    with closing(Database(url)) as db, db.read() as tx:
        assert not has_factor(tx, account.id)
        assert "second-factor.removed" in set(tx.scalars(select(AuditEvent.act)))


def test_an_account_is_closed_and_opened_from_the_command_line(tmp_path):
    url = f"sqlite:///{tmp_path}/idp.db"
    environment = COMPLETE | {"DATABASE_URL": url}
    acts = []
    for words in (
        ["migrate", "idp"],
        ["create-account", "hanhnth", "Nguyễn Hạnh"],
        ["close-account", "hanhnth"],
        ["open-account", "hanhnth"],
    ):
        assert CliRunner().invoke(app, words, env=environment, catch_exceptions=False).exit_code == 0
        with closing(Database(url)) as db, db.read() as tx:
            acts.append(list(tx.scalars(select(AuditEvent.act).order_by(AuditEvent.seq)))[-1:])
    assert acts[2:] == [["account.deactivated"], ["account.reactivated"]]


def test_an_identity_provider_whose_database_is_away_at_the_start_does_all_of_its_work_once_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(idp_app, "LOOK", 0.02)
    url = f"sqlite:///{tmp_path}/later/idp.db"
    settings = IdpSettings(public_url=COMPLETE["ISSUER"], database_url=url, secret=COMPLETE["SECRET"])
    with TestClient(idp_app.build(settings), base_url=COMPLETE["ISSUER"]) as idp:
        assert idp.get("/readyz").status_code == 503
        (tmp_path / "later").mkdir()
        with closing(Database(url)) as db:
            migrate.upgrade(db.engine, "idp")
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with db.read() as tx:
                    if keys := tx.scalar(select(func.count()).select_from(StoredKey)):
                        break
                time.sleep(0.02)
    assert keys
