"""Dynamic registration: by holders of an initial access token only, and strictly checked."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from httpx2 import Response
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from idp.clients.problems import BadClientAddress
from idp.clients.rules import SHOWN_OR_CALLED
from tests.idp.conftest import House, web_client
from tests.idp.walk import VERIFIER, answer_of, begin, follow, send_form, sign_in

NEW = {"client_name": "Sổ tay đại biểu", "redirect_uris": ["https://so-tay.test/cb"]}


def register(house: House, body: Any, token: str | None = None) -> Response:
    bearer = {"authorization": f"Bearer {token or house.filled.initial_token}"}
    content = json.dumps(body)  # escapes what is not ASCII, halves of pairs as well
    return house.machine().post("/register", content=content, headers=bearer | {"content-type": "application/json"})


def test_a_registered_client_can_sign_people_in(house: House) -> None:
    answer = register(house, NEW)
    client = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert (client["token_endpoint_auth_method"], client["client_secret_expires_at"]) == ("client_secret_basic", 0)
    assert (client["id_token_signed_response_alg"], client["response_types"]) == ("RS256", ["code"])
    browser = house.browser()
    consent = sign_in(browser, begin(browser, client_id=client["client_id"], redirect_uri="https://so-tay.test/cb"))
    code = answer_of(follow(browser, send_form(browser, consent, decision="allow")))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://so-tay.test/cb"}
    got = house.machine().post(
        "/token", data=form | {"code_verifier": VERIFIER}, auth=(client["client_id"], client["client_secret"])
    )
    assert got.status_code == 200
    assert "refresh_token" not in got.json()
    assert "client.registered" in house.acts()


def test_a_client_chooses_among_what_discovery_publishes(house: House) -> None:
    wish = NEW | {
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/cb", "vn.test.app:/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile",
        "id_token_signed_response_alg": "ES256",
        "post_logout_redirect_uris": ["vn.test.app:/bye"],
        "backchannel_logout_uri": "https://so-tay.test/logout",
        "never_heard_of": "ignored",
    }
    client = register(house, wish).json()
    assert "client_secret" not in client
    del wish["never_heard_of"]
    assert {name: client.get(name) for name in wish} == wish


@pytest.mark.parametrize("token", ["wrong", "", "a b"])
def test_without_an_initial_access_token_nothing_is_registered(house: House, token: str) -> None:
    answer = house.machine().post("/register", json=NEW, headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert house.machine().post("/register", json=NEW).status_code == 401


def test_an_initial_access_token_expires(house: House) -> None:
    house.later(days=31)
    assert register(house, NEW).status_code == 401


@pytest.mark.parametrize(
    "uri",
    [
        "http://so-tay.test/cb",
        "https://so-tay.test/cb#f",
        "https://so-tay.test@evil.test/cb",
        "https:so-tay.test",
        "//so-tay.test/cb",
        "https://so-tay.test/*",
        "https://so-tay.test/ cb",
        "https://so-tay.test\\@evil.test/",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "java\tscript:alert(1)",
        "vn.test.app:/cb",
        "https://[broken/cb",
        "https://sổ-tay.test/cb",
        "https://so-tay.test/" + "a" * 2000,
        "",
    ],
)
def test_an_address_that_could_mislead_is_refused(house: House, uri: str) -> None:
    answer = register(house, NEW | {"redirect_uris": [uri]})
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_redirect_uri", "invalid_client_metadata")
    for field in SHOWN_OR_CALLED:
        assert not uri or register(house, NEW | {field: uri}).json()["error"] == "invalid_client_metadata"


def test_the_field_with_the_wrong_address_is_named() -> None:
    for field in ("redirect_uris", "post_logout_redirect_uris", "client_uri"):
        wrong = "http://so-tay.test/" if field == "client_uri" else ("http://so-tay.test/",)
        with pytest.raises(BadClientAddress) as refusal:
            web_client(**{field: wrong}).check()
        assert refusal.value.facts == {"field": field}


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": []},
        {"redirect_uris": "https://so-tay.test/cb"},
        {"redirect_uris": [1]},
        {"redirect_uris": ["https://so-tay.test/cb"] * 21},
        {"token_endpoint_auth_method": ["none"]},
        {"grant_types": ["implicit"]},
        {"grant_types": [{}]},
        {"response_types": ["token"]},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"application_type": "desktop"},
        {"scope": "openid teleport"},
        {"scope": 5},
        {"client_name": {"vi": "x"}},
        {"client_name": "x" * 3000},
        *({"client_name": name} for name in ("a\0b", "a\nb", "\ud800", "a\u202eb", "\x1b[31m")),
        {"contacts": ["a\r\nb"]},
        {"software_id": "\udfff"},
        {"contacts": "quan-tri@so-tay.test"},
        {"default_max_age": -1},
        {"default_max_age": True},
        {"default_max_age": "60"},
        {"require_auth_time": "true"},
        {"default_acr_values": ["urn:never:heard:of"]},
        {"subject_type": "ephemeral"},
        {"userinfo_signed_response_alg": "none"},
        {"request_object_signing_alg": "HS256"},
        {"token_endpoint_auth_signing_alg": "none"},
        {"authorization_details_types": ["never-heard-of"]},
        {"response_types": ["code"], "grant_types": ["client_credentials"]},
        {"response_types": []},
        {"response_types": "code"},
        {"backchannel_token_delivery_mode": "push"},
        {"backchannel_user_code_parameter": True},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"require_signed_request_object": True},
        {"tls_client_certificate_bound_access_tokens": True},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"frontchannel_logout_uri": "https://other.test/logout"},
        {"initiate_login_uri": "http://localhost/start"},
        {"request_uris": ["http://so-tay.test/r"]},
        {"subject_type": "pairwise", "redirect_uris": ["https://a.test/cb", "https://b.test/cb"]},
        {"sector_identifier_uri": "https://so-tay.test/sector"},
        {"jwks_uri": "https://so-tay.test/jwks", "jwks": {"keys": []}},
    ],
)
def test_metadata_that_is_not_supported_is_refused(house: House, changes: dict[str, Any]) -> None:
    answer = register(house, NEW | changes)
    assert (answer.status_code, answer.json()["error"][:8]) == (400, "invalid_")


@pytest.mark.parametrize("body", [[], None, "x", 1])
def test_a_body_that_is_no_object_is_refused(house: House, body: Any) -> None:
    assert register(house, body).json()["error"] == "invalid_client_metadata"


def test_a_client_reads_and_deletes_its_own_registration_only(house: House) -> None:
    first, second = register(house, NEW).json(), register(house, NEW).json()
    machine, path = house.machine(), f"/register/{first['client_id']}"
    mine = {"authorization": f"Bearer {first['registration_access_token']}"}
    theirs = {"authorization": f"Bearer {second['registration_access_token']}"}
    read = machine.get(path, headers=mine).json()
    assert read["client_name"] == NEW["client_name"]
    assert (read["registration_access_token"], "client_secret" in read) == (first["registration_access_token"], False)
    for headers in (theirs, {}, {"authorization": "Bearer x"}):
        assert machine.get(path, headers=headers).status_code == 401
        assert machine.delete(path, headers=headers).status_code == 401
    assert machine.get("/register/web", headers=mine).status_code == 401
    assert machine.delete(path, headers=mine).status_code == 204
    assert machine.get(path, headers=mine).status_code == 401
    gone = begin(house.browser(), client_id=first["client_id"], redirect_uri="https://so-tay.test/cb")
    assert (gone.status_code, "client.removed" in house.acts()) == (400, True)


def test_trust_cannot_be_asked_for(house: House) -> None:
    client = register(house, NEW | {"trusted": True, "audiences": ["https://api.example.test"]}).json()
    browser = house.browser()
    page = sign_in(browser, begin(browser, client_id=client["client_id"], redirect_uri="https://so-tay.test/cb"))
    assert 'id="consent-allow"' in page.text


def test_a_software_statement_is_not_approved(house: House) -> None:
    answer = register(house, NEW | {"software_statement": "eyJhbGciOiJub25lIn0.e30."})
    assert (answer.status_code, answer.json()["error"]) == (400, "unapproved_software_statement")
    assert house.acts()[-1] == "refused.registration"


def test_every_refusal_leaves_one_event(house: House) -> None:
    before = len(house.acts())
    register(house, NEW | {"client_name": 5})
    register(house, NEW, token="wrong")
    house.machine().get("/register/web")
    assert house.acts()[before:] == ["refused.registration"] * 3


def key_pair(kind: str) -> dict[str, Any]:
    private: Any = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
    algorithm: Any = RSAAlgorithm if kind == "RSA" else ECAlgorithm
    jwk: dict[str, Any] = algorithm(algorithm.SHA256).to_jwk(private, as_dict=True)
    return jwk | {"use": "sig", "kid": "k-1"}


def public(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name in ("kty", "crv", "x", "y", "n", "e", "use", "kid")}


RSA_KEY, EC_KEY = public(key_pair("RSA")), public(key_pair("EC"))
EVERYTHING: dict[str, Any] = {
    "client_name": "Sổ tay đại biểu",
    "redirect_uris": ["https://so-tay.test/cb"],
    "token_endpoint_auth_method": "private_key_jwt",
    "token_endpoint_auth_signing_alg": "ES256",
    "application_type": "web",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile",
    "post_logout_redirect_uris": ["https://so-tay.test/bye"],
    "backchannel_logout_uri": "https://so-tay.test/backchannel",
    "backchannel_logout_session_required": True,
    "frontchannel_logout_uri": "https://so-tay.test/frontchannel",
    "frontchannel_logout_session_required": True,
    "client_uri": "https://so-tay.test/",
    "initiate_login_uri": "https://so-tay.test/start",
    "logo_uri": "https://so-tay.test/logo.svg",
    "policy_uri": "https://so-tay.test/policy",
    "tos_uri": "https://so-tay.test/terms",
    "contacts": ["quan-tri@so-tay.test"],
    "jwks": {"keys": [RSA_KEY, EC_KEY, {"kty": "never-heard-of"}]},
    "request_uris": ["https://so-tay.test/request.jwt#v1"],
    "subject_type": "pairwise",
    "id_token_signed_response_alg": "PS256",
    "userinfo_signed_response_alg": "ES256",
    "introspection_signed_response_alg": "ES256",
    "authorization_signed_response_alg": "ES256",
    "request_object_signing_alg": "ES256",
    "default_max_age": 0,
    "default_acr_values": ["urn:dienhong:acr:password"],
    "require_auth_time": True,
    "require_pushed_authorization_requests": True,
    "require_signed_request_object": True,
    "dpop_bound_access_tokens": True,
    "tls_client_auth_subject_dn": "CN=so-tay.test,O=Sở",
    "software_id": "so-tay",
    "software_version": "1.2",
}


def test_all_metadata_are_kept_and_read_back_as_they_were_sent(house: House) -> None:
    answer = register(house, EVERYTHING)
    assert answer.status_code == 201, answer.text
    client = answer.json()
    assert {name: client.get(name) for name in EVERYTHING} == EVERYTHING
    mine = {"authorization": f"Bearer {client['registration_access_token']}"}
    assert house.machine().get(f"/register/{client['client_id']}", headers=mine).json() == client


@pytest.mark.parametrize(
    ("jwk", "why"),
    [
        ({"kty": "oct", "k": "c2VjcmV0"}, "not public"),
        (key_pair("RSA"), "not public"),
        (key_pair("EC"), "not public"),
        (RSA_KEY | {"e": "AQ"}, "weak or broken"),
        (RSA_KEY | {"n": RSA_KEY["n"][:170]}, "weak or broken"),
        (RSA_KEY | {"n": 5}, "no string"),
        (EC_KEY | {"y": EC_KEY["x"]}, "weak or broken"),
        (EC_KEY | {"crv": "P-999"}, "weak or broken"),
        (EC_KEY | {"kid": 5}, "no string"),
        ({"kty": "RSA"}, "weak or broken"),
        ("a string", "not a set"),
    ],
)
def test_a_key_that_is_private_weak_or_broken_is_refused(house: House, jwk: Any, why: str) -> None:
    answer = register(house, NEW | {"jwks": {"keys": [EC_KEY, jwk]}})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert why in answer.json()["error_description"]


@pytest.mark.parametrize("jwks", [{"keys": []}, {"keys": "x"}, {"x": 1}, {"keys": [EC_KEY] * 21}])
def test_a_set_of_keys_that_is_none_is_refused(house: House, jwks: Any) -> None:
    assert register(house, NEW | {"jwks": jwks}).json()["error"] == "invalid_client_metadata"


def test_a_body_that_is_too_deep_or_no_json_is_refused(house: House) -> None:
    bearer = {"authorization": f"Bearer {house.filled.initial_token}"}
    for depth in (500, 900, 980, 30_000):
        begun = json.dumps(NEW)[:-1] + ', "jwks": '
        deep = begun + '{"keys": ' + "[" * depth + "]" * depth + "}}"
        for content in (deep, deep[:-1], begun + "NaN}"):
            answer = house.machine().post("/register", content=content, headers=bearer)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_a_client_replaces_its_registration_and_gets_another_token_for_it(house: House) -> None:
    first = register(house, EVERYTHING).json()
    machine, path = house.machine(), f"/register/{first['client_id']}"
    mine = {"authorization": f"Bearer {first['registration_access_token']}"}
    answer = machine.put(path, json=NEW | {"client_id": first["client_id"], "tos_uri": None}, headers=mine)
    assert answer.status_code == 200, answer.text
    second = answer.json()
    assert second["registration_access_token"] != first["registration_access_token"]
    assert second["token_endpoint_auth_method"] == "client_secret_basic"
    assert second["client_secret"]  # it had none before
    assert not {"logo_uri", "tos_uri", "jwks", "dpop_bound_access_tokens"} & second.keys()
    assert second["subject_type"] == "public"
    assert machine.get(path, headers=mine).status_code == 401
    theirs = {"authorization": f"Bearer {second['registration_access_token']}"}
    told = {"client_secret", "client_secret_expires_at"}
    assert machine.get(path, headers=theirs).json() == {name: second[name] for name in second if name not in told}
    assert "client.changed" in house.acts()


def test_a_change_counts_at_once_and_keeps_what_administrators_have_said(house: House) -> None:
    client = register(house, NEW).json()
    house.change_client(client["client_id"], trusted=True, office="Sở Nội vụ", audiences=["https://api.example.test"])
    mine = {"authorization": f"Bearer {client['registration_access_token']}"}
    moved = NEW | {"client_id": client["client_id"], "redirect_uris": ["https://so-tay.test/new"], "trusted": False}
    kept = house.machine().put(f"/register/{client['client_id']}", json=moved, headers=mine).json()
    assert "client_secret" not in kept  # the one that it has goes on
    assert begin(house.browser(), client_id=client["client_id"], redirect_uri="https://so-tay.test/cb").status_code == 400
    page = begin(house.browser(), client_id=client["client_id"], redirect_uri="https://so-tay.test/new")
    assert "Sở Nội vụ" in page.text
    browser = house.browser()
    page = begin(browser, client_id=client["client_id"], redirect_uri="https://so-tay.test/new")
    assert answer_of(sign_in(browser, page))["code"]  # trusted as before: nobody is asked


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "web"},
        {"client_id": None},
        {"registration_access_token": "x"},
        {"registration_client_uri": "https://x.test"},
        {"client_id_issued_at": 1},
        {"client_secret_expires_at": 0},
        {"client_secret": "chosen"},
        {"redirect_uris": ["javascript:alert(1)"]},
    ],
)
def test_a_change_that_may_not_be_changes_nothing(house: House, changes: dict[str, Any]) -> None:
    client = register(house, NEW).json()
    machine, path = house.machine(), f"/register/{client['client_id']}"
    mine = {"authorization": f"Bearer {client['registration_access_token']}"}
    before = machine.get(path, headers=mine).json()
    answer = machine.put(path, json=NEW | {"client_id": client["client_id"], "client_name": "Khác"} | changes, headers=mine)
    assert (answer.status_code, answer.json()["error"][:8]) == (400, "invalid_")
    assert machine.get(path, headers=mine).json() == before


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_no_other_method_touches_a_registration(house: House, method: str) -> None:
    assert house.machine().request(method, "/register/web").status_code == 405


def test_the_pages_link_to_what_a_client_has_registered_and_to_nothing_else(house: House) -> None:
    logo = "https://so-tay.test/a;script-src%20x/logo.svg"
    client = register(house, NEW | {"logo_uri": logo, "tos_uri": 'https://so-tay.test/?a=1&b="'.replace('"', "%22")}).json()
    page = begin(house.browser(), client_id=client["client_id"], redirect_uri="https://so-tay.test/cb")
    policy = page.headers["content-security-policy"]
    assert "img-src 'self' https://so-tay.test;" in policy
    assert "script-src" not in policy
    assert 'id="client-terms" href="https://so-tay.test/?a=1&amp;b=%22"' in page.text
    assert register(house, NEW | {"logo_uri": "https://so-tay.test;script-src/"}).status_code == 400
