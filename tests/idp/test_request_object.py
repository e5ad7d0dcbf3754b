"""Signed requests (RFC 9101; OpenID Connect Core, 6): by value and from a registered address."""

from typing import Any

import jwt
import pytest
from httpx2 import Response

from idp.clients.rules import Profile
from tests.idp.conftest import ISSUER, House
from tests.idp.signed import CB, Key, Rp, now, register_rp
from tests.idp.walk import answer_of, follow, sign_in

PLACE = "https://rp.example.test/request.jwt"


@pytest.fixture
def rp(house: House) -> Rp:
    members: dict[str, Any] = {"profile": Profile.PLAIN, "dpop_bound": False, "require_pkce": False, "jwks_uri": ""}
    return register_rp(house, house.machine(), **members, request_uris=(f"{PLACE}#v1",))


def send(house: House, rp: Rp, token: str, **outside: str) -> Response:
    browser = house.browser()
    return follow(browser, browser.get("/authorize", params={"client_id": rp.id, "request": token} | outside))


def test_what_the_object_says_counts_and_nothing_beside_it(house: House, rp: Rp) -> None:
    browser = house.browser()
    outside = {
        "redirect_uri": "https://evil.test/",
        "state": "outside",
        "scope": "openid",
        "prompt": "none",
        "nonce": "outside",
    }
    token = rp.request_object(state="inside", max_age=3600, resource=["https://api.example.test"])
    page = follow(browser, browser.get("/authorize", params={"client_id": rp.id, "request": token} | outside))
    answer = sign_in(browser, page)
    assert answer.headers["location"].startswith(f"{CB}?")
    assert answer_of(answer)["state"] == "inside"
    got = rp.exchange(answer_of(answer)["code"], dpop=None).json()
    assert jwt.decode(got["id_token"], options={"verify_signature": False})["nonce"] == "n-1"
    assert jwt.decode(got["access_token"], options={"verify_signature": False})["aud"] == ["https://api.example.test", ISSUER]


def test_a_state_that_stands_outside_only_is_not_used(house: House, rp: Rp) -> None:
    answer = send(house, rp, rp.request_object(state=None, prompt="none"), state="outside")
    assert "state" not in answer_of(answer)
    assert answer_of(answer)["error"] == "login_required"


BAD: list[dict[str, Any]] = [
    {"iss": "other"},
    {"iss": None},
    {"aud": "https://elsewhere.example.test"},
    {"aud": None},
    {"client_id": "web"},
    {"exp": now() - 120},
    {"exp": "soon"},
    {"nbf": now() + 100_000},
    {"request": "a.b.c"},
    {"request_uri": PLACE},
    {"header": {"typ": "JWS"}},
    {"header": {"typ": "client-authentication+jwt"}},
    {"header": {"crit": ["x"], "x": 1}},
    {"header": {"kid": "unknown"}},
    {"prompt": None, "state": True},
    {"max_age": 1.5},
    {"key": Key()},
]


@pytest.mark.parametrize("changes", BAD)
def test_an_object_that_does_not_hold_is_refused_to_the_registered_address_outside(
    house: House, rp: Rp, changes: dict[str, Any]
) -> None:
    token = rp.request_object(**changes)
    answer = answer_of(send(house, rp, token, redirect_uri=CB, state="outside"))
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request_object", "outside", ISSUER)
    assert "refused.authorize" in house.acts()


def test_an_unsigned_or_forged_object_is_refused(house: House, rp: Rp) -> None:
    claims = jwt.decode(rp.request_object(), options={"verify_signature": False})
    forged = [
        jwt.encode(claims, None, "none"),
        jwt.encode(claims, "k" * 32, "HS256", {"kid": rp.key.jkt}),
        rp.request_object()[:-4] + "AAAA",
        "a.b.c.d.e",
        rp.request_object(header={"jwk": rp.key.public, "kid": None}, key=Key()),
    ]
    for token in forged:
        assert answer_of(send(house, rp, token, redirect_uri=CB))["error"] == "invalid_request_object"


@pytest.mark.parametrize("outside", [{}, {"redirect_uri": "https://evil.test/"}, {"redirect_uri": f"{CB}/"}])
def test_a_refusal_goes_nowhere_that_is_not_registered(house: House, rp: Rp, outside: dict[str, str]) -> None:
    answer = send(house, rp, rp.request_object(iss="other", redirect_uri=CB), **outside)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert 'id="problem-authorization-request-refused"' in answer.text


