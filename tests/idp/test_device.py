"""The device grant (RFC 8628): a screen without a browser asks, a person allows it elsewhere."""

from typing import Any

import pytest
from httpx2 import Response
from jose import jwt as second_opinion
from sqlalchemy import select
from starlette.testclient import TestClient

from idp.accounts.actions import deactivate
from idp.accounts.models import Account
from idp.clients.actions import register_client
from idp.clients.rules import DEVICE, REFRESH, AuthMethod
from idp.oidc.models import Artifact
from shared import clock
from shared.ids import digest
from tests.idp.conftest import API, ISSUER, House, web_client
from tests.idp.signed import Key
from tests.idp.walk import OWN_PAGE, begin, follow, name_then_password, read_form, send_form, sign_in, who

WALL = {"client_id": "wall"}


@pytest.fixture
def house(house: House) -> House:
    with house.db.write() as tx:
        wall = web_client(name="Màn hình lớn", auth_method=AuthMethod.NONE, redirect_uris=(), grant_types=(DEVICE, REFRESH))
        register_client(tx, clock.now(), wall, client_id="wall")
    return house


def start(house: House, **changes: str) -> dict[str, Any]:
    answer = house.machine().post("/device_authorization", data=WALL | {"scope": "openid profile"} | changes)
    assert answer.status_code == 200, answer.text
    got: dict[str, Any] = answer.json()
    return got


def poll(house: House, started: dict[str, Any], **changes: str) -> Response:
    form = WALL | {"grant_type": DEVICE, "device_code": started["device_code"]} | changes
    return house.machine().post("/token", data=form)


def type_code(house: House, browser: TestClient, code: str) -> Response:
    """Open the page, sign in if it is asked for, type the code; the page that follows."""
    page = follow(browser, browser.get("/device"))
    if 'name="user_code"' not in page.text:
        page = sign_in(browser, page)
    return follow(browser, send_form(browser, page, user_code=code))


def allow(house: House, browser: TestClient, started: dict[str, Any], decision: str = "allow") -> Response:
    page = type_code(house, browser, started["user_code"])
    return follow(browser, send_form(browser, page, decision=decision))


