"""The token endpoint: every way in which it must refuse."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from jwt import InvalidSignatureError

from idp.accounts.actions import deactivate
from idp.accounts.models import find_by_username
from shared import clock
from tests.idp.conftest import House
from tests.idp.opinions import SecondOpinions
from tests.idp.walk import VERIFIER, as_spa, code_for, exchange, renew, tokens, who


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": None},
        {"code_verifier": "w" * 43},
        {"code_verifier": "v" * 42},
        {"code_verifier": VERIFIER + "\n"},
        {"redirect_uri": None},
        {"redirect_uri": "https://app.example.test/cb/"},
        {"code": "unknown"},
    ],
)
def test_a_code_needs_its_verifier_and_its_address_and_is_burnt_by_a_wrong_try(
    house: House, changes: dict[str, str | None]
) -> None:
    code = code_for(house, house.browser())
    answer = exchange(house, **({"code": code} | changes))  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.headers["cache-control"] == "no-store"
    if "code" not in changes:
        assert exchange(house, code).json()["error"] == "invalid_grant"


def test_a_second_use_of_a_code_ends_what_came_of_the_first(house: House) -> None:
    code = code_for(house, house.browser())
    got = exchange(house, code).json()
    assert who(house, got["access_token"]).status_code == 200
    assert exchange(house, code).json()["error"] == "invalid_grant"
    assert who(house, got["access_token"]).status_code == 401
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert {"code.reused", "grant.revoked"} <= set(house.acts())


def test_of_many_uses_at_once_exactly_one_succeeds(house: House) -> None:
    code = code_for(house, house.browser())
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: exchange(house, code).status_code, range(10)))
    assert sorted(answers) == [200] + [400] * 9


def test_a_code_is_good_for_a_minute(house: House) -> None:
    code = code_for(house, house.browser())
    house.later(seconds=61)
    assert exchange(house, code).json()["error"] == "invalid_grant"


def test_a_code_is_of_no_use_to_another_client(house: House) -> None:
    code = code_for(house, house.browser())
    data = {"grant_type": "authorization_code", "client_id": "spa", "code": code, "code_verifier": VERIFIER}
    answer = house.machine().post("/token", data=data | {"redirect_uri": "https://app.example.test/cb"})
    assert answer.json()["error"] == "invalid_grant"
    assert exchange(house, code).json()["error"] == "invalid_grant"


def test_refresh_tokens_rotate_and_a_second_use_ends_the_grant(house: House) -> None:
    first = tokens(house, house.browser())
    second = renew(house, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert who(house, second["access_token"]).status_code == 200
    house.later(seconds=11)
    assert renew(house, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert renew(house, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert who(house, second["access_token"]).status_code == 401
    assert "refresh-token.reused" in house.acts()


def test_a_second_use_within_the_grace_gets_the_same_successor(house: House) -> None:
    """Its first answer may have been lost on the way; who has used the successor has had it."""
    first = tokens(house, house.browser())
    one, two = (renew(house, first["refresh_token"]).json() for _ in range(2))
    assert one["refresh_token"] == two["refresh_token"]
    assert renew(house, two["refresh_token"]).status_code == 200
    assert renew(house, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_is_of_no_use_to_another_client(house: House) -> None:
    got = as_spa(house, house.browser())
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    data = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": got["refresh_token"]}
    assert house.machine().post("/token", data=data).json()["error"] == "invalid_grant"


def test_a_refresh_cannot_widen_the_scope_and_loses_what_the_client_lost(house: House) -> None:
    got = tokens(house, house.browser())
    assert renew(house, got["refresh_token"], scope="openid org").json()["error"] == "invalid_scope"
    house.change_client("web", scopes=["openid"])
    assert renew(house, got["refresh_token"]).json()["scope"] == "openid"


def test_a_closed_account_gets_nothing_any_more(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    code = code_for(house, browser)
    with house.db.write() as tx:
        account = find_by_username(tx, "hanhnth")
        assert account
        deactivate(tx, clock.now(), account)
    assert who(house, got["access_token"]).status_code == 401
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert exchange(house, code).json()["error"] == "invalid_grant"
    assert browser.get("/").headers["location"].startswith("/authorize")


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"])
def test_other_grants_do_not_exist(house: House, grant_type: str) -> None:
    auth = ("web", house.filled.web_secret)
    answer = house.machine().post("/token", data={"grant_type": grant_type, "username": "a", "password": "b"}, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_client_without_the_grant_is_refused(house: House) -> None:
    house.change_client("web", grant_types=["authorization_code"])
    got = tokens(house, house.browser())
    assert "refresh_token" not in got
    assert renew(house, "any").json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    ("auth", "data"),
    [
        (("web", "wrong"), {}),
        (("nobody", "wrong"), {}),
        (None, {"client_id": "web"}),
        (None, {"client_id": "web", "client_secret": "{secret}"}),
        (("web", "{secret}"), {"client_secret": "{secret}"}),
        (("web", "{secret}"), {"client_id": "spa"}),
        (("spa", "x"), {}),
        (None, {"client_id": "other"}),
        (None, {}),
    ],
)
def test_a_client_authenticates_as_registered_or_not_at_all(
    house: House, auth: tuple[str, str] | None, data: dict[str, str]
) -> None:
    secret = house.filled.web_secret
    form = {name: value.format(secret=secret) for name, value in data.items()}
    pair = (auth[0], auth[1].format(secret=secret)) if auth else None
    answer = house.machine().post("/token", data={"grant_type": "refresh_token", "refresh_token": "x"} | form, auth=pair)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /////w==", "Basic d2Vi", "Bearer abc"])
def test_a_broken_authorization_header_is_an_invalid_client(house: House, header: str) -> None:
    answer = house.machine().post("/token", data={"grant_type": "refresh_token"}, headers={"authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_the_token_endpoint_takes_a_form_by_post_with_each_parameter_once(house: House) -> None:
    machine, auth = house.machine(), ("web", house.filled.web_secret)
    assert machine.get("/token").status_code == 405
    assert machine.post("/token", json={"grant_type": "refresh_token"}, auth=auth).json()["error"] == "invalid_request"
    twice = "grant_type=refresh_token&refresh_token=a&refresh_token=b"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert machine.post("/token", content=twice, headers=form, auth=auth).json()["error"] == "invalid_request"
    assert machine.post("/token", content="grant_type=%ff", headers=form, auth=auth).json()["error"] == "invalid_request"
    for grant_type in ("authorization_code", "refresh_token"):
        assert machine.post("/token", data={"grant_type": grant_type}, auth=auth).json()["error"] == "invalid_request"


def test_only_the_origins_of_browser_clients_may_read_across_origins(house: House) -> None:
    machine = house.machine()
    for path in ("/token", "/userinfo", "/jwks", "/.well-known/openid-configuration"):
        known = machine.options(path, headers={"origin": "http://localhost:8500", "access-control-request-method": "POST"})
        assert (known.status_code, known.headers["access-control-allow-origin"]) == (204, "http://localhost:8500")
        for origin in ("http://localhost:8501", "https://app.example.test", "null"):
            answer = machine.options(path, headers={"origin": origin, "access-control-request-method": "POST"})
            assert "access-control-allow-origin" not in answer.headers
    spoken = machine.post("/token", data={}, headers={"origin": "http://localhost:8500"})
    assert spoken.headers["access-control-allow-origin"] == "http://localhost:8500"
    assert "access-control-allow-credentials" not in spoken.headers
    assert "access-control-allow-origin" not in machine.get("/login", headers={"origin": "http://localhost:8500"}).headers


def test_the_second_opinions_are_asked_and_would_object(house: House) -> None:
    opinions, got = SecondOpinions(house.app), tokens(house, house.browser())
    for name in ("id_token", "access_token"):
        said = opinions.agree(got[name])
        assert said
        assert said["sub"] == house.filled.subject
        head, body, signature = got[name].split(".")
        other = f"{head}.{body}.{signature[:-8]}{'A' * 8}"
        with pytest.raises(InvalidSignatureError):
            opinions.agree(other)