def test_a_redirect_uri_inside_must_be_registered_too(house: House, rp: Rp) -> None:
    answer = send(house, rp, rp.request_object(redirect_uri="https://evil.test/"), redirect_uri=CB)
    assert answer.status_code == 400
    assert send(house, rp, rp.request_object(redirect_uri=None), redirect_uri=CB).status_code == 400


def test_an_assertion_does_not_pass_for_a_request(house: House, rp: Rp) -> None:
    token = rp.assertion(**rp.asked())
    assert answer_of(send(house, rp, token, redirect_uri=CB))["error"] == "invalid_request_object"


def test_only_the_registered_algorithm_counts(house: House) -> None:
    rp = register_rp(house, house.machine(), key=Key("RS256"), profile=Profile.PLAIN, request_object_alg="RS256")
    assert send(house, rp, rp.request_object()).url.path == "/login"
    house.change_client(rp.id, request_object_alg="PS256")
    assert answer_of(send(house, rp, rp.request_object(), redirect_uri=CB))["error"] == "invalid_request_object"


def test_a_client_that_must_sign_is_refused_without(house: House, rp: Rp) -> None:
    house.change_client(rp.id, require_request_object=True)
    browser = house.browser()
    assert answer_of(browser.get("/authorize", params=rp.asked()))["error"] == "invalid_request"
    assert rp.post("/par", rp.asked(), dpop=None).json()["error"] == "invalid_request"
    assert send(house, rp, rp.request_object()).url.path == "/login"
    pushed = rp.post("/par", {"client_id": rp.id, "request": rp.request_object()}, dpop=None).json()["request_uri"]
    page = follow(browser, browser.get("/authorize", params={"client_id": rp.id, "request_uri": pushed}))
    assert answer_of(sign_in(browser, page))["state"] == "s-1"


def test_a_pushed_object_is_refused_as_json(house: House, rp: Rp) -> None:
    for token in (rp.request_object(aud="x"), "x"):
        answer = rp.post("/par", {"client_id": rp.id, "request": token}, dpop=None)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")
    refused = rp.post("/par", rp.asked(request_uri=PLACE), dpop=None)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


class Shelf:
    """Stands where requests go out, with one file on it."""

    def __init__(self, body: bytes | None) -> None:
        self.body, self.asked = body, list[str]()

    async def get(self, _settings: Any, url: str, *, fresh: bool) -> bytes | None:
        self.asked.append(url)
        return self.body


def fetch(house: House, rp: Rp, uri: str, **outside: str) -> Response:
    browser = house.browser()
    return follow(browser, browser.get("/authorize", params={"client_id": rp.id, "request_uri": uri} | outside))


def test_an_object_at_a_registered_address_is_fetched(house: House, rp: Rp) -> None:
    shelf = house.app.state.outbound = Shelf(rp.request_object().encode())
    for uri in (PLACE, f"{PLACE}#v1", f"{PLACE}#v2"):
        assert fetch(house, rp, uri).url.path == "/login"
    assert set(shelf.asked) == {PLACE}


@pytest.mark.parametrize(
    "uri", ["https://evil.test/r.jwt", f"{PLACE}?a=1", "http://rp.example.test/request.jwt", "urn:x", "file:///etc/passwd", "x"]
)
def test_nothing_is_fetched_from_an_address_that_is_not_registered(house: House, rp: Rp, uri: str) -> None:
    shelf = house.app.state.outbound = Shelf(rp.request_object().encode())
    assert answer_of(fetch(house, rp, uri, redirect_uri=CB))["error"] == "invalid_request_uri"
    assert shelf.asked == []


def test_what_cannot_be_had_or_is_no_object_is_refused(house: House, rp: Rp) -> None:
    house.app.state.outbound = Shelf(None)
    assert answer_of(fetch(house, rp, PLACE, redirect_uri=CB))["error"] == "invalid_request_uri"
    for body in (b"", b"<html>", b"\xff\xfe", rp.request_object(aud="x").encode()):
        house.app.state.outbound = Shelf(body)
        assert answer_of(fetch(house, rp, PLACE, redirect_uri=CB))["error"] == "invalid_request_object"
    both = fetch(house, rp, PLACE, request=rp.request_object(), redirect_uri=CB)
    assert answer_of(both)["error"] == "invalid_request_object"


def test_discovery_tells_of_request_objects(house: House) -> None:
    told = house.machine().get("/.well-known/openid-configuration").json()
    assert told["request_parameter_supported"] is True
    assert told["request_uri_parameter_supported"] is False  # nothing may be fetched here
    assert told["request_object_signing_alg_values_supported"] == ["RS256", "ES256", "PS256"]
