"""Sign and verify JSON Web Tokens. The only joserfc of the project."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, KeySet, KeySetSerialization, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from pydantic_core import to_json

from shared.problems import Problem
from shared.strict_json import read_object

ALGORITHMS = ("RS256", "ES256", "PS256")
PROOF_ALGORITHMS = (*ALGORITHMS, "Ed25519")
KIND_OF_KEY = {"RS256": ("RSA", None), "PS256": ("RSA", None), "ES256": ("EC", "P-256"), "Ed25519": ("OKP", "Ed25519")}
KEY_MEMBERS = ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg")
MOST_KEYS = 20
PRIVATE_MEMBERS = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
LEAST_RSA, MOST_RSA = 2048, 8192  # bits
MOST_HEADER = 4096  # signs; a proof carries its key in its header
UNKNOWN_KEY = "unknown key"
LEEWAY = timedelta(seconds=60)
LAST_INSTANT = 253_402_300_799  # the end of the year 9999: what is beyond cannot be reckoned with
SigningKey = RSAKey | ECKey | OKPKey
Keys = KeySet


class InvalidToken(Problem):
    """The token is not ours, not for us, not now, or not what it should be; `reason` is for the log."""

    status = 401
    code = "invalid-token"
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # noqa: RUF012


class _Registry(jws.JWSRegistry):
    max_header_length = MOST_HEADER


def generate_key(algorithm: str) -> SigningKey:
    """A fresh private key, its `kid` the RFC 7638 thumbprint."""
    parameters: Any = {"use": "sig", "alg": algorithm}
    key: SigningKey
    key = ECKey.generate_key("P-256", parameters) if algorithm == "ES256" else RSAKey.generate_key(2048, parameters)
    key.ensure_kid()
    return key


def import_keys(keys: dict[str, Any]) -> KeySet:
    """A key set from its JWKS form; raises `ValueError`, `KeyError` or `TypeError` where it is none."""
    serialized: KeySetSerialization = {"keys": keys["keys"]}
    try:
        return KeySet.import_key_set(serialized)
    except JoseError as error:
        raise ValueError(str(error)) from None


def sign(claims: dict[str, Any], key: SigningKey, *, typ: str) -> str:
    """A compact JWS over `claims` (RFC 7515, 3.1); `typ` goes to the header (RFC 9068: `at+jwt`).

    Put together here, with joserfc's algorithm and key: its own way checks the header anew each time, at twice the cost.
    """
    header, signed = _header(key, typ)
    signing_input = header + b"." + urlsafe_b64encode(to_json(claims)).rstrip(b"=")
    return (signing_input + b"." + urlsafe_b64encode(signed(signing_input)).rstrip(b"=")).decode()


_SHA256 = ECDSA(SHA256(), deterministic_signing=True)  # RFC 6979: no chance is needed, and it takes a fifth less


def _signer(key: SigningKey, alg: str) -> Callable[[bytes], bytes]:
    algorithm = JWSRegistry(algorithms=[alg]).get_alg(alg)
    if not isinstance(key, ECKey):
        return lambda data: algorithm.sign(data, key)
    private = key.private_key
    assert private  # noqa: S101
    return lambda data: _flat(private.sign(data, _SHA256))


def _flat(signature: bytes) -> bytes:
    """Two numbers of 32 bytes (RFC 7518, 3.4) from their DER form; by way of integers it costs a fifth of the signature."""
    size = signature[3]
    first, second = signature[4 : 4 + size], signature[6 + size :]
    return first[-32:].rjust(32, b"\0") + second[-32:].rjust(32, b"\0")


def _header(key: SigningKey, typ: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    known = _headers.get((id(key), typ))
    if known is None:
        if len(_headers) > 100:
            _headers.clear()
        alg = str(key.as_dict(private=False)["alg"])
        header = json.dumps({"typ": typ, "alg": alg, "kid": key.kid}, separators=(",", ":")).encode()
        known = _headers[id(key), typ] = key, urlsafe_b64encode(header).rstrip(b"="), _signer(key, alg)
    return known[1:]


_headers: dict[
    tuple[int, str], tuple[SigningKey, bytes, Callable[[bytes], bytes]]
] = {}  # holds the key, so that its id stays its own


def verify(
    token: str, keys: KeySet, now: datetime, *, issuer: str, audience: str, typ: str, algorithms: tuple[str, ...] = ALGORITHMS
) -> dict[str, Any]:
    """The claims of a token that holds in every respect, or `InvalidToken`."""
    header, claims = verify_signature(token, keys, algorithms)
    claims_hold(header, claims, now, issuer=issuer, audience=audience, typ=typ)
    return claims


def verify_signature(
    token: str, keys: KeySet | SigningKey, algorithms: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that one of the keys has signed.

    The header's `alg` must be on the list and be the key's own; `jwk`, `jku`, `x5u`, `x5c` in a header are never used.
    """
    try:
        payload = jws.deserialize_compact(token.encode(), keys, registry=_registry(algorithms)).payload
        header, claims = read_object(urlsafe_b64decode(token.partition(".")[0] + "==")), read_object(payload)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidToken(reason=type(error).__name__) from None
    if "crit" in header or "b64" in header:
        raise InvalidToken(reason="crit")
    return header, claims


