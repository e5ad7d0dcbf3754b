"""A real identity provider on a migrated database, with one person and the clients that the stories need."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.testclient import TestClient

from idp.accounts.actions import create_account
from idp.app import build
from idp.clients.actions import make_initial_access_token, register_client
from idp.clients.models import Client
from idp.clients.rules import ApplicationType, AuthMethod, Metadata
from idp.keys.actions import ensure_keys
from idp.settings import IdpSettings
from idp.units.actions import create_unit
from idp.units.rules import Kind
from shared import clock, migrate
from shared.audit import AuditEvent
from shared.db import Database, forget
from shared.ids import new_id
from tests.client import QuickClient
from tests.idp.opinions import SecondOpinions

ISSUER = "https://id.example.test"
APP = "https://app.example.test"
API = "https://api.example.test"
PASSWORD = "mot-cau-ngan-de-nho"


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


@cache
def fill(url: str) -> Filled:
    """Migrate an empty database and put in what every story needs; once, though two folders of tests ask for it."""
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
            phone="+84901234567",
            address="12 Trần Phú, phường Bình Lâm",
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
        return QuickClient(SecondOpinions(self.app), base_url=ISSUER, follow_redirects=False, headers={"accept": "text/html"})

    def machine(self) -> TestClient:
        return QuickClient(SecondOpinions(self.app), base_url=ISSUER, follow_redirects=False)

    def later(self, **span: float) -> None:
        """Every request from now on happens that much later."""
        instant = clock.now() + timedelta(**span)
        self.app.dependency_overrides[clock.now] = lambda: instant

    def change_client(self, client_id: str, **changes: object) -> None:
        with self.db.write() as tx:
            for name, value in changes.items():
                setattr(tx.get_one(Client, client_id), name, value)
            forget(tx, f"client/{client_id}")

    def events(self) -> int:
        """The number of the last event in the audit record."""
        with self.db.read() as tx:
            return tx.scalar(select(func.max(AuditEvent.seq))) or 0

    def acts(self, since: int = 0) -> list[str]:
        """What the audit record holds after an event."""
        with self.db.read() as tx:
            return list(tx.scalars(select(AuditEvent.act).where(AuditEvent.seq > since).order_by(AuditEvent.seq)))


@dataclass(frozen=True)
class Template:
    """A filled database, made once a run; each test gets a copy."""

    url: str
    filled: Filled


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('idp')}/template.db"
    url = sqlite if request.param == "sqlite" else os.environ.get("TEST_POSTGRES_URL", "")
    if not url:
        pytest.skip("TEST_POSTGRES_URL is not set")
    return Template(url, fill(url))


@contextmanager
def copy_of(url: str, folder: Path) -> Iterator[str]:
    if url.startswith("sqlite"):
        shutil.copy(url.removeprefix("sqlite:///"), folder / "idp.db")
        yield f"sqlite:///{folder}/idp.db"
        return
    known, _, options = url.partition("?")
    server, _, name = known.rpartition("/")
    fresh = f"{name}_{new_id()[:8]}"
    with psycopg.connect(f"{server}/postgres?{options}", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{fresh}" TEMPLATE "{name}"')
        yield f"{server}/{fresh}?{options}"
        admin.execute(f'DROP DATABASE "{fresh}" WITH (FORCE)')


@pytest.fixture
def house(template: Template, tmp_path: Path) -> Iterator[House]:
    with copy_of(template.url, tmp_path) as url:
        app = build(settings_for(url))
        yield House(app, settings_for(url), template.filled)
        app.state.db.close()
