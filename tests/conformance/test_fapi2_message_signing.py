"""FAPI 2.0 Message Signing Final: `fapi2-message-signing-final-test-plan`, its own modules and those of the security profile
that turn on request objects; answers by JARM."""

from typing import Any

import httpx2
import jwt
import pytest

from idp.clients.rules import Profile
from tests.conformance.browser import Browser
from tests.conformance.conftest import Served, Suite, by_both
from tests.conformance.fapi import Flow, flow, http, request_of, signing, told
from tests.idp.signed import CB, Key, Rp, now, register_rp

__all__ = ["flow", "http"]
OUTSIDE = {"response_type": "code", "redirect_uri": CB, "scope": "openid"}


@pytest.fixture(scope="module")
def rp(house: Served, http: httpx2.Client) -> Rp:
    return register_rp(house, http, key=Key("PS256"), profile=Profile.FAPI2_SIGNED)


def push(rp: Rp, token: str, **outside: str) -> httpx2.Response:
    return rp.post("/par", {"client_id": rp.id, "request": token} | outside)


def address(flow: Flow, rp: Rp, pushed: httpx2.Response, **outside: str) -> str:
    assert pushed.status_code == 201, pushed.text
    params = {"client_id": rp.id, "request_uri": pushed.json()["request_uri"]} | outside
    return str(flow.http.build_request("GET", "/authorize", params=params).url)


def read(flow: Flow, rp: Rp, landed: dict[str, str]) -> dict[str, Any]:
    """The claims of the signed answer, verified with the published keys."""
    assert set(landed) == {"response"}
    kid = jwt.get_unverified_header(landed["response"])["kid"]
    key = next(one for one in flow.http.get("/jwks").json()["keys"] if one["kid"] == kid)
    assert key["alg"] in ("ES256", "PS256")
    found: dict[str, Any] = jwt.decode(
        landed["response"], jwt.PyJWK(key), algorithms=[key["alg"]], audience=rp.id, issuer=rp.issuer
    )
    return found


def answer_to(flow: Flow, rp: Rp, pushed: httpx2.Response, **outside: str) -> dict[str, Any]:
    return read(flow, rp, flow.land(address(flow, rp, pushed, **outside)))


def taken(flow: Flow, rp: Rp, **changes: Any) -> bool:
    answer = answer_to(flow, rp, push(rp, rp.request_object(**changes)))
    return rp.exchange(answer["code"]).status_code == 200


def refused(rp: Rp, token: str) -> bool:
    return told(push(rp, token)) == (400, "invalid_request_object")


def test_fapi2_security_profile_final_happy_flow(flow: Flow, rp: Rp) -> None:
    answer = answer_to(flow, rp, push(rp, rp.request_object()))
    assert (answer["state"], answer["iss"]) == ("s-1", rp.issuer)
    token = rp.exchange(answer["code"]).json()["access_token"]
    assert rp.who(token).status_code == 200
    introspected = rp.post("/introspect", {"token": token}, dpop=None)
    assert introspected.headers["content-type"] == "application/token-introspection+jwt"
    told = jwt.decode(introspected.text, options={"verify_signature": False})
    assert told["token_introspection"]["cnf"] == {"jkt": rp.dpop.jkt}


@by_both
def test_fapi2_security_profile_final_happy_flow_by_a_library(flow: Flow, rp: Rp, suite: Suite) -> None:
    """It pushes a request object that it has signed, and judges the signed answers."""
    algs = ("id_token_signed_response_alg", "authorization_signed_response_alg", "introspection_signed_response_alg")
    peer, config = suite.peer, suite.discover(rp.id, dict.fromkeys(algs, "ES256"), signing(rp))["config"]
    peer.jarm(config=config)
    dpop = peer.dpopKey(alg="ES256")["key"]
    asked, checks = request_of(peer)
    landed = flow.land(peer.par(config=config, params=asked, key=signing(rp)["key"], dpop=dpop))
    assert set(landed) == {"response"}
    got = peer.codeGrant(config=config, url=flow.browser.landed().url, checks=checks, dpop=dpop)
    subject = got["claims"]["sub"]
    assert peer.userinfo(config=config, access_token=got["access_token"], subject=subject, dpop=dpop)["sub"] == subject
    assert peer.introspect(config=config, token=got["access_token"])["active"]


def test_fapi2_security_profile_final_user_rejects_authentication(flow: Flow, browser: Browser) -> None:
    """A refusal is signed as well."""
    rp = register_rp(flow.house, flow.http, profile=Profile.FAPI2_SIGNED, trusted=False)
    browser.go(address(flow, rp, push(rp, rp.request_object()))).sign_in().send(button="consent-deny")
    assert read(flow, rp, browser.landed().params)["error"] == "access_denied"


