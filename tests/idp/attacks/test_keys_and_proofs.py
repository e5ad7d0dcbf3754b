"""Attacks on keys, rotation, comparing and proofs of possession: J10, J14, J15, J16."""

import ast
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from idp.clients.rules import AuthMethod
from idp.keys.actions import rotate_keys
from shared import clock, tokens
from shared.issuer import IssuerKeys
from tests.idp.attacks import forgeries
from tests.idp.attacks.jose import Signer, b64
from tests.idp.attacks.refusals import check_error, new_client, one_refusal, soon
from tests.idp.conftest import APP, ISSUER, House
from tests.idp.signed import CB, Key, now
from tests.idp.walk import VERIFIER, code_for, renew, who
from tests.idp.walk import tokens as sign_in

ROOT = Path(__file__).parents[3]


def jwk_of(key: Any, **members: Any) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return found | {"use": "sig"} | members


def number(value: int) -> str:
    return b64(value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def broken_keys() -> list[tuple[str, dict[str, Any]]]:
    strong, curve = jwk_of(rsa.generate_private_key(65537, 2048)), jwk_of(ec.generate_private_key(ec.SECP256R1()))
    return [
        ("RSA of 1024 bits", jwk_of(rsa.generate_private_key(65537, 1024))),  # noqa: S505
        ("RSA, e=1", strong | {"e": number(1)}),
        ("RSA, e=2", strong | {"e": number(2)}),
        ("RSA, n=0", strong | {"n": ""}),
        ("RSA of 20000 bits", strong | {"n": number(2**20000 - 1)}),
        ("RSA without n", {name: value for name, value in strong.items() if name != "n"}),
        ("a point off its curve", curve | {"x": number(5), "y": number(7)}),
        ("the point at infinity", curve | {"x": "", "y": ""}),
        ("zeros", curve | {"x": b64(bytes(32)), "y": b64(bytes(32))}),
        ("the wrong curve", curve | {"crv": "P-384"}),
        ("an unknown curve", curve | {"crv": "P-257"}),
        ("an empty secret", {"kty": "oct", "k": ""}),
        ("a secret", {"kty": "oct", "k": b64(b"k" * 32)}),
        ("a private key", curve | {"d": b64(b"d" * 32)}),
        ("a number for x", curve | {"x": 7}),
        ("nothing", {}),
    ]


def test_j10_a_weak_or_broken_key_is_not_taken(house: House) -> None:
    sent = {"authorization": f"Bearer {house.filled.initial_token}"}
    wish = {"redirect_uris": [CB], "token_endpoint_auth_method": "private_key_jwt"}
    for name, key in broken_keys():
        if name == "nothing":
            continue  # keys of a kind that nobody knows are passed over
        with one_refusal(house, "refused.registration"), soon():
            answer = house.machine().post("/register", json=wish | {"jwks": {"keys": [key]}}, headers=sent)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), name


def test_j10_a_broken_key_proves_nothing(house: House) -> None:
    good = Key()
    for name, key in broken_keys():
        for alg in ("ES256", "RS256", "PS256", "Ed25519", "ES384"):
            signer = Signer(good.private, "ES256", {"alg": alg, "typ": "dpop+jwt", "jwk": key})
            proof = signer.sign({"jti": uuid4().hex, "htm": "POST", "htu": f"{ISSUER}/token", "iat": now()})
            with soon():
                answer = house.machine().post("/token", data={"grant_type": "x", "client_id": "spa"}, headers={"dpop": proof})
            assert answer.status_code == 400, name
            form = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": "x"}
            with one_refusal(house, "refused.token"):
                answer = house.machine().post("/token", data=form, headers={"dpop": proof})
            check_error(answer, 400, "invalid_dpop_proof")


def test_j10_a_client_of_es256_is_not_served_by_a_key_of_another_kind() -> None:
    other = Key("RS256")
    claims = {"iss": "x"}
    for alg, key in (("ES256", other.jwk), ("RS256", Key().jwk), ("ES384", Key().jwk), ("HS256", Key().jwk)):
        signer = Signer(other.private, "RS256", {"alg": alg})
        with pytest.raises(tokens.InvalidToken):
            tokens.verify_theirs(signer.sign(claims), {"keys": [key]}, ("RS256", "ES256", "PS256"))


SECRETS = re.compile(r"(\w*_)?(secret|password|signature|mac|verifier|code_challenge|form_token|digest|nonce|password_hash)")


def test_j14_secrets_are_compared_in_constant_time() -> None:
    found = []
    for path in [*(ROOT / "idp").rglob("*.py"), *(ROOT / "shared").rglob("*.py"), *(ROOT / "meetings").rglob("*.py")]:
        if "migrations" in path.parts or "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
                names = [re.split(r"\W+", side.rstrip(")'\"]"))[-1] for side in sides if not side.startswith(("'", "len("))]
                in_sql = any(re.search(r"\b[A-Z]\w+\.\w+|\.c\.\w+|_[a-z]\.\w+", side) for side in sides)
                if any(SECRETS.fullmatch(name) for name in names) and not in_sql:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert not found, f"use shared.ids.same: {found}"


