"""Config OP: `oidcc-config-certification-test-plan`."""

from typing import Any

import httpx2
import pytest

from idp.clients.rules import SIGNED_BY
from tests.conformance.conftest import Served

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


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"])
def test_what_discovery_names_is_there(house: Served, name: str) -> None:
    answer = httpx2.post(discovered(house)[name], data={}, headers={"accept": "application/json"})
    assert answer.status_code in (400, 401)


def test_what_discovery_does_not_name_is_refused(house: Served) -> None:
    """No implicit or hybrid flow, no password grant: RFC 9700, 2.1.2 and 2.4."""
    found = discovered(house)
    assert found["response_types_supported"] == ["code"]
    assert not {"implicit", "password"} & set(found["grant_types_supported"])
