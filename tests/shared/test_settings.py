"""What the environment says; what is unsafe does not start."""

import pytest
from pydantic import ValidationError

from shared.settings import Settings

SECRET = "0123456789abcdef" * 3
ENVIRONMENT = {"PUBLIC_URL": "https://hop.example", "DATABASE_URL": "sqlite:///x.db", "SECRET": SECRET}


@pytest.fixture
def environment(monkeypatch):
    for name in ("BUS_URL", "WORKERS", "SECRETS_DIR", "STORAGE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("secret", ["", "secret", "changeme", "change-me", "password", "PASSWORD", "x" * 31])
def test_a_weak_secret_does_not_start(environment, secret):
    environment.setenv("SECRET", secret)
    with pytest.raises(ValidationError, match="at least 32 random signs"):
        Settings()


@pytest.mark.parametrize("name", ["PUBLIC_URL", "DATABASE_URL", "SECRET"])
def test_what_has_no_default_must_be_said(environment, name):
    environment.delenv(name)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_several_processes_need_a_bus_that_reaches_them(environment):
    environment.setenv("WORKERS", "2")
    with pytest.raises(ValidationError, match="BUS_URL"):
        Settings()
    environment.setenv("BUS_URL", "valkey://127.0.0.1:6379")
    assert Settings().workers == 2
    environment.setenv("WORKERS", "0")
    with pytest.raises(ValidationError, match="workers"):
        Settings()


def test_the_own_address_has_no_slash_at_its_end(environment):
    environment.setenv("PUBLIC_URL", "https://hop.example/")
    with pytest.raises(ValidationError, match="slash"):
        Settings()


@pytest.mark.parametrize(("address", "secure"), [("https://hop.example", True), ("http://localhost:8500", False)])
def test_tls_is_seen_from_the_own_address(environment, address, secure):
    environment.setenv("PUBLIC_URL", address)
    assert Settings().secure is secure


def test_settings_are_frozen_and_never_print_their_secret(environment):
    settings = Settings()
    assert SECRET not in repr(settings) + str(settings.model_dump())
    with pytest.raises(ValidationError, match="frozen"):
        settings.workers = 3


def test_a_secret_may_come_as_a_file(environment, tmp_path):
    (tmp_path / "secret").write_text(SECRET[::-1] + "\n")
    environment.delenv("SECRET")
    environment.setenv("SECRETS_DIR", str(tmp_path))
    assert Settings().secret.get_secret_value() == SECRET[::-1]
    environment.setenv("SECRET", SECRET)
    assert Settings().secret.get_secret_value() == SECRET
