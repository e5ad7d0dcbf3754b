"""Attacks on how clients prove who they are, and on what they may ask: C16 to C26."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from httpx2 import Response

from idp.clients.rules import CIBA, CLIENT_CREDENTIALS, CODE, DEVICE, EXCHANGE, REFRESH, Profile
from idp.inventory import ROUTES, Who
from tests.idp.attacks.refusals import check_error, check_page, new_client, one_refusal
from tests.idp.conftest import APP, ISSUER, House
from tests.idp.signed import ASSERTION, Key, Rp, now, register_rp
from tests.idp.walk import VERIFIER, answer_of, ask, code_for, exchange, tokens, who

EVERY_GRANT = (CODE, REFRESH, DEVICE, CIBA, EXCHANGE, CLIENT_CREDENTIALS)


def post(house: House, path: str, auth: tuple[str, str] | None = None, **form: str) -> Response:
    return house.machine().post(path, data=form, auth=auth or ("web", house.filled.web_secret))


@pytest.fixture(scope="module")
def rp(standing: House) -> Rp:
    plain: dict[str, Any] = {"profile": Profile.PLAIN, "dpop_bound": False, "require_pkce": False, "jwks_uri": ""}
    return register_rp(standing, standing.machine(), **plain, grant_types=EVERY_GRANT)


@dataclass(frozen=True)
class From:
    """An instant of the test's run, not of its collection."""

    now: int  # seconds

    @classmethod
    def settle(cls, changes: dict[str, Any]) -> dict[str, Any]:
        return {name: now() + value.now if isinstance(value, cls) else value for name, value in changes.items()}


BAD_ASSERTIONS: list[dict[str, Any]] = [
    *({"jti": jti} for jti in (None, "", 7, ["x"], "x" * 257)),
    *({"exp": exp} for exp in (None, "soon", 10**400, 1e300, True)),
    *({"exp": From(now=seconds)} for seconds in (3600, 10**6, -120)),
    {"nbf": From(now=3600)},
    {"iat": From(now=3600)},
    *(
        {"aud": aud}
        for aud in (None, [], "https://other.test", [ISSUER, "https://other.test"], f"{ISSUER}/revoke", {"a": ISSUER})
    ),
    *({"aud": aud} for aud in ("https://other.test/token", ISSUER + "/", "http://id.example.test", "id.example.test")),
    *({"iss": iss} for iss in (None, "web", ISSUER)),
    *({"sub": sub} for sub in (None, "web", "nobody")),
    {"header": {"typ": "at+jwt"}},
    {"header": {"typ": "dpop+jwt"}},
    {"header": {"typ": "oauth-authz-req+jwt"}},
]


@pytest.mark.parametrize("changes", BAD_ASSERTIONS, ids=lambda changes: str(changes)[:50])
def test_c16_an_assertion_holds_in_every_respect(house: House, rp: Rp, changes: dict[str, Any]) -> None:
    for path, form in (("/token", {"grant_type": CLIENT_CREDENTIALS}), ("/par", rp.asked()), ("/introspect", {"token": "x"})):
        with one_refusal(house, f"refused{path.replace('/', '.')}"):
            check_error(rp.post(path, form, assertion=rp.assertion(**From.settle(changes)), dpop=None), 401, "invalid_client")


def test_c16_an_assertion_comes_once_wherever_it_goes(house: House, rp: Rp) -> None:
    for second in ("/token", "/par", "/introspect"):
        sent = rp.assertion()
        assert rp.post("/token", {"grant_type": CLIENT_CREDENTIALS}, assertion=sent, dpop=None).status_code == 200
        form = rp.asked() | {"grant_type": CLIENT_CREDENTIALS, "token": "x"}
        with one_refusal(house, f"refused{second.replace('/', '.')}"):
            check_error(rp.post(second, form, assertion=sent, dpop=None), 401, "invalid_client")


def test_c17_a_client_of_keys_has_no_secret(house: House, rp: Rp) -> None:
    unsigned = jwt.encode({"iss": rp.id, "sub": rp.id, "aud": ISSUER, "jti": "x", "exp": now() + 60}, None, algorithm="none")
    form = {"grant_type": CLIENT_CREDENTIALS, "client_id": rp.id}
    by_hand = {"client_assertion_type": ASSERTION, "client_assertion": unsigned}
    good = {"client_assertion_type": ASSERTION, "client_assertion": rp.assertion()}
    for sent, auth in (
        (form | {"client_secret": "x"}, None),
        (form | {"client_secret": ""}, None),
        (form, None),
        (form, (rp.id, "x")),
        (form | by_hand, None),
        (form | by_hand | {"client_secret": "x"}, None),
        (form | good | {"client_secret": "x"}, None),
        (form | good, ("web", house.filled.web_secret)),
        (form | good | {"client_id": "web"}, None),
        (form | good | {"client_assertion_type": "urn:x"}, None),
    ):
        with one_refusal(house, "refused.token"):
            check_error(house.machine().post("/token", data=sent, auth=auth), 401, "invalid_client")


