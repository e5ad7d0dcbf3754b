"""The table of checks, seen from outside."""

import pytest

from tests.idp.conftest import APP, ISSUER, House
from tests.idp.walk import answer_of, ask

TO_THE_CLIENT = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "web_message"}, "invalid_request"),
    ({"scope": None}, "invalid_scope"),
    ({"scope": "profile"}, "invalid_scope"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "a" * 44}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "create"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"max_age": "9" * 30}, "invalid_request"),
    ({"id_token_hint": "a.b.c"}, "invalid_request"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request_object"),
    ({"request_uri": "https://app.example.test/r"}, "invalid_request_uri"),
    ({"prompt": "none"}, "login_required"),
]


@pytest.mark.parametrize(("changes", "error"), TO_THE_CLIENT)
def test_a_refusal_goes_to_the_registered_address_with_state_and_issuer(
    house: House, changes: dict[str, str | None], error: str
) -> None:
    browser = house.browser()
    answer = browser.get("/authorize", params=ask(**changes))
    while answer.headers.get("location", "").startswith("/"):
        answer = browser.get(answer.headers["location"])
    assert answer.headers["location"].startswith(f"{APP}/cb?")
    assert answer_of(answer) | {"error_description": ""} == {
        "error": error,
        "error_description": "",
        "state": "s-1",
        "iss": ISSUER,
    }
    assert answer.headers["cache-control"] == "no-store"


TO_THE_PERSON_ONLY = [
    {"client_id": None},
    {"client_id": "nobody"},
    {"redirect_uri": None},
    {"redirect_uri": f"{APP}/cb/"},
    {"redirect_uri": f"{APP}/cb?a=1"},
    {"redirect_uri": f"{APP}/cb#f"},
    {"redirect_uri": f"{APP}/cb/../x"},
    {"redirect_uri": "https://app.example.test@evil.test/cb"},
    {"redirect_uri": "https://app.example.test.evil.test/cb"},
    {"redirect_uri": "//app.example.test/cb"},
    {"redirect_uri": "javascript:alert(1)"},
    {"redirect_uri": "https://evil.test/", "response_type": "token"},
    {"redirect_uri": "https://evil.test/", "scope": "profile"},
    {"redirect_uri": "https://evil.test/", "prompt": "none"},
    {"redirect_uri": "http://[not-an-ip]/"},
    {"client_id": "native", "redirect_uri": "http://localhost:9000/cb"},
    {"client_id": "native", "redirect_uri": "http://127.0.0.1:9000/other"},
    {"client_id": "native", "redirect_uri": "http://127.0.0.1:9000@evil.test/cb"},
    {"client_id": "spa", "redirect_uri": "http://localhost:8501/cb"},
    {"state": "x" * 20_000},
    {"request_uri": "urn:ietf:params:oauth:request_uri:unknown"},
]


@pytest.mark.parametrize("changes", TO_THE_PERSON_ONLY)
def test_before_the_address_is_known_to_be_the_clients_a_refusal_goes_nowhere(
    house: House, changes: dict[str, str | None]
) -> None:
    answer = house.browser().get("/authorize", params=ask(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert 'id="problem-authorization-request-refused"' in answer.text
    assert 'href="https://evil.test' not in answer.text


@pytest.mark.parametrize("name", ["redirect_uri", "client_id", "scope", "state", "nonce"])
def test_a_repeated_parameter_is_refused(house: House, name: str) -> None:
    pairs = [*ask().items(), (name, "https://evil.test/")]
    answer = house.browser().get("/authorize", params=pairs)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_an_unknown_parameter_and_an_unknown_scope_are_ignored(house: House) -> None:
    answer = house.browser().get("/authorize", params=ask(extra="foobar", scope="openid teleport"))
    assert answer.headers["location"].startswith("/login?request=")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:49152/cb", "http://127.0.0.1/cb", "test.example.app:/cb"])
def test_a_native_client_may_listen_on_any_port_of_the_loopback_address(house: House, uri: str) -> None:
    answer = house.browser().get("/authorize", params=ask(client_id="native", redirect_uri=uri))
    assert answer.headers["location"].startswith("/login?request=")


@pytest.mark.parametrize("place", ["state", "login_hint", "ui_locales"])
def test_script_in_a_parameter_is_never_shown_as_markup(house: House, place: str) -> None:
    browser = house.browser()
    answer = browser.get("/authorize", params=ask(**{place: '"><script>alert(1)</script>'}))
    while answer.headers.get("location", "").startswith("/"):
        answer = browser.get(answer.headers["location"])
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