def test_j15_what_an_old_key_signed_holds_until_it_ends(house: House, person: Any) -> None:
    before = sign_in(house, person)
    with house.db.write() as tx:
        rotate_keys(tx, clock.now(), house.settings, overlap=timedelta())
    after = renew(house, before["refresh_token"]).json()
    kids = {jwt.get_unverified_header(one["access_token"])["kid"] for one in (before, after)}
    published = {one["kid"] for one in house.machine().get("/jwks").json()["keys"]}
    assert (len(kids), kids <= published) == (2, True)
    assert [who(house, one["access_token"]).status_code for one in (before, after)] == [200, 200]
    for key in house.machine().get("/jwks").json()["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()


def test_j15_an_unknown_key_makes_a_resource_server_ask_once(house: House, person: Any) -> None:
    asked: list[str] = []

    def fetch(url: str) -> dict[str, Any]:
        asked.append(url)
        found: dict[str, Any] = house.machine().get(url.removeprefix(ISSUER)).json()
        return found

    keys = IssuerKeys(ISSUER, fetch)
    good = sign_in(house, person)["access_token"]
    keys.find(good)
    evil = Signer(forgeries.attacker("ES256"), "ES256", {"alg": "ES256"})
    for kid in (*(uuid4().hex for _ in range(50)), None, "", "k" * 3000):
        token = evil.sign({"iss": ISSUER}, kid=kid)
        known = keys.find(token)
        with pytest.raises(tokens.InvalidToken):
            tokens.verify(token, known, clock.now(), issuer=ISSUER, audience="x", typ="at+jwt")
    assert len(asked) == 2, "the metadata and the keys, once"


BAD_PROOFS: list[dict[str, Any]] = [
    *({"htm": htm} for htm in ("GET", "post", "", None, ["POST"], 7)),
    *(
        {"htu": htu}
        for htu in (f"{ISSUER}/userinfo", f"{ISSUER}/token/", "https://evil.test/token", "/token", "", None, 7, ["x"])
    ),
    *({"htu": htu} for htu in (f"{ISSUER}:444/token", f"{ISSUER}.evil.test/token", "https://[", f"{ISSUER}@evil.test/token")),
    *({"iat": seconds} for seconds in (-3600, 3600, 10**400, 1e300, "now", None, True, [], {})),
    *({"jti": jti} for jti in (None, "", 7, ["x"], "x" * 257)),
    {"nonce": "made up"},
    {"nonce": 7},
    {"header": {"typ": "JWT"}},
    {"header": {"typ": None}},
    {"header": {"jwk": None}},
    {"header": {"jwk": Key().public}},
    {"header": {"jwk": {"kty": "oct", "k": "eA"}}},
]


@pytest.mark.parametrize("changes", BAD_PROOFS, ids=lambda changes: str(changes)[:40])
def test_j16_a_proof_holds_in_every_respect(house: House, changes: dict[str, Any]) -> None:
    if isinstance(changes.get("iat"), int) and abs(changes["iat"]) < 10**5 and changes["iat"] is not True:
        changes = {"iat": now() + changes["iat"]}
    proof = Key().proof("POST", f"{ISSUER}/token", **changes)
    form = {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": "x"}
    with one_refusal(house, "refused.token"):
        answer = house.machine().post("/token", data=form, headers={"dpop": proof})
    check_error(answer, 400, "invalid_dpop_proof", "use_dpop_nonce")


def test_j16_a_bound_token_is_worth_nothing_to_who_stole_it(house: House, person: Any) -> None:
    client_id, _ = new_client(house, auth_method=AuthMethod.NONE, dpop_bound=True)
    mine, thief = Key(), Key()
    form = {"grant_type": "authorization_code", "client_id": client_id, "redirect_uri": f"{APP}/cb", "code_verifier": VERIFIER}
    url, machine = f"{ISSUER}/userinfo", house.machine()

    def at_token(proof: str | None, **changes: str) -> Any:
        headers = {"dpop": proof} if proof else {}
        return machine.post("/token", data=form | changes, headers=headers)

    proof = mine.proof("POST", f"{ISSUER}/token")
    got = at_token(proof, code=code_for(house, person, client_id=client_id)).json()
    with one_refusal(house, "refused.token"):
        check_error(at_token(proof, code=code_for(house, person, client_id=client_id)), 400, "invalid_dpop_proof")  # replayed
    with one_refusal(house, "refused.token"):
        check_error(at_token(None, code=code_for(house, person, client_id=client_id)), 400, "invalid_request")
    token = got["access_token"]
    for headers in (
        {"authorization": f"Bearer {token}"},
        {"authorization": f"DPoP {token}"},
        {"authorization": f"DPoP {token}", "dpop": thief.proof("GET", url, token)},
        {"authorization": f"DPoP {token}", "dpop": mine.proof("POST", url, token)},
        {"authorization": f"DPoP {token}", "dpop": mine.proof("GET", url)},
        {"authorization": f"DPoP {token}", "dpop": mine.proof("GET", url, token + "x")},
        {"authorization": f"Bearer {token}", "dpop": mine.proof("GET", url, token)},
    ):
        with one_refusal(house, "refused.userinfo"):
            assert machine.get("/userinfo", headers=headers).status_code == 401
    renewing = {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]}
    for stolen, error in ((None, "invalid_request"), (thief.proof("POST", f"{ISSUER}/token"), "invalid_grant")):
        with one_refusal(house, "refused.token"):
            check_error(at_token(stolen, **renewing), 400, error)
    held = {"authorization": f"DPoP {token}", "dpop": mine.proof("GET", url, token)}
    assert machine.get("/userinfo", headers=held).status_code == 200
    with one_refusal(house, "refused.userinfo"):
        assert machine.get("/userinfo", headers=held).status_code == 401  # the proof comes twice
    assert at_token(mine.proof("POST", f"{ISSUER}/token"), **renewing).status_code == 200