def test_c18_basic_credentials_are_decoded_one_way(house: House) -> None:
    secret = house.filled.web_secret
    for header in (
        b64encode(f"web:{secret}:x".encode()).decode(),
        b64encode(f"web{secret}".encode()).decode(),
        b64encode(f"web%3A{secret}".encode()).decode(),
        b64encode(f"web :{secret}".encode()).decode(),
        b64encode(f" web:{secret}".encode()).decode(),
        b64encode(f"web:{secret}\0".encode()).decode(),
        b64encode(b"\xff\xfe:x").decode(),
        b64encode(f"web:{secret}".encode()).decode() + "!",
        "=",
        "",
    ):
        with one_refusal(house, "refused.token"):
            answer = house.machine().post(
                "/token", data={"grant_type": CODE, "code": "x"}, headers={"authorization": f"Basic {header}"}
            )
        check_error(answer, 401, "invalid_client")


def test_c18_percent_signs_are_decoded_as_the_standard_says(house: House) -> None:
    """RFC 6749, 2.3.1: both parts are form-encoded before they are joined."""
    odd, secret = new_client(house)
    encoded = "".join(f"%{ord(sign):02X}" for sign in odd)
    sent = {"authorization": "Basic " + b64encode(f"{encoded}:{secret}".encode()).decode()}
    assert house.machine().post("/introspect", data={"token": "x"}, headers=sent).json() == {"active": False}


def test_c19_a_token_is_of_use_for_one_purpose(house: House, person: Any, rp: Rp) -> None:
    got = tokens(house, person)
    logout = jwt.encode({"iss": ISSUER, "aud": "web"}, rp.key.private, "ES256", {"typ": "logout+jwt", "kid": rp.key.jkt})
    for token in (got["id_token"], got["refresh_token"], rp.assertion(), rp.request_object(), logout):
        with one_refusal(house, "refused.userinfo"):
            assert who(house, token).status_code == 401
    for token in (got["access_token"], got["refresh_token"], rp.assertion(), rp.request_object(), logout):
        with one_refusal(house, "refused.authorize"):
            assert answer_of(person.get("/authorize", params=ask(id_token_hint=token)))["error"] == "invalid_request"
    for token in (got["id_token"], got["access_token"], rp.request_object(), logout):
        with one_refusal(house, "refused.token"):
            check_error(
                rp.post("/token", {"grant_type": CLIENT_CREDENTIALS}, assertion=token, dpop=None), 401, "invalid_client"
            )
    for token in (got["id_token"], got["access_token"], logout, rp.assertion()):
        with one_refusal(house, "refused.authorization-request-refused"):
            check_page(person.get("/authorize", params={"client_id": rp.id, "request": token}))


def test_c20_no_token_for_a_service_that_the_client_has_nothing_to_do_with(house: House, person: Any) -> None:
    auth = new_client(house, grant_types=EVERY_GRANT, scopes=("openid", "report"))
    for wrong in ("https://other.example.test", "x", f"{APP}#f", "//x", ISSUER):
        with one_refusal(house, "refused.authorize"):
            assert answer_of(person.get("/authorize", params=ask(resource=wrong)))["error"] == "invalid_target"
        with one_refusal(house, "refused.token"):
            answer = post(house, "/token", auth, grant_type=CLIENT_CREDENTIALS, resource=wrong, scope="report")
        check_error(answer, 400, "invalid_target")
        with one_refusal(house, "refused.token"):
            check_error(exchange(house, code_for(house, person), resource=wrong), 400, "invalid_target")


def test_c21_a_pushed_request_is_answered_once_and_to_its_own_client(house: House, person: Any) -> None:
    def push(**changes: str) -> Response:
        known = {name: value for name, value in (ask() | changes).items() if name != "client_id"}
        return post(house, "/par", **known)

    place = push().json()["request_uri"]
    for sent in (
        {"client_id": "spa", "request_uri": place},
        {"request_uri": place},
        {"client_id": "web", "request_uri": place + "x"},
    ):
        with one_refusal(house, "refused.authorization-request-refused"):
            check_page(person.get("/authorize", params=sent))
    own = {
        "client_id": "web",
        "request_uri": place,
        "redirect_uri": "https://evil.test/",
        "state": "other",
        "scope": "openid org",
    }
    answer = answer_of(person.get("/authorize", params=own))
    assert (answer["state"], "code" in answer) == ("s-1", True)
    with one_refusal(house, "refused.authorization-request-refused"):
        check_page(person.get("/authorize", params=own))
    late = push().json()["request_uri"]
    house.later(seconds=91)
    with one_refusal(house, "refused.authorization-request-refused"):
        check_page(person.get("/authorize", params={"client_id": "web", "request_uri": late}))
    with one_refusal(house, "refused.par"):
        check_error(push(request_uri=late), 400, "invalid_request", "invalid_request_uri", "invalid_request_object")
    with one_refusal(house, "refused.par"):
        check_error(post(house, "/par", **(ask() | {"client_id": "spa"})), 401, "invalid_client")


