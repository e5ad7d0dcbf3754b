"""Dynamic registration: by holders of an initial access token only, and strictly checked."""

from typing import Any

import pytest
from httpx2 import Response

from idp.clients.problems import BadClientAddress
from tests.idp.conftest import House, web_client
from tests.idp.walk import VERIFIER, answer_of, begin, follow, send_form, sign_in

NEW = {"client_name": "Sổ tay đại biểu", "redirect_uris": ["https://so-tay.test/cb"]}


def register(house: House, body: Any, token: str | None = None) -> Response:
    bearer = {"authorization": f"Bearer {token or house.filled.initial_token}"}
    return house.machine().post("/register", json=body, headers=bearer)


def test_a_registered_client_can_sign_people_in(house: House) -> None:
    answer = register(house, NEW)
    client = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert (client["token_endpoint_auth_method"], client["client_secret_expires_at"]) == ("client_secret_basic", 0)
    assert (client["id_token_signed_response_alg"], client["response_types"]) == ("RS256", ["code"])
    browser = house.browser()
    consent = sign_in(browser, begin(browser, client_id=client["client_id"], redirect_uri="https://so-tay.test/cb"))
    code = answer_of(follow(browser, send_form(browser, consent, decision="allow")))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://so-tay.test/cb"}
    got = house.machine().post(
        "/token", data=form | {"code_verifier": VERIFIER}, auth=(client["client_id"], client["client_secret"])
    )
    assert got.status_code == 200
    assert "refresh_token" not in got.json()
    assert "client.registered" in house.acts()


def test_a_client_chooses_among_what_discovery_publishes(house: House) -> None:
    wish = NEW | {
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/cb", "vn.test.app:/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile",
        "id_token_signed_response_alg": "ES256",
        "post_logout_redirect_uris": ["vn.test.app:/bye"],
        "backchannel_logout_uri": "https://so-tay.test/logout",
        "software_id": "ignored",
    }
    client = register(house, wish).json()
    assert "client_secret" not in client
    assert {name: client[name] for name in wish if name != "software_id"} == {
        name: value for name, value in wish.items() if name != "software_id"
    }


@pytest.mark.parametrize("token", ["wrong", "", "a b"])
def test_without_an_initial_access_token_nothing_is_registered(house: House, token: str) -> None:
    answer = house.machine().post("/register", json=NEW, headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert house.machine().post("/register", json=NEW).status_code == 401


def test_an_initial_access_token_expires(house: House) -> None:
    house.later(days=31)
    assert register(house, NEW).status_code == 401


@pytest.mark.parametrize(
    "uri",
    [
        "http://so-tay.test/cb",
        "https://so-tay.test/cb#f",
        "https://so-tay.test@evil.test/cb",
        "https:so-tay.test",
        "//so-tay.test/cb",
        "https://so-tay.test/*",
        "https://so-tay.test/ cb",
        "https://so-tay.test\\@evil.test/",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "java\tscript:alert(1)",
        "vn.test.app:/cb",
        "https://[broken/cb",
        "https://sổ-tay.test/cb",
        "https://so-tay.test/" + "a" * 2000,
        "",
    ],
)
def test_an_address_that_could_mislead_is_refused(house: House, uri: str) -> None:
    answer = register(house, NEW | {"redirect_uris": [uri]})
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_redirect_uri", "invalid_client_metadata")
    for field in ("client_uri", "backchannel_logout_uri", "initiate_login_uri"):
        assert not uri or register(house, NEW | {field: uri}).json()["error"] == "invalid_client_metadata"


def test_the_field_with_the_wrong_address_is_named() -> None:
    for field in ("redirect_uris", "post_logout_redirect_uris", "client_uri"):
        wrong = "http://so-tay.test/" if field == "client_uri" else ("http://so-tay.test/",)
        with pytest.raises(BadClientAddress) as refusal:
            web_client(**{field: wrong}).check()
        assert refusal.value.facts == {"field": field}


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": []},
        {"redirect_uris": "https://so-tay.test/cb"},
        {"redirect_uris": [1]},
        {"redirect_uris": ["https://so-tay.test/cb"] * 21},
        {"token_endpoint_auth_method": ["none"]},
        {"grant_types": ["implicit"]},
        {"grant_types": [{}]},
        {"response_types": ["token"]},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"application_type": "desktop"},
        {"scope": "openid teleport"},
        {"scope": 5},
        {"client_name": {"vi": "x"}},
        {"client_name": "x" * 3000},
    ],
)
def test_metadata_that_is_not_supported_is_refused(house: House, changes: dict[str, Any]) -> None:
    answer = register(house, NEW | changes)
    assert (answer.status_code, answer.json()["error"][:8]) == (400, "invalid_")


@pytest.mark.parametrize("body", [[], None, "x", 1])
def test_a_body_that_is_no_object_is_refused(house: House, body: Any) -> None:
    assert register(house, body).json()["error"] == "invalid_client_metadata"


def test_a_client_reads_and_deletes_its_own_registration_only(house: House) -> None:
    first, second = register(house, NEW).json(), register(house, NEW).json()
    machine, path = house.machine(), f"/register/{first['client_id']}"
    mine = {"authorization": f"Bearer {first['registration_access_token']}"}
    theirs = {"authorization": f"Bearer {second['registration_access_token']}"}
    read = machine.get(path, headers=mine).json()
    assert read["client_name"] == NEW["client_name"]
    assert not {"client_secret", "registration_access_token"} & read.keys()
    for headers in (theirs, {}, {"authorization": "Bearer x"}):
        assert machine.get(path, headers=headers).status_code == 401
        assert machine.delete(path, headers=headers).status_code == 401
    assert machine.get("/register/web", headers=mine).status_code == 401
    assert machine.delete(path, headers=mine).status_code == 204
    assert machine.get(path, headers=mine).status_code == 401
    gone = begin(house.browser(), client_id=first["client_id"], redirect_uri="https://so-tay.test/cb")
    assert (gone.status_code, "client.removed" in house.acts()) == (400, True)


def test_trust_cannot_be_asked_for(house: House) -> None:
    client = register(house, NEW | {"trusted": True, "audiences": ["https://api.example.test"]}).json()
    browser = house.browser()
    page = sign_in(browser, begin(browser, client_id=client["client_id"], redirect_uri="https://so-tay.test/cb"))
    assert 'id="consent-allow"' in page.text