def test_fapi2_security_profile_final_ensure_different_nonce_inside_and_outside_request_object(flow: Flow, rp: Rp) -> None:
    answer = answer_to(flow, rp, push(rp, rp.request_object(nonce="inside"), nonce="pushed"), nonce="outside")
    token = rp.exchange(answer["code"]).json()["id_token"]
    assert jwt.decode(token, options={"verify_signature": False})["nonce"] == "inside"


def test_fapi2_security_profile_final_ensure_different_state_inside_and_outside_request_object(flow: Flow, rp: Rp) -> None:
    answer = answer_to(flow, rp, push(rp, rp.request_object(state="inside"), state="pushed"), state="outside")
    assert answer["state"] == "inside"


def test_fapi2_security_profile_final_state_only_outside_request_object_not_used(flow: Flow, rp: Rp) -> None:
    answer = answer_to(flow, rp, push(rp, rp.request_object(state=None), state="pushed"), state="outside")
    assert "code" in answer
    assert "state" not in answer


def test_fapi2_security_profile_final_ensure_request_object_without_redirect_uri_fails(rp: Rp) -> None:
    assert told(push(rp, rp.request_object(redirect_uri=None), redirect_uri=CB)) == (400, "invalid_request")


def test_fapi2_security_profile_final_ensure_request_object_with_multiple_aud_succeeds(flow: Flow, rp: Rp) -> None:
    assert taken(flow, rp, aud=["https://other.example.test", rp.issuer])


def test_fapi2_security_profile_final_ensure_request_object_with_nbf_8_seconds_in_the_future_is_accepted(
    flow: Flow, rp: Rp
) -> None:
    assert taken(flow, rp, nbf=now() + 8)


def test_fapi2_security_profile_final_ensure_request_object_without_exp_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(exp=None))


def test_fapi2_security_profile_final_ensure_request_object_without_nbf_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(nbf=None))


def test_fapi2_security_profile_final_ensure_expired_request_object_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(nbf=now() - 600, exp=now() - 300))


def test_fapi2_security_profile_final_ensure_request_object_with_bad_aud_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(aud="https://other.example.test"))


def test_fapi2_security_profile_final_ensure_request_object_with_exp_over_60_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(exp=now() + 70 * 60))


def test_fapi2_security_profile_final_ensure_request_object_with_nbf_over_60_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(nbf=now() - 70 * 60))
    assert refused(rp, rp.request_object(nbf=now() - 61 * 60, exp=now() - 30))


def test_fapi2_security_profile_final_ensure_signed_request_object_with_rs256_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object(alg="RS256"))


def test_fapi2_security_profile_final_ensure_request_object_signature_algorithm_is_not_none(rp: Rp) -> None:
    claims = jwt.decode(rp.request_object(), options={"verify_signature": False})
    assert refused(rp, jwt.encode(claims, None, "none"))


def test_fapi2_security_profile_final_ensure_request_object_with_invalid_signature_fails(rp: Rp) -> None:
    assert refused(rp, rp.request_object()[:-6] + "AAAAAA")


def test_fapi2_security_profile_final_ensure_matching_key_in_authorization_request(flow: Flow, rp: Rp) -> None:
    assert refused(rp, rp.request_object(key=flow.other.key))
    assert refused(rp, rp.request_object(key=flow.other.key, header={"kid": rp.key.jkt}))


def test_fapi2_security_profile_final_ensure_unsigned_request_at_par_endpoint_fails(rp: Rp) -> None:
    assert told(rp.push()) == (400, "invalid_request")


def test_fapi2_security_profile_final_par_authorization_request_containing_request_uri(rp: Rp) -> None:
    assert refused(rp, rp.request_object(request_uri="urn:ietf:params:oauth:request_uri:x"))
    assert refused(rp, rp.request_object(request=rp.request_object()))


def test_fapi2_security_profile_final_ensure_unsigned_authorization_request_without_using_par_fails(flow: Flow, rp: Rp) -> None:
    """Neither bare nor signed; and the refusal is signed too."""
    for params in (rp.asked(), {"client_id": rp.id, "request": rp.request_object(), **OUTSIDE}):
        landed = flow.land(str(flow.http.build_request("GET", "/authorize", params=params).url))
        answer = jwt.decode(landed["response"], options={"verify_signature": False})
        assert answer["error"] == "invalid_request"


def test_a_plain_answer_cannot_be_asked_for(rp: Rp) -> None:
    for mode in ("query", "fragment", "form_post"):
        assert told(push(rp, rp.request_object(response_mode=mode))) == (400, "invalid_request")
