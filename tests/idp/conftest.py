"""A real identity provider on a migrated database, with one person and the clients that the stories need."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text
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
from shared.db import Database

ISSUER = "https://id.example.test"
PASSWORD = "mot-cau-ngan-de-nho"
APP = "https://app.example.test"
ENGINES = ["sqlite"] + (["postgresql"] if os.environ.get("TEST_POSTGRES_URL") else [])


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/idp.db"
    else:
        url = os.environ["TEST_POSTGRES_URL"]
        with Database(url).engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    db = Database(url)
    migrate.upgrade(db.engine, "idp")
    db.close()
    return url


@dataclass
class House:
    """The application and what stands in its database."""

    app: FastAPI
    settings: IdpSettings
    subject: str
    web_secret: str
    initial_token: str

    @property
    def db(self) -> Database:
        db: Database = self.app.state.db
        return db

    def browser(self) -> TestClient:
        return TestClient(self.app, base_url=ISSUER, follow_redirects=False, headers={"accept": "text/html"})

    def machine(self) -> TestClient:
        return TestClient(self.app, base_url=ISSUER, follow_redirects=False)


def web_client(**changes: object) -> Metadata:
    members: dict[str, object] = {
        "name": "Họp không giấy",
        "office": "Văn phòng Đoàn ĐBQH và HĐND tỉnh",
        "redirect_uris": (f"{APP}/cb",),
        "post_logout_redirect_uris": (f"{APP}/bye",),
        "client_uri": APP,
        "audiences": ("https://api.example.test",),
        "trusted": True,
    }
    return Metadata(**(members | changes))  # type: ignore[arg-type]


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    settings = IdpSettings(public_url=ISSUER, database_url=database_url, secret="0123456789abcdef" * 3)
    app = build(settings)
    with app.state.db.write() as tx:
        now = clock.now()
        ensure_keys(tx, now, settings)
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
        _, secret = register_client(tx, now, web_client(), client_id="web")
        public = web_client(auth_method=AuthMethod.NONE, redirect_uris=("http://localhost:8500/cb",), id_token_alg="ES256")
        register_client(tx, now, public, client_id="spa")
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
        initial = make_initial_access_token(tx, now)
    yield House(app, settings, account.id, str(secret), initial)
    app.state.db.close()
