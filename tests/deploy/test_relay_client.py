"""`dienhong add-relay` at idp, the relay's own token from there, and the meetings service that takes it."""

from contextlib import closing

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from deploy.cli import app
from idp.app import build
from idp.keys.actions import ensure_keys
from idp.settings import IdpSettings
from meetings.access.relays import admit_relay
from meetings.settings import MeetingsSettings
from shared import clock
from shared.db import Database
from shared.issuer import IssuerKeys
from shared.problems import Forbidden
from shared.tokens import InvalidToken

ISSUER, HOP = "https://dangnhap.example", "https://hop.example"
SECRET = "0123456789abcdef" * 3


def test_a_relays_client_gets_its_token_and_is_let_in_where_it_is_named(tmp_path):
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/idp.db", "PUBLIC_URL": ISSUER, "SECRET": SECRET}

    def run(*words: str) -> str:
        answer = CliRunner().invoke(app, list(words), env=environment, catch_exceptions=False)
        assert answer.exit_code == 0
        return answer.stdout.strip()

    run("migrate", "idp")
    client, secret = run("add-relay", "Điểm cầu xã Hòa Vang", "--audience", HOP).split()
    settings = IdpSettings(public_url=ISSUER, database_url=environment["DATABASE_URL"], secret=SECRET)
    with closing(Database(environment["DATABASE_URL"])) as db, db.write() as tx:
        ensure_keys(tx, clock.now(), settings)
    with TestClient(build(settings), base_url=ISSUER) as idp:
        metadata = idp.get("/.well-known/openid-configuration").json()
        asked = {"grant_type": "client_credentials", "scope": "meetings.relay"}
        answer = idp.post(metadata["token_endpoint"], data=asked, auth=(client, secret))
        assert answer.status_code == 200, answer.text
        wider = idp.post(metadata["token_endpoint"], data=asked | {"scope": "openid meetings.relay"}, auth=(client, secret))
        assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
        keys = IssuerKeys(ISSUER, lambda url: idp.get(url).json())
        token, instant = answer.json()["access_token"], clock.now()

        def admitted(**changes: str) -> str:
            given = {"issuer": ISSUER, "client_id": "meetings-web", "audience": HOP, "relays": client} | changes
            service = MeetingsSettings(public_url=HOP, database_url="sqlite://", secret=SECRET, **given)
            return admit_relay(service, keys, lambda: None, token, instant)[0]

        assert admitted() == client
        with pytest.raises(Forbidden):
            admitted(relays="")
        with pytest.raises(InvalidToken):
            admitted(audience="https://other.example")
