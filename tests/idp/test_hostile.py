"""What strangers may send: it is refused as such, never a fault, and nothing of it stays in memory or in a link."""

import json
from base64 import b64encode
from secrets import token_hex

import pytest

from tests.idp.conftest import House
from tests.idp.signed import Key
from tests.idp.test_registration import NEW
from tests.idp.walk import answer_of, begin, sign_in


@pytest.mark.parametrize("sub", ["\ud800", "a\0b", token_hex(5000), " "])
def test_a_subject_that_nobody_can_have_is_nobodys(house: House, sub: str) -> None:
    browser = house.browser()
    page = begin(browser, claims=json.dumps({"id_token": {"sub": {"value": sub}}}))
    assert page.status_code == 200
    assert answer_of(sign_in(browser, page))["error"] == "login_required"


@pytest.mark.parametrize("path", ["//evil.test/x", "/%5Cevil.test/x"])
def test_no_link_of_a_page_leads_where_its_address_says(house: House, path: str) -> None:
    page = house.browser().get(f"https://id.example.test{path}")
    assert (page.status_code, 'href="?lang=en"' in page.text, "evil.test" in page.text) == (404, True, False)


def test_the_id_of_a_client_that_cannot_be_is_neither_asked_for_nor_kept(house: House) -> None:
    for client_id in ("x" * 15_000, "a%00b"):
        basic = {"authorization": f"Basic {b64encode(f'{client_id}:s'.encode()).decode()}"}
        answer = house.machine().post("/token", data={"grant_type": "client_credentials"}, headers=basic)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert not [name for name in house.db.kept if name.startswith("client/")]


@pytest.mark.parametrize("odd", ['"\\ud800"', "NaN", "1e999", '1, "use": "sig"'])
def test_metadata_that_could_not_be_told_again_are_refused(house: House, odd: str) -> None:
    body = json.dumps(NEW | {"jwks": {"keys": [Key().jwk]}}).replace('"use"', f'"odd": {odd}, "use"')
    bearer = {"authorization": f"Bearer {house.filled.initial_token}"}
    answer = house.machine().post("/register", content=body, headers=bearer)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