@lru_cache
def _registry(algorithms: tuple[str, ...]) -> jws.JWSRegistry:
    return _Registry(algorithms=algorithms, strict_check_header=False)


def verify_theirs(token: str, jwks: Any, algorithms: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of somebody else's token, by the public keys of their JWKS; `UNKNOWN_KEY` is the reason of a refusal
    where its key is not among them.

    Keys of the set that are of another kind, for encryption or too weak are passed over.
    """
    header = peek(token)
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in algorithms:
        raise InvalidToken(reason="alg")
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    known = [jwk for jwk in listed if isinstance(jwk, dict)] if isinstance(listed, list) else []
    for jwk in known:
        usual = jwk.get("use", "sig") == "sig" and jwk.get("alg", alg) == alg
        if usual and kid in (None, jwk.get("kid")) and (key := _public_key(jwk, alg)):
            return verify_signature(token, key, algorithms)
    raise InvalidToken(reason=UNKNOWN_KEY)


def verify_proof(token: str, algorithms: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header and claims of a token that is signed by the public key in its own header (RFC 9449, 4.2), and the key's RFC 7638
    thumbprint. It proves that the key is held, and nothing about who holds it."""
    header = peek(token)
    jwk, alg = header.get("jwk"), header.get("alg")
    if alg not in algorithms or not isinstance(jwk, dict) or PRIVATE_MEMBERS & jwk.keys():
        raise InvalidToken(reason="jwk")
    key = _public_key(jwk, alg)
    if key is None:
        raise InvalidToken(reason="jwk")
    return *verify_signature(token, key, algorithms), key.thumbprint()


def _public_key(jwk: dict[str, Any], alg: str) -> SigningKey | None:
    """The key, if one can check signatures of this algorithm with it."""
    if (jwk.get("kty"), jwk.get("crv")) != KIND_OF_KEY[alg]:
        return None
    return _imported(_canonical(jwk))


def _canonical(jwk: dict[str, Any]) -> str:
    return json.dumps({name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}, sort_keys=True)


def check_public_keys(jwks: Any) -> None:
    """Raise `ValueError` unless this is a JWKS of public keys, each of them sound: RSA of 2048 bits or more, points on their
    curve. Keys of a kind that nobody here knows may stand beside them (RFC 7517, 5)."""
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS or not all(isinstance(one, dict) for one in listed):
        raise ValueError(f"not a set of 1 to {MOST_KEYS} keys")
    for jwk in listed:
        if PRIVATE_MEMBERS & jwk.keys() or jwk.get("kty") == "oct":
            raise ValueError("a key that is not public")
        if not all(isinstance(jwk.get(name, ""), str) for name in KEY_MEMBERS):
            raise ValueError("a member that is no string")
        if jwk.get("kty") in ("RSA", "EC", "OKP") and _imported(_canonical(jwk)) is None:
            raise ValueError("a key that is too weak or broken")


@lru_cache(maxsize=4096)
def _imported(text: str) -> SigningKey | None:
    # The same clients come again and again, and importing a key costs as much as a check with it.
    jwk = json.loads(text)
    try:
        if jwk["kty"] == "RSA":
            bits = int.from_bytes(urlsafe_b64decode(jwk["n"] + "==")).bit_length()
            if not LEAST_RSA <= bits <= MOST_RSA:
                return None
        key = JWKRegistry.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, SigningKey) else None


def claims_hold(
    header: dict[str, Any], claims: dict[str, Any], now: datetime, *, issuer: str, audience: str | None, typ: str
) -> None:
    """Raise `InvalidToken` unless the token is of this issuer, for this audience (None: for any), of this type and in time."""
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    checks = {
        "typ": str(header.get("typ", "")).lower() in (typ, f"application/{typ}"),
        "iss": claims.get("iss") == issuer,
        "aud": all(isinstance(one, str) for one in audiences)
        and (audience in audiences or (audience is None and audiences != [])),
    }
    if failed := [name for name, holds in checks.items() if not holds] + out_of_time(claims, now, "exp", "iat"):
        raise InvalidToken(reason=",".join(failed))


def out_of_time(claims: dict[str, Any], now: datetime, *required: str) -> list[str]:
    """Those of `exp`, `nbf` and `iat` that do not hold now, clocks being up to a minute apart; one that is missing holds unless
    it is required."""
    instant, leeway = now.timestamp(), LEEWAY.total_seconds()

    def holds(name: str) -> bool:
        at = claims.get(name)
        if at is None:
            return name not in required
        sane = type(at) in (int, float) and 0 <= at <= LAST_INSTANT
        return sane and (instant < at + leeway if name == "exp" else instant >= at - leeway)

    return [name for name in ("exp", "nbf", "iat") if not holds(name)]


def peek(token: str) -> dict[str, Any]:
    """The header of a compact JWS, unverified: to choose a key, never to trust."""
    try:
        return dict(jws.extract_compact(token.encode(), registry=_registry(ALGORITHMS)).headers())
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidToken(reason=type(error).__name__) from None


def peek_claims(token: str) -> dict[str, Any]:
    """The claims of a compact JWS, unverified: to find whose keys to check it with, never to trust."""
    try:
        return read_object(jws.extract_compact(token.encode(), registry=_registry(ALGORITHMS)).payload)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidToken(reason=type(error).__name__) from None
