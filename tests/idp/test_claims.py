"""The claims parameter, whom an answer is about, and choosing an account."""

import json
from typing import Any

import jwt
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from tests.idp.conftest import APP, PASSWORD, House
from tests.idp.walk import answer_of, begin, code_for, exchange, follow, send_form, sign_in, tokens, who

PASSWORD_ACR = "urn:dienhong:acr:password"


def asking(**places: Any) -> dict[str, str]:
    return {"claims": json.dumps(places)}


def about(got: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(got["id_token"], options={"verify_signature": False})
    return claims


def test_single_claims_stand_where_they_were_asked_for(house: House) -> None:
    wish = asking(id_token={"email": {"essential": True}, "post": None}, userinfo={"phone_number": None, "unknown": None})
    got = tokens(house, house.browser(), scope="openid", **wish)
    assert {name: about(got).get(name) for name in ("email", "post", "name", "phone_number")} == {
        "email": "hanhnth@example.test",
        "post": "Phó Trưởng phòng",
        "name": None,
        "phone_number": None,
    }
    told = who(house, got["access_token"]).json()
    assert told == {"sub": house.filled.subject, "phone_number": "+84901234567"}


def test_they_are_still_there_after_a_renewal(house: House) -> None:
    got = tokens(house, house.browser(), scope="openid", **asking(id_token={"email": None}))
    form = {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]}
    fresh = house.machine().post("/token", data=form, auth=("web", house.filled.web_secret)).json()
    assert about(fresh)["email"] == "hanhnth@example.test"


def test_no_claim_comes_that_the_client_may_not_have_by_scope(house: House) -> None:
    house.change_client("web", scopes=["openid", "profile"])
    wish = asking(id_token={"email": {"essential": True}}, userinfo={"email": None, "address": None, "name": None})
    got = tokens(house, house.browser(), scope="openid", **wish)
    assert "email" not in about(got)
    assert who(house, got["access_token"]).json().keys() == {"sub", "name"}


def test_asking_for_a_value_changes_no_value(house: House) -> None:
    wish = asking(id_token={"email": {"value": "other@example.test"}, "name": {"values": ["A", "B"]}})
    got = about(tokens(house, house.browser(), scope="openid", **wish))
    assert (got["email"], got["name"]) == ("hanhnth@example.test", "Nguyễn Thị Hồng Hạnh")


@pytest.mark.parametrize(
    "claims",
    [
        *("[]", "null", "5", '"x"', "{", "not json", "[" * 10_000),
        *('{"id_token": []}', '{"userinfo": "name"}', '{"id_token": {"name": true}}', '{"userinfo": {"sub": "me"}}'),
        json.dumps({"userinfo": {f"c{number}": None for number in range(101)}}),
    ],
)
def test_what_is_no_claims_request_is_refused(house: House, claims: str) -> None:
    assert answer_of(begin(house.browser(), claims=claims))["error"] == "invalid_request"


@pytest.mark.parametrize("claims", ["{}", '{"id_token": null}', '{"elsewhere": [1]}', '{"userinfo": {}}'])
def test_an_empty_claims_request_is_none(house: House, claims: str) -> None:
    assert tokens(house, house.browser(), claims=claims)["id_token"]


def silent(browser: TestClient, **changes: str) -> dict[str, str]:
    return answer_of(begin(browser, prompt="none", **changes))


def test_a_named_person_is_the_only_one_who_gets_an_answer(house: House) -> None:
    browser, sub = house.browser(), house.filled.subject
    me, other = ({"id_token": {"sub": {"value": one}}} for one in (sub, "somebody-else"))
    tokens(house, browser)
    assert "code" in silent(browser, claims=json.dumps(me))
    assert silent(browser, claims=json.dumps(other))["error"] == "login_required"
    assert silent(browser, claims=json.dumps({"userinfo": {"sub": {"values": [sub]}}})).keys() >= {"code"}
    both = asking(id_token={"sub": {"value": sub}}, userinfo={"sub": {"value": "x"}})
    assert silent(browser, **both)["error"] == "invalid_request"


def test_who_signs_in_as_somebody_else_than_named_ends_with_an_error(house: House) -> None:
    browser = house.browser()
    page = begin(browser, **asking(id_token={"sub": {"value": house.filled.subject}}))
    assert answer_of(sign_in(browser, page, "thienbd", PASSWORD + "2"))["error"] == "login_required"


def test_a_hint_of_another_person_is_answered_with_login_required(house: House) -> None:
    mine = tokens(house, house.browser())["id_token"]
    browser = house.browser()
    sign_in(browser, begin(browser), "thienbd", PASSWORD + "2")
    assert silent(browser, id_token_hint=mine)["error"] == "login_required"
    page = begin(browser, id_token_hint=mine)
    assert page.status_code == 200  # asked to sign in as the other
    assert answer_of(sign_in(browser, page))["code"]


def test_a_pairwise_subject_names_the_person_too(house: House) -> None:
    house.change_client("web", subject_type="pairwise")
    browser = house.browser()
    got = tokens(house, browser)
    sub = about(got)["sub"]
    assert sub != house.filled.subject
    assert who(house, got["access_token"]).json()["sub"] == sub
    assert "code" in silent(browser, **asking(id_token={"sub": {"value": sub}}))
    assert "code" in silent(browser, id_token_hint=got["id_token"])
    assert silent(browser, **asking(id_token={"sub": {"value": house.filled.subject[::-1]}}))["error"] == "login_required"


