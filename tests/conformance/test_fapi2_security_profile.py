"""FAPI 2.0 Security Profile Final: `fapi2-security-profile-final-test-plan`, private_key_jwt and DPoP, OpenID Connect.

The modules of national profiles and `ensure-registered-redirect-uri` do not apply to plain_fapi; those that turn on request
objects stand in `test_fapi2_message_signing`, those that turn on proofs of possession in `test_fapi2_dpop`.
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


def test_fapi2_security_profile_final_happy_flow_of_the_second_client(flow: Flow) -> None:
    """With a query in its redirect URI, parameters in another order, a long nonce, and its key by `dpop_jkt` alone."""
    uri = f"{CB}?dummy1=lorem&dummy2=ipsum"
    rp = register_rp(flow.house, flow.http, key=Key("PS256"), redirect_uris=(uri,))
    asked = rp.asked(redirect_uri=uri, nonce="n" * 43, dpop_jkt=rp.dpop.jkt)
    pushed = rp.post("/par", dict(reversed(asked.items())), dpop=None).json()
    assert 5 <= pushed["expires_in"] <= 600
    landed = flow.land(f"/authorize?request_uri={pushed['request_uri']}&client_id={rp.id}")
    expected = {"dummy1": "lorem", "dummy2": "ipsum", "state": "s-1", "iss": flow.house.issuer}
    assert expected.items() <= landed.items()
    token = rp.exchange(landed["code"], redirect_uri=uri).json()["access_token"]
    assert rp.who(token).status_code == 200
    assert flow.rp.who(token).status_code == 401  # with the first client's key
    url = f"{flow.house.issuer}/userinfo"
    for accept in ("application/json; charset=UTF-8", "application/json, application/*+json, */*"):
        proven = {"authorization": f"DPoP {token}", "dpop": rp.dpop.proof("GET", url, token)}
        assert flow.http.get("/userinfo", headers=proven | {"accept": accept}).status_code == 200
    in_address = flow.http.get("/userinfo", params={"access_token": token}, headers={"dpop": rp.dpop.proof("GET", url, token)})
    assert in_address.status_code == 401


def test_fapi2_security_profile_final_user_rejects_authentication(flow: Flow, browser: Browser) -> None:
    rp = register_rp(flow.house, flow.http, trusted=False)
    browser.go(rp.pushed(state="s" * 128)).sign_in().send(button="consent-deny")
    told = browser.landed().params
    assert told.keys() <= {"error", "error_description", "state", "iss"}
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "s" * 128, flow.house.issuer)


def test_fapi2_security_profile_final_ensure_authorization_request_without_state_success(flow: Flow) -> None:
    assert "state" not in flow.land(flow.rp.pushed(state=None))


def claims_of(tokens: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    return claims


def id_token(flow: Flow, **changes: Any) -> dict[str, Any]:
    return claims_of(flow.tokens(**changes))


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
    assert told(flow.rp.exchange(flow.code(), dpop=None)) == (400, "invalid_request")
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


def test_fapi2_security_profile_final_ensure_invalid_client_assertions_fail(flow: Flow) -> None:
    """One of the suite's newer modules, beside those that it gathers."""
    rp, form, issuer = flow.rp, flow.rp.asked(), flow.house.issuer
    for wrong in ({"sub": "another"}, {"iss": None}, {"iss": "another"}, {"aud": None}, {"aud": [issuer, "https://x.test"]}):
        assert refused(flow, **wrong), wrong
    good = rp.assertion()
    unsigned = jwt.encode(jwt.decode(good, options={"verify_signature": False}), None, "none")
    for assertion in (unsigned, good[:-6] + "AAAAAA", None):
        assert told(rp.post("/par", form, assertion=assertion)) == (401, "invalid_client")
    for kind in ({}, {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:other"}):
        assert told(flow.http.post("/par", data=form | kind | {"client_assertion": good})) == (401, "invalid_client")
    later = rp.assertion(iat=now() + 8, nbf=now() + 8)
    assert rp.post("/par", form, assertion=later, dpop=None).status_code == 201
    assert rp.post("/par", form, assertion=good, dpop=None).status_code == 201  # it was good all the time


def test_fapi2_security_profile_final_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted(
    flow: Flow,
) -> None:
    answer = flow.rp.post("/par", flow.rp.asked(), assertion=flow.rp.assertion(nbf=now() + 8), dpop=None)
    assert answer.status_code == 201


def test_fapi2_security_profile_final_refresh_token(flow: Flow) -> None:
    got = flow.tokens()
    first, scope = claims_of(got), got["scope"]
    for _ in range(2):
        key = Key()  # another one than that of the code: the token is bound to the client, not to it
        again = flow.rp.renew(got["refresh_token"], dpop=key, scope=scope).json()
        assert (again["token_type"], again["expires_in"] > 0) == ("DPoP", True)
        assert again["refresh_token"] == got["refresh_token"]  # it stays: FAPI 2.0, 5.3.2.1
        assert again["access_token"] != got["access_token"]
        proof = key.proof("GET", f"{flow.house.issuer}/userinfo", again["access_token"])
        assert flow.rp.who(again["access_token"], proof).status_code == 200
        fresh = claims_of(again)
        assert fresh["iat"] >= first["iat"]
        assert {name: fresh[name] for name in ("iss", "sub", "aud", "auth_time")} == {
            name: first[name] for name in ("iss", "sub", "aud", "auth_time")
        }
    form = {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]}
    assert told(flow.rp.post("/token", form, assertion=None)) == (401, "invalid_client")
    # Of earlier releases the suite takes no other code than these two, whatever RFC 9449 calls a proof that is there.
    assert told(flow.rp.renew(got["refresh_token"], dpop=None)) == (400, "invalid_request")
    assert told(flow.other.renew(got["refresh_token"])) == (400, "invalid_grant")
    assert told(flow.rp.renew(got["refresh_token"])) == (400, "invalid_grant")  # and it has ended the grant


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
