"""Config OP: `oidcc-config-certification-test-plan`."""

from typing import Any

import httpx2
import pytest

from idp.clients.rules import SIGNED_BY
from tests.conformance.conftest import Served, Suite
from tests.conformance.peer import PeerRefused

NEVER_SUPPORTED = {"none", "HS256", "HS384", "HS512"}


def discovered(house: Served) -> dict[str, Any]:
    answer = httpx2.get(f"{house.issuer}/.well-known/openid-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = answer.json()
    return found


def check_provider(house: Served) -> None:
    found = discovered(house)
    assert found["issuer"] == house.issuer
    assert "code" in found["response_types_supported"]
    assert set(found["subject_types_supported"]) == {"public", "pairwise"}
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert set(found["ui_locales_supported"]) == {"vi", "en"}
    assert {"sub", "name", "email"} <= set(found["claims_supported"])
    assert (found["claims_parameter_supported"], found["request_parameter_supported"]) == (True, True)
    assert set(found["request_object_signing_alg_values_supported"]) == set(SIGNED_BY)
    for name, value in found.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{house.issuer}/"), name
        if "alg_values" in name:
            assert value, name
            assert not set(value) & NEVER_SUPPORTED, name
    keys = httpx2.get(found["jwks_uri"]).json()["keys"]
    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not any({"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys() for key in keys)


def test_oidcc_discovery_endpoint_verification(house: Served) -> None:
    check_provider(house)


def test_every_address_that_discovery_names_is_there(house: Served) -> None:
    named = {name: value for name, value in discovered(house).items() if str(value).startswith(f"{house.issuer}/")}
    assert {
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "end_session_endpoint",
        "jwks_uri",
    } <= named.keys()
    for name, url in named.items():
        answers = [httpx2.request(method, url).status_code for method in ("GET", "POST")]
        assert not {404, 500} & set(answers), (name, answers)
        assert min(answers) < 405, (name, answers)


def test_every_grant_type_that_discovery_names_is_known_at_the_token_endpoint(house: Served, suite: Suite) -> None:
    found = discovered(house)
    client = suite.register(grant_types=found["grant_types_supported"], token_endpoint_auth_method="client_secret_post")
    credentials = {name: client[name] for name in ("client_id", "client_secret")}
    for grant_type in [*found["grant_types_supported"], "password"]:
        answer = httpx2.post(found["token_endpoint"], data=credentials | {"grant_type": grant_type})
        unknown = answer.status_code == 400 and answer.json()["error"] == "unsupported_grant_type"
        assert unknown == (grant_type == "password"), (grant_type, answer.text)


def test_every_choice_that_discovery_names_can_be_registered_and_no_other(house: Served, suite: Suite) -> None:
    found = discovered(house)
    keys = {"jwks": {"keys": [suite.peer.key(alg="ES256")["public"]]}}
    chosen = {
        "subject_type": "subject_types_supported",
        "id_token_signed_response_alg": "id_token_signing_alg_values_supported",
        "userinfo_signed_response_alg": "userinfo_signing_alg_values_supported",
        "introspection_signed_response_alg": "introspection_signing_alg_values_supported",
        "authorization_signed_response_alg": "authorization_signing_alg_values_supported",
        "request_object_signing_alg": "request_object_signing_alg_values_supported",
        "token_endpoint_auth_method": "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg": "token_endpoint_auth_signing_alg_values_supported",
    }
    for member, published in chosen.items():
        for value in found[published]:
            assert suite.register(**{member: value}, **keys)[member] == value
        for value in {*NEVER_SUPPORTED, "never-heard-of"} - set(found[published]):
            with pytest.raises(PeerRefused) as refused:
                suite.register(**{member: value}, **keys)
            assert refused.value.error == "invalid_client_metadata"


def test_what_discovery_does_not_name_is_refused(house: Served) -> None:
    """No implicit or hybrid flow, no password grant: RFC 9700, 2.1.2 and 2.4."""
    found = discovered(house)
    assert found["response_types_supported"] == ["code"]
    assert not {"implicit", "password"} & set(found["grant_types_supported"])
