"""FAPI 2.0 Security Profile Final: `fapi2-security-profile-final-test-plan`, private_key_jwt and DPoP, OpenID Connect.

The modules of national profiles and `ensure-registered-redirect-uri` do not apply to plain_fapi; those that turn on request
objects stand in `test_fapi2_message_signing`.
"""

import time
from typing import Any

import jwt
import pytest

from idp.clients.rules import AuthMethod
from tests.conformance.browser import Browser
from tests.conformance.conftest import Suite, by_both
from tests.conformance.fapi import Flow, flow, http, request_of, signing, told
from tests.idp.signed import CB, Key, now, register_rp
from tests.idp.walk import VERIFIER

__all__ = ["flow", "http"]


def test_fapi2_security_profile_final_discovery_end_point_verification(flow: Flow) -> None:
    server = flow.http.get("/.well-known/openid-configuration").json()
    assert server["issuer"] == flow.house.issuer
    assert server["pushed_authorization_request_endpoint"]
    assert {"ES256", "PS256"} <= set(server["token_endpoint_auth_signing_alg_values_supported"])
    assert {"ES256", "PS256"} <= set(server["dpop_signing_alg_values_supported"])
    assert "private_key_jwt" in server["token_endpoint_auth_methods_supported"]
    assert server["authorization_response_iss_parameter_supported"] is True
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["response_types_supported"] == ["code"]


@by_both
@pytest.mark.parametrize("alg", ["ES256", "PS256"])
def test_fapi2_security_profile_final_happy_flow(flow: Flow, suite: Suite, alg: str) -> None:
    """As a library goes through it, which judges every answer."""
    rp, peer = register_rp(flow.house, flow.http, key=Key(alg), id_token_alg=alg), suite.peer
    known = suite.discover(rp.id, {"id_token_signed_response_alg": alg}, signing(rp))["config"]
    dpop = peer.dpopKey(alg="ES256")["key"]
    asked, checks = request_of(peer)
    flow.land(peer.par(config=known, params=asked, dpop=dpop))
    got = peer.codeGrant(config=known, url=flow.browser.landed().url, checks=checks, dpop=dpop)
    assert got["token_type"].lower() == "dpop"
    subject = got["claims"]["sub"]
    assert peer.userinfo(config=known, access_token=got["access_token"], subject=subject, dpop=dpop)["sub"] == subject
    again = peer.refresh(config=known, refresh_token=got["refresh_token"], dpop=dpop)
    assert again["refresh_token"] == got["refresh_token"]


def test_fapi2_security_profile_final_user_rejects_authentication(flow: Flow, browser: Browser) -> None:
    rp = register_rp(flow.house, flow.http, trusted=False)
    browser.go(rp.pushed()).sign_in().send(button="consent-deny")
    assert browser.landed().params["error"] == "access_denied"
    assert browser.landed().params["iss"] == flow.house.issuer


def test_fapi2_security_profile_final_ensure_authorization_request_without_state_success(flow: Flow) -> None:
    assert "state" not in flow.land(flow.rp.pushed(state=None))


