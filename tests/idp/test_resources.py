"""Resource indicators (RFC 8707): for which services a token is, and for no other."""

from collections.abc import Sequence
from typing import Any

import pytest
from httpx2 import Response
from jose import jwt as second_opinion

from idp.clients.rules import CLIENT_CREDENTIALS, CODE, REFRESH
from tests.idp.conftest import API, APP, ISSUER, House
from tests.idp.walk import VERIFIER, answer_of, ask, follow, sign_in

ARCHIVE, NOTES = "https://archive.example.test", "urn:dienhong:notes"


@pytest.fixture
def house(house: House) -> House:
    house.change_client("web", audiences=[API, ARCHIVE, NOTES], grant_types=[CODE, REFRESH, CLIENT_CREDENTIALS])
    return house


def audience(answer: Response) -> Any:
    assert answer.status_code == 200, answer.text
    return second_opinion.get_unverified_claims(answer.json()["access_token"])["aud"]


def code_for(house: House, *resources: str) -> str:
    browser = house.browser()
    pairs = [*ask().items(), *(("resource", one) for one in resources)]
    return answer_of(sign_in(browser, follow(browser, browser.get("/authorize", params=pairs))))["code"]


def at_token(house: House, form: dict[str, str], resources: Sequence[str] = ()) -> Response:
    data: dict[str, Any] = {**form, "resource": list(resources)} if resources else dict(form)
    return house.machine().post("/token", data=data, auth=("web", house.filled.web_secret))


def redeem(house: House, code: str, *resources: str) -> Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
    return at_token(house, form, resources)


def renew(house: House, answer: Response, *resources: str) -> Response:
    form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    return at_token(house, form, resources)


def test_without_a_wish_a_token_is_for_all_that_the_client_may_reach(house: House) -> None:
    assert audience(redeem(house, code_for(house))) == [API, ARCHIVE, NOTES, ISSUER]


def test_a_request_may_name_several(house: House) -> None:
    assert audience(redeem(house, code_for(house, ARCHIVE, NOTES, ARCHIVE))) == [ARCHIVE, NOTES, ISSUER]


def test_each_token_may_be_for_fewer_while_the_grant_keeps_all(house: House) -> None:
    first = redeem(house, code_for(house, API, ARCHIVE), ARCHIVE)
    assert audience(first) == [ARCHIVE, ISSUER]
    second = renew(house, first, API)
    assert audience(second) == [API, ISSUER]
    assert audience(renew(house, second)) == [API, ARCHIVE, ISSUER]


def test_a_token_is_never_for_more_than_the_grant(house: House) -> None:
    code = code_for(house, API)
    assert redeem(house, code, ARCHIVE).json()["error"] == "invalid_target"
    granted = redeem(house, code_for(house, API))
    assert renew(house, granted, API, ARCHIVE).json()["error"] == "invalid_target"
    assert audience(renew(house, granted)) == [API, ISSUER]  # an honest mistake costs nobody the token


@pytest.mark.parametrize("resource", ["https://other.example.test", f"{API}/", f"{API}#x", "api", "javascript:alert(1)"])
def test_a_resource_that_is_not_the_clients_is_refused(house: House, resource: str) -> None:
    browser = house.browser()
    answer = answer_of(browser.get("/authorize", params=ask(resource=resource)))
    assert (answer["error"], answer["state"]) == ("invalid_target", "s-1")
    assert house.acts()[-1] == "refused.authorize"
    code = code_for(house)
    assert redeem(house, code, resource).json()["error"] == "invalid_target"
    assert at_token(house, {"grant_type": CLIENT_CREDENTIALS}, [resource]).json()["error"] == "invalid_target"


def test_a_client_for_itself_names_them_too(house: House) -> None:
    house.change_client("web", scopes=["openid", "archive"])
    assert audience(at_token(house, {"grant_type": CLIENT_CREDENTIALS}, [ARCHIVE, NOTES])) == [ARCHIVE, NOTES, ISSUER]


def test_a_resource_that_was_taken_from_the_client_is_no_longer_reached(house: House) -> None:
    granted = redeem(house, code_for(house, API, ARCHIVE))
    house.change_client("web", audiences=[API])
    fresh = renew(house, granted)
    assert audience(fresh) == [API, ISSUER]
    house.change_client("web", audiences=[NOTES])
    assert renew(house, fresh).json()["error"] == "invalid_target"
