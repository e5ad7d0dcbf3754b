"""Revocation (RFC 7009): each client takes back its own, and learns nothing of others'."""

import pytest
from httpx2 import Response

from tests.idp.conftest import House
from tests.idp.walk import as_spa, renew, tokens, who


def revoke(house: House, token: str, **form: str) -> Response:
    return house.machine().post("/revoke", data={"token": token, **form}, auth=("web", house.filled.web_secret))


def test_a_refresh_token_takes_all_of_its_grant_with_it(house: House) -> None:
    got = tokens(house, house.browser())
    answer = revoke(house, got["refresh_token"])
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["cache-control"] == "no-store"
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert who(house, got["access_token"]).status_code == 401
    assert "grant.revoked" in house.acts()


def test_an_access_token_goes_alone_at_once_and_once_in_the_record(house: House) -> None:
    got = tokens(house, house.browser())
    for _ in range(2):
        assert revoke(house, got["access_token"], token_type_hint="refresh_token").status_code == 200
    assert who(house, got["access_token"]).status_code == 401
    assert house.acts().count("token.revoked") == 1
    assert renew(house, got["refresh_token"]).status_code == 200


def test_another_clients_tokens_stay_and_nothing_is_told(house: House) -> None:
    theirs = as_spa(house, house.browser())
    for name in ("access_token", "refresh_token"):
        answer = revoke(house, theirs[name])
        assert (answer.status_code, answer.text) == (200, "")
    assert who(house, theirs["access_token"]).status_code == 200
    data = {"grant_type": "refresh_token", "refresh_token": theirs["refresh_token"], "client_id": "spa"}
    assert house.machine().post("/token", data=data).status_code == 200


def test_a_public_client_takes_back_its_own(house: House) -> None:
    mine = as_spa(house, house.browser())
    assert house.machine().post("/revoke", data={"token": mine["access_token"], "client_id": "spa"}).status_code == 200
    assert who(house, mine["access_token"]).status_code == 401


@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 12_000, "eyJhbGciOiJub25lIn0.e30."])
def test_what_nobody_knows_is_answered_alike(house: House, token: str) -> None:
    answer = revoke(house, token)
    assert (answer.status_code, answer.text) == (200, "")


def test_a_used_code_of_another_kind_is_no_token(house: House) -> None:
    got = tokens(house, house.browser())
    revoke(house, got["id_token"])
    assert who(house, got["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "web"}, 401, "invalid_client"),
        ({"client_id": "web", "client_secret": "x"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
    ],
)
def test_a_stranger_is_refused(house: House, form: dict[str, str], status: int, error: str) -> None:
    got = tokens(house, house.browser())
    answer = house.machine().post("/revoke", data=form | {"token": got["access_token"]})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert house.acts()[-1] == "refused.revoke"
    assert who(house, got["access_token"]).status_code == 200


def test_a_token_is_missing(house: House) -> None:
    answer = house.machine().post("/revoke", auth=("web", house.filled.web_secret))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