def id_token(flow: Flow, **changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(flow.tokens(**changes)["id_token"], options={"verify_signature": False})
    return claims


def test_fapi2_security_profile_final_ensure_authorization_request_without_nonce_success(flow: Flow) -> None:
    assert "nonce" not in id_token(flow, nonce=None)


def test_fapi2_security_profile_final_ensure_authorization_request_with_64_char_nonce_success(flow: Flow) -> None:
    assert id_token(flow, nonce="n" * 64)["nonce"] == "n" * 64


def test_fapi2_security_profile_final_ensure_authorization_request_with_long_nonce(flow: Flow) -> None:
    assert id_token(flow, nonce="n" * 384)["nonce"] == "n" * 384


def test_fapi2_security_profile_final_ensure_authorization_request_with_long_state(flow: Flow) -> None:
    assert flow.land(flow.rp.pushed(state="s" * 384))["state"] == "s" * 384
    assert told(flow.rp.push(state="s" * 5000)) == (400, "invalid_request")


def test_fapi2_security_profile_final_ensure_other_scope_order_succeeds(flow: Flow) -> None:
    assert set(flow.tokens(scope="offline_access profile openid")["scope"].split()) == {"openid", "profile", "offline_access"}


def test_fapi2_security_profile_final_test_claims_parameter_identity_claims(flow: Flow) -> None:
    asked = '{"id_token": {"email": {"essential": true}}, "userinfo": {"preferred_username": null}}'
    got = flow.tokens(claims=asked, scope="openid profile email")
    assert "email" in jwt.decode(got["id_token"], options={"verify_signature": False})
    assert flow.rp.who(got["access_token"]).json()["preferred_username"] == "hanhnth"


def test_fapi2_security_profile_final_access_token_type_header_case_sensitivity(flow: Flow) -> None:
    token = flow.tokens()["access_token"]
    for scheme in ("DPoP", "dpop", "DPOP", "dPoP"):
        assert flow.rp.who(token, scheme=scheme).status_code == 200


def gets_through(flow: Flow, **claims: Any) -> bool:
    """A whole flow whose proofs have these claims."""
    url = flow.house.issuer
    pushed = flow.rp.post(
        "/par", flow.rp.asked(), dpop=flow.rp.dpop.proof("POST", f"{url}/par", nonce=fresh_nonce(flow), **claims)
    )
    assert pushed.status_code == 201, pushed.text
    code = flow.land(f"/authorize?client_id={flow.rp.id}&request_uri={pushed.json()['request_uri']}")["code"]
    proof = flow.rp.dpop.proof("POST", f"{url}/token", nonce=flow.rp.nonce, **claims)
    token = flow.rp.exchange(code, dpop=proof).json()["access_token"]
    return flow.rp.who(token, flow.rp.dpop.proof("GET", f"{url}/userinfo", token, **claims)).status_code == 200


def fresh_nonce(flow: Flow) -> str:
    flow.rp.push()
    assert flow.rp.nonce
    return flow.rp.nonce


def test_fapi2_security_profile_final_check_dpop_proof_nbf_exp(flow: Flow) -> None:
    assert gets_through(flow, nbf=now(), exp=now() + 300)


def test_fapi2_security_profile_final_ensure_dpopproof_with_iat_10seconds_before_succeeds(flow: Flow) -> None:
    assert gets_through(flow, iat=now() - 10)


def test_fapi2_security_profile_final_ensure_dpopproof_with_iat_10seconds_after_succeeds(flow: Flow) -> None:
    assert gets_through(flow, iat=now() + 10)


def test_fapi2_security_profile_final_ensure_mismatched_dpop_jkt_fails(flow: Flow) -> None:
    assert told(flow.rp.push(dpop_jkt=Key().jkt)) == (400, "invalid_dpop_proof")


def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(flow: Flow) -> None:
    assert told(flow.rp.exchange(flow.code(), dpop=Key())) == (400, "invalid_grant")


def pushed_without_proof(flow: Flow, **changes: Any) -> str:
    answer = flow.rp.post("/par", flow.rp.asked(**changes), dpop=None)
    assert answer.status_code == 201, answer.text
    return flow.land(f"/authorize?client_id={flow.rp.id}&request_uri={answer.json()['request_uri']}")["code"]


def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_mismatched_dpop_jkt(flow: Flow) -> None:
    assert told(flow.rp.exchange(pushed_without_proof(flow, dpop_jkt=Key().jkt))) == (400, "invalid_grant")


def test_fapi2_security_profile_final_ensure_dpopproof_at_par_endpoint_binding_success(flow: Flow) -> None:
    assert flow.rp.exchange(flow.code()).status_code == 200


def test_fapi2_security_profile_final_ensure_dpop_auth_code_binding_success(flow: Flow) -> None:
    assert flow.rp.exchange(pushed_without_proof(flow, dpop_jkt=flow.rp.dpop.jkt)).status_code == 200
    assert flow.rp.exchange(flow.code(dpop_jkt=flow.rp.dpop.jkt)).status_code == 200


def test_fapi2_security_profile_final_plain_fapi_tolerate_unregistered_redirect_uri(flow: Flow) -> None:
    assert told(flow.rp.push(redirect_uri=f"{CB}/other")) == (400, "invalid_request")


def test_fapi2_security_profile_final_ensure_unsigned_authorization_request_without_using_par_fails(flow: Flow) -> None:
    url = flow.http.build_request("GET", "/authorize", params=flow.rp.asked()).url
    assert flow.land(str(url))["error"] == "invalid_request"


def test_fapi2_security_profile_final_ensure_redirect_uri_in_authorization_request(flow: Flow) -> None:
    assert told(flow.rp.push(redirect_uri=None)) == (400, "invalid_request")


def test_fapi2_security_profile_final_ensure_response_type_code_idtoken_fails(flow: Flow) -> None:
    assert told(flow.rp.push(response_type="code id_token")) == (400, "unsupported_response_type")


def test_fapi2_security_profile_final_ensure_response_type_token_fails(flow: Flow) -> None:
    assert told(flow.rp.push(response_type="token")) == (400, "unsupported_response_type")


def test_fapi2_security_profile_final_ensure_client_id_in_token_endpoint(flow: Flow) -> None:
    assert told(flow.rp.exchange(flow.code(), client_id=flow.other.id)) == (401, "invalid_client")


def test_fapi2_security_profile_final_ensure_holder_of_key_required(flow: Flow) -> None:
    """Without the suite's look at TLS, which is the proxy's."""
    assert told(flow.rp.exchange(flow.code(), dpop=None)) == (400, "invalid_dpop_proof")
    flow.house.change_client(flow.other.id, dpop_bound=False)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    assert told(flow.other.post("/token", form, dpop=None)) == (400, "invalid_request")
    flow.house.change_client(flow.other.id, dpop_bound=True)


def test_fapi2_security_profile_final_ensure_authorization_code_is_bound_to_client(flow: Flow) -> None:
    assert told(flow.other.exchange(flow.code())) == (400, "invalid_grant")


def test_fapi2_security_profile_final_attempt_reuse_authorization_code_after_one_second(flow: Flow) -> None:
    code = flow.code()
    token = flow.rp.exchange(code).json()["access_token"]
    time.sleep(1)
    assert told(flow.rp.exchange(code)) == (400, "invalid_grant")
    assert flow.rp.who(token).status_code == 401


def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_expired_auth_code(flow: Flow) -> None:
    code = flow.code()
    with flow.house.meanwhile(seconds=61):
        then, url = now() + 61, f"{flow.house.issuer}/token"
        for _ in range(2):
            proof = flow.rp.dpop.proof("POST", url, iat=then, nonce=flow.rp.nonce)
            answer = flow.rp.exchange(code, dpop=proof, assertion=flow.rp.assertion(exp=then + 60, iat=then))
            flow.rp.nonce = answer.headers["dpop-nonce"]
        assert told(answer) == (400, "invalid_grant")


def test_fapi2_security_profile_final_ensure_signed_client_assertion_with_rs256_fails(flow: Flow) -> None:
    rp = register_rp(flow.house, flow.http, key=Key("PS256"))
    assert told(rp.exchange("x", assertion=rp.assertion(alg="RS256"))) == (401, "invalid_client")
    flow.house.change_client(rp.id, assertion_alg="RS256", jwks={"keys": [rp.key.jwk | {"alg": "RS256"}]})
    assert told(rp.exchange("x", assertion=rp.assertion(alg="RS256"))) == (401, "invalid_client")


def test_fapi2_security_profile_final_ensure_client_assertion_in_token_endpoint(flow: Flow) -> None:
    code = flow.code()
    assert told(flow.rp.exchange(code, assertion=None)) == (401, "invalid_client")
    assert told(flow.rp.exchange(code, assertion=None, client_id=flow.rp.id)) == (401, "invalid_client")
    rp = register_rp(flow.house, flow.http)
    flow.house.change_client(rp.id, auth_method=AuthMethod.POST)
    assert told(rp.exchange(code, assertion=None, client_id=rp.id, client_secret="x")) == (401, "invalid_client")


def refused(flow: Flow, **claims: Any) -> bool:
    """Whether neither endpoint takes an assertion with these claims."""
    form = flow.rp.asked() | {"grant_type": "refresh_token"}
    answers = [flow.rp.post(place, form, assertion=flow.rp.assertion(**claims)) for place in ("/par", "/token")]
    return {told(answer) for answer in answers} == {(401, "invalid_client")}


def test_fapi2_security_profile_final_ensure_client_assertion_with_exp_is_5_minutes_in_past_fails(flow: Flow) -> None:
    assert refused(flow, exp=now() - 300)


def test_fapi2_security_profile_final_ensure_client_assertion_with_wrong_aud_fails(flow: Flow) -> None:
    assert refused(flow, aud="https://other.example.test")


def test_fapi2_security_profile_final_ensure_client_assertion_with_no_sub_fails(flow: Flow) -> None:
    assert refused(flow, sub=None)


def test_fapi2_security_profile_final_par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails(
    flow: Flow,
) -> None:
    assert refused(flow, iat=now() + 90, nbf=now() + 90, exp=now() + 180)


def test_fapi2_security_profile_final_par_test_array_as_audience_fails(flow: Flow) -> None:
    assert refused(flow, aud=[flow.house.issuer])


def test_fapi2_security_profile_final_par_test_par_endpoint_url_as_audience_fails(flow: Flow) -> None:
    assert refused(flow, aud=f"{flow.house.issuer}/par")


def test_fapi2_security_profile_final_par_test_token_endpoint_url_as_audience_fails(flow: Flow) -> None:
    assert refused(flow, aud=f"{flow.house.issuer}/token")


def test_fapi2_security_profile_final_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted(
    flow: Flow,
) -> None:
    answer = flow.rp.post("/par", flow.rp.asked(), assertion=flow.rp.assertion(nbf=now() + 8), dpop=None)
    assert answer.status_code == 201


def test_fapi2_security_profile_final_refresh_token(flow: Flow) -> None:
    got = flow.tokens()
    for _ in range(2):
        again = flow.rp.renew(got["refresh_token"]).json()
        assert again["refresh_token"] == got["refresh_token"]  # it stays: FAPI 2.0, 5.3.2.1
        assert flow.rp.who(again["access_token"]).status_code == 200
    assert told(flow.rp.renew(got["refresh_token"], dpop=None)) == (400, "invalid_dpop_proof")
    assert told(flow.other.renew(got["refresh_token"])) == (400, "invalid_grant")
    assert told(flow.rp.renew(got["refresh_token"])) == (400, "invalid_grant")  # and it has ended the grant


def test_fapi2_security_profile_final_dpop_negative_tests(flow: Flow) -> None:
    url, key, token = f"{flow.house.issuer}/userinfo", flow.rp.dpop, flow.tokens()["access_token"]
    once = key.proof("GET", url, token)
    assert flow.rp.who(token, once).status_code == 200
    bad: list[Any] = [once, "no.proof", key.proof("GET", url), Key().proof("GET", url, token)]
    headers: list[dict[str, Any]] = [{"typ": None}, {"typ": "jwt"}, {"jwk": None}, {"jwk": key.secret}]
    bad += [key.proof("GET", url, token, header=header) for header in headers]
    claims: list[dict[str, Any]] = [
        {"jti": None},
        {"htm": None},
        {"htm": "PUT"},
        {"htu": None},
        {"htu": f"{url}x"},
        {"iat": None},
    ]
    bad += [key.proof("GET", url, token, **one) for one in claims]
    bad += [key.proof("GET", url, token, iat=now() + shift) for shift in (3600, -3600)]
    bad += [key.proof("GET", url, token)[:-4] + "AAAA", key.proof("GET", url, "another")]
    bad.append(Key("RS256").proof("GET", url, token))
    for proof in bad:
        assert flow.rp.who(token, proof).status_code == 401, proof
    for proof, scheme in ((None, "DPoP"), (None, "Bearer")):
        assert flow.rp.who(token, proof, scheme).status_code == 401
    for htu in (f"{url}?a=b#c", url.replace("http", "HTTP")):
        assert flow.rp.who(token, key.proof("GET", htu, token, htu=htu)).status_code == 200
    assert flow.rp.who(token, key.proof("GET", url, token, header={"x": 1}, y=2)).status_code == 200
    assert flow.rp.who(token).status_code == 200


def test_fapi2_security_profile_final_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(
    flow: Flow, browser: Browser
) -> None:
    url = flow.rp.pushed()
    for _ in range(2):
        assert browser.go(url).landing is None
    assert flow.land(url, browser)["code"]


def test_fapi2_security_profile_final_par_attempt_reuse_request_uri(flow: Flow) -> None:
    url = flow.rp.pushed()
    assert flow.land(url)["code"]
    assert flow.land(url) == {}


def test_fapi2_security_profile_final_par_attempt_to_use_expired_request_uri(flow: Flow) -> None:
    url = flow.rp.pushed()
    with flow.house.meanwhile(seconds=91):
        assert flow.land(url) == {}


def test_fapi2_security_profile_final_par_attempt_to_use_request_uri_for_different_client(flow: Flow) -> None:
    assert flow.land(flow.rp.pushed().replace(flow.rp.id, flow.other.id)) == {}


def test_fapi2_security_profile_final_par_authorization_request_containing_request_uri_form_param(flow: Flow) -> None:
    assert told(flow.rp.push(request_uri="urn:ietf:params:oauth:request_uri:x")) == (400, "invalid_request")


def test_fapi2_security_profile_final_par_attempt_invalid_http_method(flow: Flow) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert flow.http.request(method, "/par", params=flow.rp.asked()).status_code == 405


def test_fapi2_security_profile_final_par_ensure_pkce_required(flow: Flow) -> None:
    assert told(flow.rp.push(code_challenge=None, code_challenge_method=None)) == (400, "invalid_request")


def test_fapi2_security_profile_final_ensure_pkce_code_verifier_required(flow: Flow) -> None:
    assert told(flow.rp.exchange(flow.code(), code_verifier=None)) == (400, "invalid_grant")


def test_fapi2_security_profile_final_incorrect_pkce_code_verifier_rejected(flow: Flow) -> None:
    assert told(flow.rp.exchange(flow.code(), code_verifier="w" * 43)) == (400, "invalid_grant")


def test_fapi2_security_profile_final_par_plain_pkce_rejected(flow: Flow) -> None:
    assert told(flow.rp.push(code_challenge=VERIFIER, code_challenge_method="plain")) == (400, "invalid_request")


def test_fapi2_security_profile_final_par_without_duplicate_parameters(flow: Flow) -> None:
    url = flow.rp.pushed()
    assert set(url.partition("?")[2].replace("&", "=").split("=")[::2]) == {"client_id", "request_uri"}
    assert flow.land(url)["code"]
