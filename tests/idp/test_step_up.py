"""Step-up (RFC 9470; OpenID Connect Core, 5.5.1.1): how a client asks for a stronger or a fresher sign-in, and what it gets."""

import json

import pytest
from jose import jwt as second_opinion

from idp.login.rules import PASSWORD as BY_PASSWORD
from idp.login.rules import TWO_FACTOR
from tests.idp.conftest import House
from tests.idp.test_second_factor import enrol, give, to_code
from tests.idp.walk import answer_of, ask, begin, exchange, follow, sign_in, tokens


def demanding(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def acr_of(house: House, code: str) -> object:
    return second_opinion.get_unverified_claims(exchange(house, code).json()["id_token"])["acr"]


def test_metadata_name_both_classes(house: House) -> None:
    metadata = house.machine().get("/.well-known/openid-configuration").json()
    assert metadata["acr_values_supported"] == [BY_PASSWORD, TWO_FACTOR]


def test_a_wish_that_cannot_be_met_is_only_a_wish(house: House) -> None:
    browser = house.browser()
    code = answer_of(sign_in(browser, begin(browser, acr_values=f"{TWO_FACTOR} urn:unknown")))["code"]
    assert acr_of(house, code) == BY_PASSWORD


def test_a_demand_that_a_person_without_a_second_factor_cannot_meet_is_told(house: House) -> None:
    browser = house.browser()
    answer = answer_of(sign_in(browser, begin(browser, claims=demanding(TWO_FACTOR))))
    assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", "s-1")
    silent = answer_of(begin(browser, claims=demanding(TWO_FACTOR), prompt="none"))
    assert silent["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("values", [("urn:unknown",), ("urn:unknown", "phr")])
def test_a_demand_that_nobody_can_meet_is_told_at_once(house: House, values: tuple[str, ...]) -> None:
    answer = answer_of(house.browser().get("/authorize", params=ask(claims=demanding(*values))))
    assert answer["error"] == "unmet_authentication_requirements"
    assert house.acts()[-1] == "refused.authorize"


def test_a_demand_is_met_by_the_second_factor(house: House) -> None:
    _, telephone, _ = enrol(house)
    browser, page = to_code(house, claims=demanding(TWO_FACTOR))
    assert acr_of(house, answer_of(give(browser, page, telephone.code(house)))["code"]) == TWO_FACTOR
    again = answer_of(begin(browser, claims=demanding(TWO_FACTOR), prompt="none"))
    assert acr_of(house, again["code"]) == TWO_FACTOR


def test_a_service_that_wants_a_fresher_sign_in_gets_it_by_max_age(house: House) -> None:
    browser = house.browser()
    before = second_opinion.get_unverified_claims(tokens(house, browser)["access_token"])
    house.later(minutes=10)
    assert "code" in answer_of(begin(browser))
    page = begin(browser, max_age="300", acr_values=BY_PASSWORD)
    assert 'name="username"' in page.text
    got = exchange(house, answer_of(follow(browser, sign_in(browser, page)))["code"]).json()
    after = second_opinion.get_unverified_claims(got["access_token"])
    assert after["auth_time"] - before["auth_time"] >= 600
    assert after["acr"] == BY_PASSWORD
