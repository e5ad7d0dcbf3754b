"""Rich authorization requests (RFC 9396): which details a client may ask for, how people see them, how they are narrowed."""

import json
from typing import Any

import pytest
from jose import jwt as second_opinion

from tests.idp.conftest import House
from tests.idp.walk import answer_of, ask, begin, exchange, follow, renew, send_form, sign_in, tokens

SEAL = {
    "type": "seal_document",
    "actions": ["read", "seal"],
    "locations": ["https://archive.example.test"],
    "identifier": "NQ-12/2026",
}


@pytest.fixture
def house(house: House) -> House:
    house.change_client("web", details_types=["seal_document", "read_agenda"])
    return house


def wanting(*details: Any) -> dict[str, str]:
    return {"authorization_details": json.dumps(details)}


def test_details_are_in_the_answer_the_token_and_its_introspection(house: House) -> None:
    got = tokens(house, house.browser(), **wanting(SEAL))
    assert got["authorization_details"] == [SEAL]
    assert second_opinion.get_unverified_claims(got["access_token"])["authorization_details"] == [SEAL]
    auth = ("web", house.filled.web_secret)
    told = house.machine().post("/introspect", data={"token": got["access_token"]}, auth=auth).json()
    assert told["authorization_details"] == [SEAL]
    assert renew(house, got["refresh_token"]).json()["authorization_details"] == [SEAL]


def test_a_pushed_request_carries_them_too(house: House) -> None:
    auth = ("web", house.filled.web_secret)
    pushed = house.machine().post("/par", data=ask(**wanting(SEAL)), auth=auth).json()
    browser = house.browser()
    page = follow(browser, browser.get("/authorize", params={"client_id": "web", "request_uri": pushed["request_uri"]}))
    code = answer_of(sign_in(browser, page))["code"]
    assert exchange(house, code).json()["authorization_details"] == [SEAL]
    refused = house.machine().post("/par", data=ask(**wanting({"type": "x"})), auth=auth)
    assert refused.json()["error"] == "invalid_authorization_details"


BAD = [
    "seal",
    "{}",
    "[]",
    "[1]",
    "[null]",
    '["seal_document"]',
    '[{"actions":["read"]}]',
    '[{"type":7}]',
    '[{"type":"pay"}]',
    '[{"type":["seal_document"]}]',
    '[{"type":"seal_document","actions":"read"}]',
    '[{"type":"seal_document","locations":[1]}]',
    '[{"type":"seal_document","identifier":{}}]',
    '[{"type":"seal_document","amount":NaN}]',
    '[{"type":"seal_document","amount":1e999}]',
    '[{"type":"seal_document","x":"\\ud800"}]',
    "[" * 5000 + "]" * 5000,
    json.dumps([SEAL] * 21),
    json.dumps([{"type": "seal_document"} | {f"m{n}": n for n in range(30)}]),
]


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_details_that_cannot_be_taken_are_refused(house: House, text: str) -> None:
    answer = answer_of(begin(house.browser(), authorization_details=text))
    assert (answer["error"], answer["state"]) == ("invalid_authorization_details", "s-1")
    assert house.acts()[-1] == "refused.authorize"


def test_a_client_without_types_may_ask_for_none(house: House) -> None:
    house.change_client("web", details_types=[])
    assert answer_of(begin(house.browser(), **wanting(SEAL)))["error"] == "invalid_authorization_details"


def test_a_person_sees_the_details_in_words_each_time_and_nothing_of_them_as_markup(house: House) -> None:
    house.change_client("web", trusted=False)
    browser = house.browser()
    evil = SEAL | {"note": "<script>alert(1)</script>", "limits": {"pages": 3}}
    page = sign_in(browser, begin(browser, **wanting(evil)))
    for words in ('id="consent-details"', "seal_document", "read, seal", "https://archive.example.test", "NQ-12/2026"):
        assert words in page.text
    assert "<script>alert" not in page.text
    assert "pages" in page.text
    assert "code" in answer_of(follow(browser, send_form(browser, page, decision="allow")))
    again = begin(browser, **wanting(SEAL))  # the scopes are allowed by now, these details are not
    assert 'id="consent-details"' in again.text
    silent = answer_of(begin(browser, prompt="none", **wanting(SEAL)))
    assert silent["error"] == "consent_required"
    denied = answer_of(follow(browser, send_form(browser, again, decision="deny")))
    assert denied["error"] == "access_denied"


@pytest.mark.parametrize(
    "narrower",
    [SEAL, SEAL | {"actions": ["read"]}],
)
def test_a_token_request_may_narrow_them(house: House, narrower: dict[str, Any]) -> None:
    got = tokens(house, house.browser(), **wanting(SEAL, {"type": "read_agenda"}))
    answer = renew(house, got["refresh_token"], **wanting(narrower))
    assert answer.json()["authorization_details"] == [narrower]
    whole = renew(house, answer.json()["refresh_token"])
    assert len(whole.json()["authorization_details"]) == 2  # the grant keeps what was allowed


@pytest.mark.parametrize(
    "wider",
    [
        SEAL | {"actions": ["read", "seal", "shred"]},
        SEAL | {"identifier": "NQ-13/2026"},
        SEAL | {"amount": 5},
        SEAL | {"actions": []},
        {name: value for name, value in SEAL.items() if name != "actions"},
        {name: value for name, value in SEAL.items() if name != "identifier"},
        {"type": "read_agenda"},
        {"type": "pay"},
    ],
)
def test_and_never_widen_them(house: House, wider: dict[str, Any]) -> None:
    got = tokens(house, house.browser(), **wanting(SEAL))
    answer = renew(house, got["refresh_token"], **wanting(wider))
    assert answer.json()["error"] == "invalid_authorization_details"
    assert renew(house, got["refresh_token"]).status_code == 200  # an honest mistake costs nobody the token


def test_a_list_may_be_set_where_the_grant_has_none(house: House) -> None:
    whole = {"type": "seal_document"}
    got = tokens(house, house.browser(), **wanting(whole))
    answer = renew(house, got["refresh_token"], **wanting(whole | {"actions": ["read"]}))
    assert answer.json()["authorization_details"] == [whole | {"actions": ["read"]}]
