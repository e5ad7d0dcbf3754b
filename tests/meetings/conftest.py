"""A database of each kind, migrated; the application with an issuer; people with tokens."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from meetings import app as meetings_app
from meetings.settings import MeetingsSettings
from shared import migrate
from shared.db import Database
from tests.client import QuickClient
from tests.conftest import new_database, servers
from tests.makers import House, make_house
from tests.meetings.issuer import Issuer
from tests.meetings.scene import World

PUBLIC_URL = "http://localhost:8500"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "db" in metafunc.fixturenames:
        metafunc.parametrize("db", ["sqlite", *servers()], indirect=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("meetings") / "template.db"
    db = Database(f"sqlite:///{path}")
    migrate.upgrade(db.engine, "meetings")
    db.close()
    return path


@pytest.fixture(scope="session")
def postgres_urls() -> dict[str, str]:
    urls = {name: new_database(name, "meetings") for name in servers()}
    for url in urls.values():
        db = Database(url)
        migrate.upgrade(db.engine, "meetings")
        db.close()
    return urls


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "meetings.db")
    return f"sqlite:///{tmp_path}/meetings.db"


def emptied(url: str) -> Database:
    """A migrated database, without what other tests have left in it."""
    db = Database(url)
    if not db.is_sqlite:
        with db.engine.begin() as connection:
            # A third of the time that TRUNCATE takes; `replica`: in any order, whatever keys and triggers say.
            each = "SELECT string_agg('DELETE FROM ' || quote_ident(tablename), '; ') FROM pg_tables"
            ours = " WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%'"
            deletes = connection.execute(text(each + ours)).scalar_one()
            connection.execute(text(f"SET LOCAL session_replication_role = replica; {deletes}"))
    return db


@pytest.fixture
def db(request: pytest.FixtureRequest, sqlite_url: str, postgres_urls: dict[str, str]) -> Iterator[Database]:
    """An empty migrated database, on SQLite and on each PostgreSQL of this run."""
    db = emptied(sqlite_url if request.param == "sqlite" else postgres_urls[request.param])
    yield db
    db.close()


@pytest.fixture
def house(db: Database) -> House:
    return make_house(db)


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


def make_settings(database_url: str, folder: Path, issuer: Issuer) -> MeetingsSettings:
    return MeetingsSettings(
        public_url=PUBLIC_URL,
        database_url=database_url,
        storage_url=str(folder / "documents"),
        smtp_url=f"file://{folder}/mail",
        secret="0123456789abcdef" * 3,
        issuer=issuer.url,
        client_id="meetings-web",
        audience=PUBLIC_URL,
    )


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path, issuer: Issuer) -> MeetingsSettings:
    return make_settings(sqlite_url, tmp_path, issuer)


class Web:
    """The application over HTTP, as one person or another."""

    def __init__(self, client: TestClient, issuer: Issuer, house: House | None) -> None:
        self.client, self.issuer, self.house = client, issuer, house

    def call(self, username: str, method: str, path: str, **arguments):
        """`path` below the meeting unless it begins with a slash; the answer with its JSON."""
        url = path if path.startswith("/") else f"/api/meetings/{self.house.meeting_id}/{path}"
        token = arguments.pop("token", None) or self.issuer.token(username, audience=PUBLIC_URL)
        headers = {"authorization": f"Bearer {token}"} | arguments.pop("headers", {})
        return self.client.request(method, url, headers=headers, **arguments)


@pytest.fixture(scope="session")
def application(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """Its routes are made ready at their first calls, which takes long; so one serves all tests of a process."""
    return meetings_app.build(make_settings("sqlite:///unused.db", tmp_path_factory.mktemp("application"), issuer))


@pytest.fixture
def web(application: FastAPI, settings: MeetingsSettings, issuer: Issuer) -> Iterator[Web]:
    """The application with a database, a store, keys and a hub of the test's own."""
    application.state = meetings_app.build(settings).state
    with QuickClient(application, base_url=PUBLIC_URL) as client:
        yield Web(client, issuer, make_house(application.state.db))
        if hasattr(application.state, "stop"):
            application.state.stop()


@pytest.fixture(scope="session")
def world(sqlite_template: Path, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Shared by all tests that ask what is refused: those leave it as it was."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copy(sqlite_template, folder / "meetings.db")
    app = meetings_app.build(make_settings(f"sqlite:///{folder}/meetings.db", folder, issuer))
    with QuickClient(app, base_url=PUBLIC_URL) as client:
        yield World(Web(client, issuer, None))
