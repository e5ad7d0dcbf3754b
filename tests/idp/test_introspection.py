"""Introspection (RFC 7662), plain and signed (RFC 9701): who may ask, what is told."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from jose import jwt as second_opinion
from jwt import PyJWKSet, decode
from starlette.testclient import TestClient

from idp.accounts.actions import deactivate
from idp.accounts.models import Account
from idp.clients.actions import register_client
from idp.clients.rules import CLIENT_CREDENTIALS, Profile
from idp.oidc.closing import close_account, open_account
from shared import clock
from tests.idp.conftest import API, ISSUER, PASSWORD, House, web_client
from tests.idp.signed import register_rp
from tests.idp.walk import begin, name_then_password, renew, tokens

SIGNED = "application/token-introspection+jwt"


def ask(house: House, token: str, auth: tuple[str, str] | None = None, **headers: str) -> Any:
    auth = auth or ("web", house.filled.web_secret)
    return house.machine().post("/introspect", data={"token": token}, auth=auth, headers=headers)


def test_the_client_and_the_audience_learn_what_a_token_says(house: House) -> None:
    with house.db.write() as tx:
        metadata = web_client(redirect_uris=(), grant_types=(CLIENT_CREDENTIALS,))
        _, secret = register_client(tx, clock.now(), metadata, client_id="service")
    access = tokens(house, house.browser())["access_token"]
    for auth in (None, ("service", str(secret))):
        answer = ask(house, access, auth)
        told = answer.json()
        assert (told["active"], told["sub"], told["client_id"]) == (True, house.filled.subject, "web")
        assert (told["aud"], told["token_type"], told["scope"]) == ([API, ISSUER], "Bearer", "openid profile email")
        assert answer.headers["cache-control"] == "no-store"


def test_a_foreign_client_learns_nothing(house: House) -> None:
    with house.db.write() as tx:
        metadata = web_client(redirect_uris=(), grant_types=(CLIENT_CREDENTIALS,), audiences=("https://elsewhere.test",))
        _, secret = register_client(tx, clock.now(), metadata, client_id="foreign")
    got = tokens(house, house.browser())
    for token in (got["access_token"], got["refresh_token"], got["id_token"], "x", "x" * 9000, ""):
        answer = ask(house, token or "-", ("foreign", str(secret)))
        assert (answer.status_code, answer.json()) == (200, {"active": False})


@pytest.mark.parametrize("form", [{"client_id": "spa"}, {"client_id": "web"}, {"client_id": "web", "client_secret": "x"}, {}])
def test_who_cannot_prove_to_be_a_confidential_client_is_refused(house: House, form: dict[str, str]) -> None:
    access = tokens(house, house.browser())["access_token"]
    answer = house.machine().post("/introspect", data=form | {"token": access})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert house.acts()[-1] == "refused.introspect"


def test_a_token_is_missing(house: House) -> None:
    answer = house.machine().post("/introspect", auth=("web", house.filled.web_secret))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_refresh_token_is_active_until_it_is_used(house: House) -> None:
    got = tokens(house, house.browser())
    told = ask(house, got["refresh_token"]).json()
    assert (told["active"], told["client_id"]) == (True, "web")
    renew(house, got["refresh_token"])
    assert ask(house, got["refresh_token"]).json() == {"active": False}


def test_what_has_ended_is_inactive(house: House) -> None:
    got = tokens(house, house.browser())
    with house.db.write() as tx:
        deactivate(tx, clock.now(), tx.get_one(Account, house.filled.subject))
    assert ask(house, got["access_token"]).json() == {"active": False}
    assert ask(house, got["refresh_token"]).json() == {"active": False}


def by_its_client(house: House, browser: TestClient, got: dict[str, Any], name: str = "access_token") -> None:
    house.machine().post("/revoke", data={"token": got[name]}, auth=("web", house.filled.web_secret))


def by_a_stolen_refresh_token(house: House, browser: TestClient, got: dict[str, Any]) -> None:
    renew(house, got["refresh_token"])
    house.later(minutes=1)
    renew(house, got["refresh_token"])


def by_signing_out(house: House, browser: TestClient, got: dict[str, Any]) -> None:
    browser.get("/end_session", params={"id_token_hint": got["id_token"]})


def by_another_person(house: House, browser: TestClient, got: dict[str, Any]) -> None:
    page = begin(browser, prompt="login")
    name_then_password(browser, page, "thienbd", PASSWORD + "2")


def by_closing_the_account(house: House, browser: TestClient, got: dict[str, Any]) -> None:
    with house.db.write() as tx:
        deactivate(tx, clock.now(), tx.get_one(Account, house.filled.subject))


@pytest.mark.parametrize(
    "ended",
    [
        by_its_client,
        partial(by_its_client, name="refresh_token"),
        by_a_stolen_refresh_token,
        by_signing_out,
        by_another_person,
        by_closing_the_account,
    ],
)
def test_what_was_active_a_moment_ago_is_inactive_at_once(
    house: House, ended: Callable[[House, TestClient, dict[str, Any]], None]
) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    for _ in range(2):  # the second answer comes from memory
        assert ask(house, got["access_token"]).json()["active"] is True
    ended(house, browser, got)
    assert ask(house, got["access_token"]).json() == {"active": False}
    who = house.machine().get("/userinfo", headers={"authorization": f"Bearer {got['access_token']}"})
    assert who.status_code == 401


def test_an_account_that_is_opened_again_finds_nothing_of_what_it_had_given(house: House) -> None:
    house.change_client("web", scopes=["openid", "offline_access"])
    browser = house.browser()
    got = tokens(house, browser, scope="openid offline_access")
    for deed in (close_account, open_account):
        with house.db.write() as tx:
            deed(tx, clock.now(), tx.get_one(Account, house.filled.subject))
    for name in ("access_token", "refresh_token"):
        assert ask(house, got[name]).json() == {"active": False}
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert begin(browser).url.path == "/login"
    assert ask(house, tokens(house, house.browser())["access_token"]).json()["active"] is True


def test_an_access_token_is_inactive_once_its_time_is_over(house: House) -> None:
    access = tokens(house, house.browser())["access_token"]
    house.later(minutes=9, seconds=50)
    assert ask(house, access).json()["active"] is True
    house.later(minutes=10)
    assert ask(house, access).json() == {"active": False}


@pytest.mark.parametrize(
    ("registered", "accept", "alg"), [("", SIGNED, "RS256"), ("ES256", "*/*", "ES256"), ("PS256", "", "PS256")]
)
def test_the_answer_is_signed_for_who_asks_for_it_or_is_registered_so(
    house: House, registered: str, accept: str, alg: str
) -> None:
    house.change_client("web", introspection_alg=registered)
    access = tokens(house, house.browser())["access_token"]
    answer = ask(house, access, accept=accept)
    assert answer.headers["content-type"].split(";")[0] == SIGNED
    keys = PyJWKSet.from_dict(house.machine().get("/jwks").json())
    header = second_opinion.get_unverified_header(answer.text)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", alg)
    said = decode(answer.text, keys[header["kid"]], algorithms=[alg], audience="web", issuer=ISSUER)
    assert said["token_introspection"]["sub"] == house.filled.subject
    assert not {"sub", "exp", "client_id"} & said.keys()


def test_a_signed_answer_tells_of_an_inactive_token_and_passes_for_none_itself(house: House) -> None:
    answer = ask(house, "x", accept=SIGNED)
    assert second_opinion.get_unverified_claims(answer.text)["token_introspection"] == {"active": False}
    assert house.machine().get("/userinfo", headers={"authorization": f"Bearer {answer.text}"}).status_code == 401
    assert ask(house, answer.text).json() == {"active": False}


def test_a_client_that_signs_its_messages_gets_every_answer_signed(house: House) -> None:
    rp = register_rp(house, house.machine(), profile=Profile.FAPI2_SIGNED)
    answer = rp.post("/introspect", {"token": "x"}, dpop=None)
    assert answer.headers["content-type"].split(";")[0] == SIGNED
    assert second_opinion.get_unverified_header(answer.text)["alg"] == "ES256"


def test_without_a_wish_the_answer_is_plain(house: House) -> None:
    answer = ask(house, tokens(house, house.browser())["access_token"], accept="application/json")
    assert answer.json()["active"] is True
    metadata = house.machine().get("/.well-known/openid-configuration").json()
    assert set(metadata["introspection_signing_alg_values_supported"]) >= {"RS256", "ES256", "PS256"}