def test_a_device_gets_tokens_once_its_person_has_allowed_it(house: House) -> None:
    started = start(house)
    assert started["verification_uri"] == f"{ISSUER}/device"
    assert (started["interval"], started["expires_in"]) == (5, 600)
    assert poll(house, started).json()["error"] == "authorization_pending"
    page = allow(house, house.browser(), started)
    assert 'id="answered-allowed"' in page.text
    house.later(seconds=6)
    got = poll(house, started).json()
    claims = second_opinion.get_unverified_claims(got["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (house.filled.subject, "wall", [API, ISSUER])
    assert got["scope"] == "openid profile"
    assert second_opinion.get_unverified_claims(got["id_token"])["aud"] == "wall"
    assert who(house, got["access_token"]).json()["name"] == "Nguyễn Thị Hồng Hạnh"
    renewed = house.machine().post("/token", data=WALL | {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]})
    assert renewed.status_code == 200
    assert "refused.token" not in house.acts()  # waiting is no refusal


def test_the_page_names_client_and_code_and_warns_even_for_a_trusted_client(house: House) -> None:
    started = start(house)
    page = type_code(house, house.browser(), started["user_code"].lower().replace("-", " "))
    assert 'id="consent-device"' in page.text
    assert started["user_code"] in page.text
    assert "Màn hình lớn" in page.text


def test_the_link_with_the_code_in_it_still_asks_and_survives_the_sign_in(house: House) -> None:
    started = start(house)
    browser = house.browser()
    page = sign_in(browser, follow(browser, browser.get(started["verification_uri_complete"].removeprefix(ISSUER))))
    assert f'value="{started["user_code"]}"' in page.text
    assert poll(house, started).json()["error"] == "authorization_pending"


def test_who_declines_gives_nothing(house: House) -> None:
    started = start(house)
    assert 'id="answered-denied"' in allow(house, house.browser(), started, "deny").text
    answer = poll(house, started)
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert answer.headers["cache-control"] == "no-store"


def test_a_device_code_is_good_for_one_exchange(house: House) -> None:
    started = start(house)
    allow(house, house.browser(), started)
    assert poll(house, started).status_code == 200
    assert poll(house, started).json()["error"] == "invalid_grant"


def test_a_device_code_of_another_client_is_refused(house: House) -> None:
    house.change_client("spa", grant_types=[DEVICE])
    started = start(house)
    allow(house, house.browser(), started)
    assert poll(house, started, client_id="spa").json()["error"] == "invalid_grant"
    assert house.acts()[-1] == "refused.token"
    assert poll(house, started).status_code == 200


def test_a_device_code_runs_out(house: House) -> None:
    started, browser = start(house), house.browser()
    page = sign_in(browser, follow(browser, browser.get("/device")))
    house.later(minutes=10)
    assert poll(house, started).json()["error"] == "expired_token"
    assert 'data-code="user-code-unknown"' in send_form(browser, page, user_code=started["user_code"]).text


def test_who_polls_too_fast_is_told_to_slow_down_by_five_seconds_more(house: House) -> None:
    started = start(house)
    errors = []
    for seconds in (0, 2, 9, 11):  # the second poll makes the interval 10 seconds
        house.later(seconds=seconds)
        errors.append(poll(house, started).json()["error"])
    assert errors == ["authorization_pending", "slow_down", "slow_down", "slow_down"]
    house.later(seconds=60)
    assert poll(house, started).json()["error"] == "authorization_pending"


def test_the_user_code_and_the_digest_are_no_device_codes(house: House) -> None:
    started = start(house)
    for secret in (started["user_code"], digest(started["device_code"]), "x"):
        assert poll(house, {"device_code": secret}).json()["error"] == "invalid_grant"
    with house.db.read() as tx:
        stored = [f"{one.digest} {one.body}" for one in tx.scalars(select(Artifact))]
    assert not [one for one in stored if started["device_code"] in one or digest(started["device_code"]) in one.split(" ")[0]]


def test_five_wrong_codes_close_the_page_for_a_quarter_of_an_hour(house: House) -> None:
    browser, started = house.browser(), start(house)
    page = sign_in(browser, follow(browser, browser.get("/device")))
    codes = [send_form(browser, page, user_code=f"AAAA-AAA{n}").text for n in range(6)]
    assert ['data-code="user-code-unknown"' in text for text in codes] == [True] * 5 + [False]
    refused = send_form(browser, page, user_code=started["user_code"])
    assert refused.status_code == 429
    assert 'data-code="codes-wait"' in refused.text
    another = house.browser()  # nor does another session of the same person help
    assert type_code(house, another, started["user_code"]).status_code == 429
    assert house.acts().count("user-code.refused") == 6 + 2
    house.later(minutes=15)
    fresh = start(house)
    assert 'id="consent-device"' in follow(browser, send_form(browser, page, user_code=fresh["user_code"])).text


def test_a_request_is_answered_once(house: House) -> None:
    started, first, second = start(house), house.browser(), house.browser()
    pages = [type_code(house, browser, started["user_code"]) for browser in (first, second)]
    assert 'id="answered-allowed"' in follow(first, send_form(first, pages[0], decision="allow")).text
    late = follow(second, send_form(second, pages[1], decision="deny"))
    assert 'id="problem-request-expired"' in late.text
    assert poll(house, started).status_code == 200


def test_a_closed_account_gets_nothing_of_what_it_allowed(house: House) -> None:
    started = start(house)
    allow(house, house.browser(), started)
    with house.db.write() as tx:
        deactivate(tx, clock.now(), tx.get_one(Account, house.filled.subject))
    assert poll(house, started).json()["error"] == "invalid_grant"


def test_an_account_that_is_locked_since_gets_nothing_of_what_it_allowed(house: House) -> None:
    started = start(house)
    allow(house, house.browser(), started)
    attacker = house.browser()
    page = follow(attacker, attacker.get("/"))
    for n in range(5):
        page = name_then_password(attacker, follow(attacker, attacker.get("/")), "hanhnth", f"sai-mat-khau-{n}")
    assert 'data-code="account-waits"' in page.text
    assert poll(house, started).json()["error"] == "invalid_grant"
    assert "grant.revoked" in house.acts()


def test_a_signed_out_person_gets_nothing_of_what_they_allowed(house: House) -> None:
    started, browser = start(house), house.browser()
    allow(house, browser, started)
    browser.post("/sign-out", data=read_form(browser.get("/password"))[1], headers=OWN_PAGE)
    assert poll(house, started).json()["error"] == "invalid_grant"


def test_tokens_of_a_device_that_proves_a_key_are_bound_to_it(house: House) -> None:
    started, key = start(house), Key()
    allow(house, house.browser(), started)
    form = WALL | {"grant_type": DEVICE, "device_code": started["device_code"]}
    proof = {"DPoP": key.proof("POST", f"{ISSUER}/token")}
    got = house.machine().post("/token", data=form, headers=proof).json()
    assert second_opinion.get_unverified_claims(got["access_token"])["cnf"] == {"jkt": key.jkt}
    stolen = house.machine().post("/token", data=WALL | {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]})
    assert stolen.json()["error"] == "invalid_grant"


REFUSED = [
    ({"client_id": "spa"}, "unauthorized_client"),
    ({"client_id": "web"}, "invalid_client"),
    ({"client_id": "nobody"}, "invalid_client"),
    ({"resource": "https://other.example.test"}, "invalid_target"),
    ({"authorization_details": '[{"type":"payment"}]'}, "invalid_authorization_details"),
    ({"max_age": "soon"}, "invalid_request"),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED)
def test_the_device_endpoint_refuses(house: House, changes: dict[str, str], error: str) -> None:
    answer = house.machine().post("/device_authorization", data=WALL | {"scope": "openid"} | changes)
    assert answer.json()["error"] == error
    assert house.acts()[-1] == "refused.device-authorization"


def test_without_a_device_code_or_a_session_nothing_goes_on(house: House) -> None:
    assert house.machine().post("/token", data=WALL | {"grant_type": DEVICE}).json()["error"] == "invalid_request"
    browser = house.browser()
    page = begin(browser)
    answer = browser.post("/device", data=read_form(page)[1] | {"user_code": "AAAA-AAAA"}, headers=OWN_PAGE)
    assert answer.headers["location"].startswith("/authorize?request=")
    assert browser.post("/device", data={"user_code": "AAAA-AAAA"}).status_code == 403


def test_metadata_name_the_endpoint(house: House) -> None:
    metadata = house.machine().get("/.well-known/openid-configuration").json()
    assert metadata["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert DEVICE in metadata["grant_types_supported"]
