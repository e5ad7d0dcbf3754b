"""`dienhong serve` says in a line each what keeps a service from starting, and starts nothing."""

import pytest
from typer.testing import CliRunner

from deploy.cli import app

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


def test_an_unknown_service_does_not_start():
    answer = CliRunner().invoke(app, ["serve", "mail"])
    assert (answer.exit_code, answer.stderr) == (2, "unknown service 'mail': one of idp, meetings, calendar\n")
