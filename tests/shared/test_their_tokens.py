"""Tokens that somebody else has signed: by their own key set, or by the key that a proof carries. PyJWT signs them."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from shared.tokens import UNKNOWN_KEY, InvalidToken, peek_claims, verify_proof, verify_theirs

ALGORITHMS = ("ES256", "PS256")
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(PRIVATE.public_key())) | {"kid": "k"}
JWKS = {"keys": [PUBLIC]}


def raw(payload: bytes, **header: Any) -> str:
    known = {name: value for name, value in ({"kid": "k"} | header).items() if value is not None}
    return jwt.api_jws.encode(payload, PRIVATE, "ES256", known)


def test_a_key_of_the_set_signs():
    assert verify_theirs(raw(b'{"a": "\\u00e0"}'), JWKS, ALGORITHMS)[1] == {"a": "à"}
    assert verify_theirs(raw(b"{}", kid=None), JWKS, ALGORITHMS)[1] == {}


NOT_TAKEN = [
    b'{"sub": "a", "sub": "b"}',
    b'{"a": {"b": 1, "b": 2}}',
    b'{"exp": NaN}',
    b'{"exp": Infinity}',
    b'{"a": "\\ud800"}',
    b'{"a": ["\\udfff"]}',
    b"[1]",
    b'"text"',
    b"\xff\xfe",
    b"",
    b"[" * 50_000,
]


@pytest.mark.parametrize("payload", NOT_TAKEN, ids=range(len(NOT_TAKEN)))
def test_claims_that_two_readers_could_take_differently_are_refused(payload):
    for read in (lambda: verify_theirs(raw(payload), JWKS, ALGORITHMS), lambda: peek_claims(raw(payload))):
        with pytest.raises(InvalidToken):
            read()


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": None},
        {"keys": [None, 5, "x"]},
        [],
        None,
        "x",
        {"keys": [PUBLIC | {"kid": "other"}]},
        {"keys": [PUBLIC | {"use": "enc"}]},
        {"keys": [PUBLIC | {"alg": "ES384"}]},
        {"keys": [PUBLIC | {"crv": "P-384"}]},
        {"keys": [PUBLIC | {"x": 5}]},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "k"}]},
    ],
)
def test_a_set_without_the_key_is_told_apart_from_a_bad_signature(jwks):
    with pytest.raises(InvalidToken) as refused:
        verify_theirs(raw(b"{}"), jwks, ALGORITHMS)
    assert refused.value.facts["reason"] == UNKNOWN_KEY
    with pytest.raises(InvalidToken) as refused:
        verify_theirs(raw(b"{}")[:-4] + "AAAA", JWKS, ALGORITHMS)
    assert refused.value.facts["reason"] != UNKNOWN_KEY


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES384", "", None, ["ES256"], 5, "RS256"])
def test_no_algorithm_that_is_not_on_the_list_is_taken(alg):
    head = base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "k"}).encode()).decode().rstrip("=")
    with pytest.raises(InvalidToken):
        verify_theirs(f"{head}.{raw(b'{}').partition('.')[2]}", JWKS, ALGORITHMS)


def test_a_proof_names_its_key_by_thumbprint():
    public = {name: PUBLIC[name] for name in ("crv", "kty", "x", "y")}
    *_, jkt = verify_proof(raw(b"{}", jwk=public, kid=None), ALGORITHMS)
    assert jkt == verify_proof(raw(b"{}", jwk=public | {"kid": "x", "use": "sig"}), ALGORITHMS)[2]
    for jwk in (public | {"d": "AAAA"}, public | {"k": "AAAA"}, {}, [], {"kty": "EC", "crv": "P-256"}):
        with pytest.raises(InvalidToken):
            verify_proof(raw(b"{}", jwk=jwk), ALGORITHMS)


def test_what_is_far_too_long_is_refused_before_it_is_read():
    for token in (raw(b"{}", x="y" * 5000), "a" * 200_000, "a." * 100_000, raw(b'{"a": "' + b"x" * 200_000 + b'"}')):
        with pytest.raises(InvalidToken):
            verify_theirs(token, JWKS, ALGORITHMS)
