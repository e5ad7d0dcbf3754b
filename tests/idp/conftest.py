"""A real identity provider on a migrated database, with one person and the clients that the stories need."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from starlette.testclient import TestClient

from idp.accounts.actions import create_account
from idp.app import build
from idp.clients.actions import make_initial_access_token, register_client
from idp.clients.rules import ApplicationType, AuthMethod, Metadata
from idp.keys.actions import ensure_keys
from idp.settings import IdpSettings
from idp.units.actions import create_unit
from idp.units.rules import Kind
from shared import clock, migrate
from shared.audit import AuditEvent
from shared.db import Database

ISSUER = "https://id.example.test"
APP = "https://app.example.test"
API = "https://api.example.test"
PASSWORD = "mot-cau-ngan-de-nho"
ENGINES = ["sqlite"] + (["postgresql"] if os.environ.get("TEST_POSTGRES_URL") else [])


def settings_for(url: str) -> IdpSettings:
    return IdpSettings(public_url=ISSUER, database_url=url, secret="0123456789abcdef" * 3)


def web_client(**changes: object) -> Metadata:
    members: dict[str, object] = {
        "name": "Họp không giấy",
        "office": "Văn phòng Đoàn ĐBQH và HĐND tỉnh",
        "redirect_uris": (f"{APP}/cb",),
        "post_logout_redirect_uris": (f"{APP}/bye",),
        "client_uri": APP,
        "audiences": (API,),
        "trusted": True,
    }
    return Metadata(**(members | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Filled:
    subject: str
    web_secret: str
    initial_token: str


def fill(url: str) -> Filled:
    """Migrate an empty database and put in what every story needs."""
    db, now = Database(url), clock.now()
    migrate.upgrade(db.engine, "idp")
    with db.write() as tx:
        ensure_keys(tx, now, settings_for(url))
        unit = create_unit(tx, now, code="VP-HDND", name="Văn phòng HĐND tỉnh", kind=Kind.DEPARTMENT)
        account = create_account(
            tx,
            now,
            username="hanhnth",
            full_name="Nguyễn Thị Hồng Hạnh",
            honorific="Bà",
            email="hanhnth@example.test",
            post="Phó Trưởng phòng",
            unit_id=unit.id,
            password=PASSWORD,
        )
        create_account(tx, now, username="thienbd", full_name="Bùi Đức Thiện", honorific="Ông", password=PASSWORD + "2")
        _, secret = register_client(tx, now, web_client(), client_id="web")
        browser = web_client(auth_method=AuthMethod.NONE, redirect_uris=("http://localhost:8500/cb",), id_token_alg="ES256")
        register_client(tx, now, browser, client_id="spa")
        native = web_client(
            auth_method=AuthMethod.NONE,
            application_type=ApplicationType.NATIVE,
            redirect_uris=("http://127.0.0.1/cb", "test.example.app:/cb"),
        )
        register_client(tx, now, native, client_id="native")
        other = web_client(
            name="Ứng dụng ngoài", auth_method=AuthMethod.POST, trusted=False, redirect_uris=("https://o.test/cb",)
        )
        register_client(tx, now, other, client_id="other")
        filled = Filled(account.id, str(secret), make_initial_access_token(tx, now))
    db.close()
    return filled


@dataclass
class House:
    """The application, and what stands in its database."""

    app: FastAPI
    settings: IdpSettings
    filled: Filled

    @property
    def db(self) -> Database:
        db: Database = self.app.state.db
        return db

    def browser(self) -> TestClient:
        return TestClient(self.app, base_url=ISSUER, follow_redirects=False, headers={"accept": "text/html"})

    def machine(self) -> TestClient:
        return TestClient(self.app, base_url=ISSUER, follow_redirects=False)

    def later(self, **span: float) -> None:
        """Every request from now on happens that much later."""
        instant = clock.now() + timedelta(**span)
        self.app.dependency_overrides[clock.now] = lambda: instant

    def acts(self) -> list[str]:
        """What the audit record holds."""
        with self.db.read() as tx:
            return list(tx.scalars(select(AuditEvent.act).order_by(AuditEvent.seq)))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Filled]:
    path = tmp_path_factory.mktemp("idp") / "template.db"
    return path, fill(f"sqlite:///{path}")


@pytest.fixture(params=ENGINES)
def house(request: pytest.FixtureRequest, sqlite_template: tuple[Path, Filled], tmp_path: Path) -> Iterator[House]:
    if request.param == "sqlite":
        url, filled = f"sqlite:///{tmp_path}/idp.db", sqlite_template[1]
        shutil.copy(sqlite_template[0], tmp_path / "idp.db")
    else:
        url = os.environ["TEST_POSTGRES_URL"]
        db = Database(url)
        with db.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        db.close()
        filled = fill(url)
    app = build(settings_for(url))
    yield House(app, settings_for(url), filled)
    app.state.db.close()
