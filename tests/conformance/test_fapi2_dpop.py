"""FAPI 2.0 Security Profile Final: the modules of `fapi2-security-profile-final-test-plan` that turn on DPoP (RFC 9449)."""

import json
from typing import Any

import jwt

from tests.conformance.fapi import Flow, flow, http, told
from tests.idp.signed import Key, b64, now

__all__ = ["flow", "http"]


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
    said = jwt.decode(key.proof("GET", url, token), options={"verify_signature": False})
    bad.append(jwt.encode(said, None, "none", {"typ": "dpop+jwt", "jwk": key.public}))
    _, *rest = key.proof("GET", url, token).split(".")
    bad.append(".".join([b64(json.dumps({"typ": "dpop+jwt", "jwk": key.public}).encode()), *rest]))
    for proof in bad:
        assert flow.rp.who(token, proof).status_code == 401, proof
    for proof, scheme in ((None, "DPoP"), (None, "Bearer")):
        assert flow.rp.who(token, proof, scheme).status_code == 401
    two = [("DPoP", key.proof("GET", url, token)) for _ in range(2)]
    assert flow.http.get("/userinfo", headers=[("authorization", f"DPoP {token}"), *two]).status_code == 401
    capital = {"AUTHORIZATION": f"DPoP {token}", "DPOP": key.proof("GET", url, token)}
    assert flow.http.get("/userinfo", headers=capital).status_code == 200
    for htu in (f"{url}?a=b#c", url.replace("http", "HTTP")):
        assert flow.rp.who(token, key.proof("GET", htu, token, htu=htu)).status_code == 200
    assert flow.rp.who(token, key.proof("GET", url, token, header={"x": 1}, y=2)).status_code == 200
    assert flow.rp.who(token).status_code == 200