BAD_OBJECTS: list[dict[str, Any]] = [
    {"exp": From(now=-120)},
    {"exp": 10**400},
    {"exp": "soon"},
    {"nbf": From(now=3600)},
    {"aud": "https://other.test"},
    {"aud": None},
    {"iss": "web"},
    {"client_id": "web"},
    {"request_uri": "https://evil.test/"},
    {"request": "x"},
    {"key": Key()},
    {"header": {"typ": "JWS"}},
    {"state": 1.5},
    {"state": True},
    {"redirect_uri": ["https://rp.example.test/cb"]},
]


@pytest.mark.parametrize("changes", BAD_OBJECTS, ids=lambda changes: str(changes)[:40])
def test_c22_a_request_object_holds_in_every_respect(house: House, person: Any, rp: Rp, changes: dict[str, Any]) -> None:
    sent = rp.request_object(**From.settle(changes))
    with one_refusal(house, "refused.authorization-request-refused"):
        check_page(person.get("/authorize", params={"client_id": rp.id, "request": sent}))
    with one_refusal(house, "refused.par"):
        check_error(rp.post("/par", {"request": sent}, dpop=None), 400, "invalid_request_object", "invalid_request")


def test_c22_what_is_signed_wins(house: House, person: Any, rp: Rp) -> None:
    outside = {
        "client_id": rp.id,
        "state": "outside",
        "redirect_uri": "https://evil.test/",
        "nonce": "outside",
        "scope": "openid",
    }
    answer = person.get("/authorize", params=outside | {"request": rp.request_object(state="inside")})
    assert answer.headers["location"].startswith("https://rp.example.test/cb?")
    assert answer_of(answer)["state"] == "inside"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.who is Who.CLIENT], ids=lambda route: route.path)
def test_c23_a_client_speaks_by_a_form_in_a_post(house: House, route: Any) -> None:
    auth = ("web", house.filled.web_secret)
    form = {"grant_type": CLIENT_CREDENTIALS, "token": "x", "scope": "openid", "login_hint": "hanhnth"}
    machine = house.machine()
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert machine.request(method, route.path, params=form, auth=auth).status_code == 405
    for arguments in ({"json": form}, {"files": {name: (None, value) for name, value in form.items()}}, {"params": form}):
        with one_refusal(house, f"refused.{route.path[1:].replace('_', '-')}"):
            check_error(machine.post(route.path, auth=auth, **arguments), 400, "invalid_request", "unauthorized_client")


def test_c24_no_answer_of_the_token_endpoint_is_kept_or_read_elsewhere(house: House, person: Any) -> None:
    code = code_for(house, person)
    form = {"grant_type": CODE, "code": code, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
    for origin in ("https://evil.test", "null", APP):
        sent = {"origin": origin}
        answers = [
            house.machine().post("/token", data=form, auth=("web", house.filled.web_secret), headers=sent) for _ in range(2)
        ]
        answers.append(house.machine().options("/token", headers=sent | {"access-control-request-method": "POST"}))
        for answer in answers:
            assert answer.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers
    allowed = house.machine().post("/token", data=form, headers={"origin": "http://localhost:8500"})
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:8500"
    assert "access-control-allow-credentials" not in allowed.headers


def test_c25_who_has_nothing_to_do_with_a_token_learns_nothing(house: House, person: Any) -> None:
    got, stranger = tokens(house, person), new_client(house, audiences=("https://elsewhere.example.test",))
    for token in (got["access_token"], got["refresh_token"]):
        assert post(house, "/introspect", stranger, token=token).json() == {"active": False}
        answer = post(house, "/revoke", stranger, token=token)
        assert (answer.status_code, answer.content) == (200, b"")
        with one_refusal(house, "refused.introspect"):
            check_error(house.machine().post("/introspect", data={"client_id": "spa", "token": token}), 401, "invalid_client")
        assert house.machine().post("/revoke", data={"client_id": "spa", "token": token}).status_code == 200
    assert who(house, got["access_token"]).status_code == 200
    assert post(house, "/introspect", token=got["refresh_token"]).json()["active"]


def test_c26_no_client_is_taken_for_a_person(house: House) -> None:
    """One that chose its own id would get its person's claims with a token on its own behalf."""
    sent = {"authorization": f"Bearer {house.filled.initial_token}"}
    wish = {"client_id": house.filled.subject, "redirect_uris": [f"{APP}/cb"], "grant_types": [CODE, CLIENT_CREDENTIALS]}
    told = house.machine().post("/register", json=wish, headers=sent).json()
    assert told["client_id"].startswith("app-")
    auth = new_client(house, grant_types=(CODE, CLIENT_CREDENTIALS), scopes=("openid", "report"))
    token = post(house, "/token", auth, grant_type=CLIENT_CREDENTIALS).json()["access_token"]
    with one_refusal(house, "refused.userinfo"):
        assert who(house, token).json() == {"error": "insufficient_scope"}
    for scope in ("openid", "profile", "offline_access", "openid report"):
        with one_refusal(house, "refused.token"):
            check_error(post(house, "/token", auth, grant_type=CLIENT_CREDENTIALS, scope=scope), 400, "invalid_scope")
    assert (
        not {"grant_id", "sid", "auth_time", "preferred_username"}
        & jwt.decode(token, options={"verify_signature": False}).keys()
    )