def test_pairwise_subjects_differ_by_sector_and_not_by_client(house: House) -> None:
    house.change_client("web", subject_type="pairwise")
    house.change_client("other", subject_type="pairwise", trusted=True)
    browser = house.browser()
    first = about(tokens(house, browser))["sub"]
    code = answer_of(begin(browser, client_id="other", redirect_uri="https://o.test/cb"))["code"]
    assert sub_at_other(house, code) != first
    house.change_client("other", sector_identifier_uri=f"{APP}/sector.json")
    code = answer_of(begin(browser, client_id="other", redirect_uri="https://o.test/cb"))["code"]
    assert sub_at_other(house, code) == first


def sub_at_other(house: House, code: str) -> str:
    answer = exchange(house, code, client_id="other")
    assert answer.status_code == 401  # not by web's credentials
    house.change_client("other", auth_method="none")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://o.test/cb", "client_id": "other"}
    got = house.machine().post("/token", data=form | {"code_verifier": "v" * 43}).json()
    house.change_client("other", auth_method="client_secret_post")
    return str(about(got)["sub"])


def test_a_demanded_acr_that_nobody_can_reach_is_refused_and_one_that_is_there_is_told(house: House) -> None:
    demanded = asking(id_token={"acr": {"essential": True, "values": [PASSWORD_ACR, "urn:x"]}})
    assert about(tokens(house, house.browser(), **demanded))["acr"] == PASSWORD_ACR
    for wish in ({"essential": True, "value": "urn:x"}, {"essential": True, "values": ["urn:x", "urn:y"]}):
        found = answer_of(begin(house.browser(), **asking(id_token={"acr": wish})))
        assert found["error"] == "unmet_authentication_requirements"
    for wish in ({"value": "urn:x"}, {"essential": True}, {"essential": False, "values": ["urn:x"]}):
        assert about(tokens(house, house.browser(), **asking(id_token={"acr": wish})))["acr"] == PASSWORD_ACR


def consent_page(browser: TestClient, **changes: str) -> Response:
    page = begin(browser, client_id="other", redirect_uri="https://o.test/cb", scope="openid", **changes)
    return sign_in(browser, page) if "username" in page.text and "consent-allow" not in page.text else page


def test_a_person_is_asked_for_claims_beyond_scopes_as_for_the_scope_itself(house: House) -> None:
    browser = house.browser()
    page = consent_page(browser)
    assert "Địa chỉ thư điện tử" not in page.text
    follow(browser, send_form(browser, page, decision="allow"))
    page = consent_page(browser, **asking(id_token={"email": None}))
    assert "Địa chỉ thư điện tử" in page.text  # openid was allowed, e-mail was not
    assert "code" in answer_of(follow(browser, send_form(browser, page, decision="allow")))
    assert consent_page(browser, **asking(userinfo={"email_verified": None})).is_redirect
    assert "consent-allow" in consent_page(browser, **asking(userinfo={"address": None})).text


def test_an_account_is_chosen_among_those_this_device_knows(house: House) -> None:
    browser = house.browser()
    page = begin(browser, prompt="select_account")
    assert 'id="username"' in page.text  # nobody is known here yet
    code = answer_of(sign_in(browser, page))["code"]
    assert exchange(house, code).status_code == 200
    page = begin(browser, prompt="select_account")
    assert 'id="account-hanhnth"' in page.text
    assert "Nguyễn Thị Hồng Hạnh" in page.text
    assert 'id="account-thienbd"' not in page.text
    again = follow(browser, send_form(browser, page, account=house.filled.subject))
    assert "code" in answer_of(again)


def test_who_is_not_signed_in_gives_a_password_after_the_choice(house: House) -> None:
    browser = house.browser()
    sign_in(browser, begin(browser), "thienbd", PASSWORD + "2")
    sign_in(browser, begin(browser, prompt="login"))
    page = begin(browser, prompt="select_account")
    assert page.text.index("account-hanhnth") < page.text.index("account-thienbd")
    other = page.text.split('id="account-thienbd"')[0].rsplit('value="', 1)[1].split('"')[0]
    page = follow(browser, send_form(browser, page, account=other))
    assert 'id="password"' in page.text
    assert "Bùi Đức Thiện" in page.text
    got = answer_of(follow(browser, send_form(browser, page, password=PASSWORD + "2")))
    assert about(exchange(house, got["code"]).json())["name"] == "Bùi Đức Thiện"


def test_an_account_that_this_device_does_not_know_cannot_be_chosen(house: House) -> None:
    code_for(house, house.browser())  # known to another device
    browser = house.browser()
    sign_in(browser, begin(browser), "thienbd", PASSWORD + "2")
    page = begin(browser, prompt="select_account")
    page = follow(browser, send_form(browser, page, account=house.filled.subject))
    assert 'id="username"' in page.text
    assert "Hạnh" not in page.text


def test_choosing_does_not_spare_a_password_that_was_asked_for(house: House) -> None:
    browser = house.browser()
    tokens(house, browser)
    page = begin(browser, prompt="select_account login")
    page = follow(browser, send_form(browser, page, account=house.filled.subject))
    assert 'id="password"' in page.text
