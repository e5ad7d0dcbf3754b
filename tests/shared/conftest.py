"""The ground floor alone: its own two tables, on SQLite and on each PostgreSQL of this run; an application of a few routes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from fastapi import APIRouter
from sqlalchemy import delete
from starlette.testclient import TestClient

from shared.app import Service, create_app
from shared.audit import AuditEvent
from shared.db import Base, Database
from shared.jobs import Job
from shared.settings import Settings
from tests.conftest import new_database, servers

TABLES = [AuditEvent.__table__, Job.__table__]
OWN_ADDRESS = "http://localhost:8470"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "db" in metafunc.fixturenames:
        metafunc.parametrize("db", ["sqlite", *servers()], indirect=True)


@pytest.fixture(scope="session")
def postgres_urls() -> dict[str, str]:
    urls = {name: new_database(name, "shared") for name in servers()}
    for url in urls.values():
        db = Database(url)
        Base.metadata.create_all(db.engine, TABLES)
        db.close()
    return urls


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/shared.db"
    db = Database(url)
    Base.metadata.create_all(db.engine, TABLES)
    db.close()
    return url


@pytest.fixture
def db(request: pytest.FixtureRequest, sqlite_url: str, postgres_urls: dict[str, str]) -> Iterator[Database]:
    db = Database(sqlite_url if request.param == "sqlite" else postgres_urls[request.param])
    with db.engine.begin() as connection:
        for table in TABLES:
            connection.execute(delete(table))
    yield db
    db.close()


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return Settings(public_url=OWN_ADDRESS, database_url=sqlite_url, secret="0123456789abcdef" * 3)


@pytest.fixture
def serve(settings: Settings) -> Callable[..., AbstractContextManager[TestClient]]:
    """`with serve(router, ...) as client`: an application of those routes; `changes` are of the settings."""

    @contextmanager
    def serving(
        *routers: APIRouter, service: dict | None = None, client: tuple[str, int] = ("testclient", 50000), **changes: object
    ) -> Iterator[TestClient]:
        own = Service(name="test", routers=routers, locales=("shared",), **(service or {}))
        app = create_app(own, settings.model_copy(update=changes))
        with TestClient(app, base_url=OWN_ADDRESS, raise_server_exceptions=False, client=client) as browser:
            yield browser

    return serving
