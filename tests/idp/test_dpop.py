"""Proof of possession with each request (RFC 9449); the proofs are made by PyJWT."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx2 import Response

from idp.clients.rules import AuthMethod, Profile
from idp.oidc.sweeping import sweep
from shared import clock
from tests.idp.conftest import ISSUER, House
from tests.idp.signed import CB, Key, Rp, b64, now, register_rp
from tests.idp.walk import VERIFIER, answer_of, ask, begin, follow, sign_in, tokens, who

TOKEN, USERINFO = f"{ISSUER}/token", f"{ISSUER}/userinfo"
SPA_CB = "http://localhost:8500/cb"


def spa_code(house: House, **changes: str) -> str:
    browser = house.browser()
    page = begin(browser, client_id="spa", redirect_uri=SPA_CB, **changes)
    return answer_of(page if page.is_redirect else sign_in(browser, page))["code"]


def spa_exchange(house: House, code: str, proof: str | None) -> Response:
    data = {"grant_type": "authorization_code", "client_id": "spa", "code": code, "redirect_uri": SPA_CB}
    headers = {"DPoP": proof} if proof else {}
    return house.machine().post("/token", data=data | {"code_verifier": VERIFIER}, headers=headers)


def spa_renew(house: House, token: str, proof: str | None) -> Response:
    data = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": token}
    return house.machine().post("/token", data=data, headers={"DPoP": proof} if proof else {})


def userinfo(house: House, token: str, proof: str | None, scheme: str = "DPoP") -> Response:
    headers = {"authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
    return house.machine().get("/userinfo", headers=headers)


@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
def test_a_proof_binds_the_token_to_its_key(house: House, alg: str) -> None:
    key = Key(alg)
    answer = spa_exchange(house, spa_code(house), key.proof("POST", TOKEN))
    got = answer.json()
    assert got["token_type"] == "DPoP"
    assert jwt.decode(got["access_token"], options={"verify_signature": False})["cnf"] == {"jkt": key.jkt}
    assert answer.headers["dpop-nonce"]
    assert userinfo(house, got["access_token"], key.proof("GET", USERINFO, got["access_token"])).json()["sub"]


def test_without_a_proof_a_plain_client_gets_a_bearer_token(house: House) -> None:
    answer = spa_exchange(house, spa_code(house), None)
    assert answer.json()["token_type"] == "Bearer"
    assert "dpop-nonce" not in answer.headers


BAD_PROOFS: list[dict[str, Any]] = [
    {"header": {"typ": "JWT"}},
    {"header": {"typ": None}},
    {"header": {"jwk": None}},
    {"header": {"jwk": "x"}},
    {"header": {"jwk": {"kty": "oct", "k": "AAAA"}}},
    {"header": {"crit": ["x"], "x": 1}},
    {"htm": "GET"},
    {"htm": None},
    {"htu": "https://elsewhere.example.test/token"},
    {"htu": f"{ISSUER}/token/"},
    {"htu": f"{ISSUER}/userinfo"},
    {"htu": None},
    {"htu": 5},
    {"htu": "https://[x/token"},
    {"iat": now() - 3600},
    {"iat": now() + 3600},
    {"iat": None},
    {"iat": "now"},
    {"iat": 1e308},
    {"exp": now() - 120},
    {"nbf": now() + 100_000},
    {"jti": None},
    {"jti": ""},
    {"jti": "x" * 300},
    {"jti": ["a"]},
]


@pytest.mark.parametrize("changes", BAD_PROOFS)
def test_a_proof_that_does_not_hold_is_refused_and_costs_no_code(house: House, changes: dict[str, Any]) -> None:
    key, code = Key(), spa_code(house)
    answer = spa_exchange(house, code, key.proof("POST", TOKEN, **({"header": None} | changes)))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert "refused.token" in house.acts()
    assert spa_exchange(house, code, key.proof("POST", TOKEN)).status_code == 200


GOOD_PROOFS: list[dict[str, Any]] = [
    {"iat": -10},  # seconds from now
    {"iat": 10},
    {"nbf": 0, "exp": 300},
    {"htu": f"{ISSUER}/token?a=b#c"},
    {"htu": "HTTPS://ID.EXAMPLE.TEST:443/token"},
    {"extra": {"a": 1}},
    {"header": {"extra": "x"}},
]


@pytest.mark.parametrize("changes", GOOD_PROOFS)
def test_a_proof_that_holds_in_another_way_is_taken(house: House, changes: dict[str, Any]) -> None:
    dated = {name: now() + changes[name] for name in ("iat", "nbf", "exp") if name in changes}
    proof = Key().proof("POST", TOKEN, **(changes | dated))
    assert spa_exchange(house, spa_code(house), proof).json()["token_type"] == "DPoP"


def test_a_proof_with_a_private_or_a_foreign_key_is_refused(house: House) -> None:
    key, code = Key(), spa_code(house)
    forged = [
        key.proof("POST", TOKEN, header={"jwk": key.secret}),
        key.proof("POST", TOKEN, header={"jwk": Key().public}),
        key.proof("POST", TOKEN)[:-6] + "AAAAAA",
        jwt.encode(
            {"jti": "1", "htm": "POST", "htu": TOKEN, "iat": now()}, None, "none", {"typ": "dpop+jwt", "jwk": key.public}
        ),
        jwt.encode({"jti": "1"}, "k" * 32, "HS256", {"typ": "dpop+jwt", "jwk": key.public}),
        "no.jwt",
        f"{key.proof('POST', TOKEN)}, {key.proof('POST', TOKEN)}",
    ]
    for proof in forged:
        assert spa_exchange(house, code, proof).json()["error"] == "invalid_dpop_proof", proof[:60]
    two = [("DPoP", key.proof("POST", TOKEN)), ("DPoP", key.proof("POST", TOKEN))]
    data = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": "x"}
    assert house.machine().post("/token", data=data, headers=two).json()["error"] == "invalid_dpop_proof"


def test_a_proof_comes_once_only_also_at_the_same_time(house: House) -> None:
    key = Key()
    got = spa_exchange(house, spa_code(house), key.proof("POST", TOKEN)).json()["access_token"]
    proof = key.proof("GET", USERINFO, got)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: userinfo(house, got, proof).status_code, range(5)))
    assert sorted(answers) == [200] + [401] * 4


def test_a_bound_token_is_of_no_use_without_its_key(house: House) -> None:
    key = Key()
    got = spa_exchange(house, spa_code(house), key.proof("POST", TOKEN)).json()["access_token"]
    refused = [
        userinfo(house, got, None),
        userinfo(house, got, None, scheme="Bearer"),
        userinfo(house, got, key.proof("GET", USERINFO, got), scheme="Bearer"),
        userinfo(house, got, Key().proof("GET", USERINFO, got)),
        userinfo(house, got, key.proof("GET", USERINFO)),
        userinfo(house, got, key.proof("GET", USERINFO, "another token")),
        userinfo(house, got, key.proof("POST", USERINFO, got)),
        userinfo(house, got, key.proof("GET", USERINFO, got, nonce="made-up")),
    ]
    for answer in refused:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("DPoP error=")
        assert 'algs="' in answer.headers["www-authenticate"]
    assert refused[-1].json()["error"] == "use_dpop_nonce"
    form = house.machine().post("/userinfo", data={"access_token": got}, headers={"DPoP": key.proof("POST", USERINFO, got)})
    assert form.status_code == 401
    for scheme in ("DPoP", "dpop", "DPOP"):
        assert userinfo(house, got, key.proof("GET", USERINFO, got), scheme).status_code == 200
    assert "refused.userinfo" in house.acts()


def test_a_bearer_token_does_not_pass_for_a_bound_one(house: House) -> None:
    got = tokens(house, house.browser())["access_token"]
    assert userinfo(house, got, Key().proof("GET", USERINFO, got)).status_code == 401
    assert who(house, got).status_code == 200


def test_a_public_clients_refresh_token_belongs_to_the_key(house: House) -> None:
    key = Key()
    first = spa_exchange(house, spa_code(house), key.proof("POST", TOKEN)).json()
    for proof in (None, Key().proof("POST", TOKEN)):
        assert spa_renew(house, first["refresh_token"], proof).json()["error"] == "invalid_grant"
    second = spa_renew(house, first["refresh_token"], key.proof("POST", TOKEN)).json()
    assert second["token_type"] == "DPoP"
    assert spa_renew(house, second["refresh_token"], None).json()["error"] == "invalid_grant"


def test_a_refresh_token_that_stays_lives_on_by_its_use(house: House) -> None:
    rp, browser = register_rp(house, house.machine()), house.browser()
    got = rp.exchange(answer_of(sign_in(browser, follow(browser, browser.get(rp.pushed()))))["code"]).json()
    for days in (20, 40):
        with time_machine.travel(clock.now() + timedelta(days=days)):
            rp.nonce = None
            sweep(house.db, {})
            assert rp.renew(got["refresh_token"]).is_success
    with time_machine.travel(clock.now() + timedelta(days=71)):
        rp.nonce = None
        assert rp.renew(got["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_confidential_clients_refresh_token_takes_a_new_key(house: House) -> None:
    rp = register_rp(house, house.machine(), profile=Profile.PLAIN)
    browser = house.browser()
    page = begin(browser, client_id=rp.id, redirect_uri=CB)
    got = rp.exchange(answer_of(sign_in(browser, page))["code"]).json()
    other = Key()
    renewed = rp.renew(got["refresh_token"], dpop=other)
    assert jwt.decode(renewed.json()["access_token"], options={"verify_signature": False})["cnf"] == {"jkt": other.jkt}
    assert rp.renew(renewed.json()["refresh_token"], dpop=None).json()["error"] == "invalid_request"


def test_a_client_that_is_registered_to_prove_its_key_must(house: House) -> None:
    house.change_client("spa", dpop_bound=True)
    code = spa_code(house)
    assert spa_exchange(house, code, None).json()["error"] == "invalid_request"
    assert spa_exchange(house, code, Key().proof("POST", TOKEN)).status_code == 200


def test_a_code_that_was_asked_for_with_a_key_is_for_its_holder(house: House) -> None:
    key = Key()
    for proof in (None, Key().proof("POST", TOKEN)):
        answer = spa_exchange(house, spa_code(house, dpop_jkt=key.jkt), proof)
        assert answer.json()["error"] == "invalid_grant"
    assert spa_exchange(house, spa_code(house, dpop_jkt=key.jkt), key.proof("POST", TOKEN)).status_code == 200
    browser = house.browser()
    refused = follow(browser, browser.get("/authorize", params=ask(dpop_jkt="short")))
    assert answer_of(refused)["error"] == "invalid_request"


def test_a_proof_at_the_pushed_request_binds_the_code(house: House) -> None:
    rp = register_rp(house, house.machine(), profile=Profile.PLAIN)
    assert rp.push(dpop_jkt=Key().jkt).json()["error"] == "invalid_dpop_proof"
    browser = house.browser()
    page = follow(browser, browser.get(rp.pushed()))
    code = answer_of(sign_in(browser, page))["code"]
    assert rp.exchange(code, dpop=Key()).json()["error"] == "invalid_grant"


def test_a_nonce_of_ours_is_demanded_from_fapi_clients_and_grows_old(house: House) -> None:
    rp = register_rp(house, house.machine())
    answer = rp.post("/par", rp.asked(), dpop=rp.dpop.proof("POST", f"{ISSUER}/par"))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    nonce = answer.headers["dpop-nonce"]
    for sent in ("made-up", "é", 5, ""):
        proof = rp.dpop.proof("POST", f"{ISSUER}/par", nonce=sent)
        assert rp.post("/par", rp.asked(), dpop=proof).json()["error"] == "use_dpop_nonce"
    good = rp.post("/par", rp.asked(), dpop=rp.dpop.proof("POST", f"{ISSUER}/par", nonce=nonce))
    assert good.status_code == 201
    house.later(seconds=250)
    old = rp.dpop.proof("POST", f"{ISSUER}/par", nonce=nonce, iat=now() + 250)
    answer = rp.post("/par", rp.asked(), assertion=rp.assertion(exp=now() + 300), dpop=old)
    assert answer.json()["error"] == "use_dpop_nonce"
    assert answer.headers["dpop-nonce"] != nonce


def test_scripts_of_a_browser_client_may_send_a_proof_and_read_the_nonce(house: House) -> None:
    machine, origin = house.machine(), {"origin": "http://localhost:8500"}
    preflight = machine.options("/token", headers=origin | {"access-control-request-method": "POST"})
    assert "DPoP" in preflight.headers["access-control-allow-headers"]
    data = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": "x"}
    answer = machine.post("/token", data=data, headers=origin | {"DPoP": Key().proof("POST", TOKEN)})
    assert "DPoP-Nonce" in answer.headers["access-control-expose-headers"]
    assert answer.headers["dpop-nonce"]


def test_introspection_tells_the_key_of_a_token(house: House) -> None:
    rp = register_rp(house, house.machine(), profile=Profile.PLAIN)
    browser = house.browser()
    page = begin(browser, client_id=rp.id, redirect_uri=CB)
    got = rp.exchange(answer_of(sign_in(browser, page))["code"]).json()
    told = rp.post("/introspect", {"token": got["access_token"]}, dpop=None).json()
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": rp.dpop.jkt})


def test_a_key_on_ed25519_is_taken(house: House) -> None:
    private = Ed25519PrivateKey.generate()
    public = {"kty": "OKP", "crv": "Ed25519", "x": b64(private.public_key().public_bytes_raw())}
    header = {"typ": "dpop+jwt", "alg": "Ed25519", "jwk": public}
    claims = {"jti": "1", "htm": "POST", "htu": TOKEN, "iat": now()}
    signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    proof = f"{signed}.{b64(private.sign(signed.encode()))}"
    assert spa_exchange(house, spa_code(house), proof).json()["token_type"] == "DPoP"


def test_a_public_client_of_fapi_does_not_exist(house: House) -> None:
    house.change_client("spa", profile=Profile.FAPI2, auth_method=AuthMethod.NONE)
    rp = Rp(house.machine(), ISSUER, "spa")
    assert (
        rp.http.post("/token", data={"grant_type": "authorization_code", "client_id": rp.id}).json()["error"]
        == "invalid_client"
    )
