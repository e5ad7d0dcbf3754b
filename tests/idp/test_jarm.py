"""Signed authorization responses (JARM), verified by PyJWT with the published keys."""

import re
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from tests.idp.conftest import APP, ISSUER, House
from tests.idp.walk import answer_of, ask, begin, exchange, follow, sign_in


def read(house: House, token: str, client_id: str = "web", alg: str = "RS256") -> dict[str, Any]:
    keys = house.machine().get("/jwks").json()["keys"]
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(jwt.PyJWK(one) for one in keys if one["kid"] == kid)
    required = {"require": ["exp", "iss", "aud"]}
    found: dict[str, Any] = jwt.decode(token, key, algorithms=[alg], audience=client_id, issuer=ISSUER, options=required)
    return found


def answered(browser: TestClient, **changes: str) -> str:
    """Where the browser is sent after a sign-in."""
    page = begin(browser, **changes)
    return str((page if page.is_redirect else sign_in(browser, page)).headers["location"])


@pytest.mark.parametrize(("mode", "mark"), [("jwt", "?"), ("query.jwt", "?"), ("fragment.jwt", "#")])
def test_the_whole_answer_is_one_signed_parameter(house: House, mode: str, mark: str) -> None:
    place = answered(house.browser(), response_mode=mode)
    match = re.fullmatch(re.escape(f"{APP}/cb{mark}response=") + r"([\w.-]+)", place)
    assert match, place
    claims = read(house, match[1])
    assert set(claims) >= {"iss", "aud", "exp", "code", "state"}
    assert claims["state"] == "s-1"
    assert exchange(house, claims["code"]).status_code == 200


def test_a_form_posts_it(house: House) -> None:
    browser = house.browser()
    page = sign_in(browser, begin(browser, response_mode="form_post.jwt"))
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    assert set(fields) == {"response"}
    assert read(house, fields["response"])["code"]


def test_a_refusal_is_signed_too(house: House) -> None:
    browser = house.browser()
    answer = follow(browser, browser.get("/authorize", params=ask(response_mode="jwt", prompt="none")))
    claims = read(house, answer_of(answer)["response"])
    assert (claims["error"], claims["state"]) == ("login_required", "s-1")


def test_the_client_chooses_the_algorithm(house: House) -> None:
    house.change_client("web", authorization_alg="PS256")
    answer = answered(house.browser(), response_mode="jwt")
    assert read(house, answer.partition("response=")[2], alg="PS256")["code"]
    told = house.machine().get("/.well-known/openid-configuration").json()
    assert {"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} <= set(told["response_modes_supported"])
    assert told["authorization_signing_alg_values_supported"] == ["RS256", "ES256", "PS256"]


def test_a_signed_answer_is_no_token(house: House) -> None:
    response = answered(house.browser(), response_mode="jwt").partition("response=")[2]
    assert house.machine().get("/userinfo", headers={"authorization": f"Bearer {response}"}).status_code == 401
    browser = house.browser()
    answer = follow(browser, browser.get("/authorize", params=ask(id_token_hint=response)))
    assert answer_of(answer)["error"] == "invalid_request"


def test_an_unregistered_address_gets_no_signed_answer(house: House) -> None:
    for mode in ("jwt", "form_post.jwt", "fragment.jwt"):
        answer = house.browser().get("/authorize", params=ask(response_mode=mode, redirect_uri="https://evil.test/"))
        assert answer.status_code == 400
        assert "evil.test" not in answer.headers.get("location", "")
