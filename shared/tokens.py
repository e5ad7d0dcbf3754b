"""Sign and verify JSON Web Tokens; fetch and keep the issuer's keys. The only joserfc of the project."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, KeySetSerialization, OKPKey, RSAKey

from shared.problems import Problem, Unavailable

ALGORITHMS = ("RS256", "ES256", "PS256")
LEEWAY = timedelta(seconds=60)
SigningKey = RSAKey | ECKey | OKPKey
Keys = KeySet


class InvalidToken(Problem):
    """The token is not ours, not for us, not now, or not what it should be; `reason` is for the log."""

    status = 401
    code = "invalid-token"
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # noqa: RUF012


def generate_key(algorithm: str) -> SigningKey:
    """A fresh private key, its `kid` the RFC 7638 thumbprint."""
    parameters: Any = {"use": "sig", "alg": algorithm}
    key: SigningKey
    key = ECKey.generate_key("P-256", parameters) if algorithm == "ES256" else RSAKey.generate_key(2048, parameters)
    key.ensure_kid()
    return key


def import_keys(keys: dict[str, Any]) -> KeySet:
    """A key set from its JWKS form."""
    serialized: KeySetSerialization = {"keys": keys["keys"]}
    return KeySet.import_key_set(serialized)


def sign(claims: dict[str, Any], key: SigningKey, *, typ: str) -> str:
    """A compact JWS over `claims`; `typ` goes to the header (RFC 9068: `at+jwt`)."""
    algorithm = str(key.as_dict(private=False)["alg"])
    return jwt.encode({"typ": typ, "alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def verify(
    token: str, keys: KeySet, now: datetime, *, issuer: str, audience: str, typ: str, algorithms: tuple[str, ...] = ALGORITHMS
) -> dict[str, Any]:
    """The claims of a token that holds in every respect, or `InvalidToken`."""
    header, claims = verify_signature(token, keys, algorithms)
    claims_hold(header, claims, now, issuer=issuer, audience=audience, typ=typ)
    return claims


def verify_signature(token: str, keys: KeySet, algorithms: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that one of the keys has signed.

    The header's `alg` must be on the list and be the key's own; `jwk`, `jku`, `x5u`, `x5c` in a header are never used.
    """
    try:
        decoded = jwt.decode(token, keys, algorithms=list(algorithms))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise InvalidToken(reason=type(error).__name__) from None
    return dict(decoded.header), dict(decoded.claims)


def claims_hold(
    header: dict[str, Any], claims: dict[str, Any], now: datetime, *, issuer: str, audience: str | None, typ: str
) -> None:
    """Raise `InvalidToken` unless the token is of this issuer, for this audience (None: for any), of this type and in time."""
    instant, leeway, audiences = now.timestamp(), LEEWAY.total_seconds(), claims.get("aud")
    checks = {
        "typ": str(header.get("typ", "")).lower() in (typ, f"application/{typ}"),
        "iss": claims.get("iss") == issuer,
        "aud": audience in (None, audiences) or (isinstance(audiences, list) and audience in audiences),
        "exp": isinstance(claims.get("exp"), int | float) and instant < claims["exp"] + leeway,
        "nbf": isinstance(claims.get("nbf", 0), int | float) and instant >= claims.get("nbf", 0) - leeway,
        "iat": isinstance(claims.get("iat"), int | float) and instant >= claims["iat"] - leeway,
    }
    if failed := [name for name, holds in checks.items() if not holds]:
        raise InvalidToken(reason=",".join(failed))


def peek(token: str) -> dict[str, Any]:
    """The header of a compact JWS, unverified: to choose a key, never to trust."""
    try:
        return dict(jws.extract_compact(token.encode()).headers())
    except (JoseError, ValueError) as error:
        raise InvalidToken(reason=type(error).__name__) from None


class IssuerKeys:
    """The configured issuer's published keys, fetched on first need and again when an unknown `kid` appears."""

    def __init__(self, issuer: str, fetch: Callable[[str], dict[str, Any]] | None = None) -> None:
        self._issuer = issuer
        self._fetch = fetch or _get_json
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched = 0.0

    def find(self, token: str) -> KeySet:
        """The key set that knows the token's `kid`; refetches at most every 10 s, and at least every hour."""
        kid = peek(token).get("kid")
        with self._lock:
            age = time.monotonic() - self._fetched
            known = self._keys is not None and any(key.kid == kid for key in self._keys.keys)
            if self._keys is None or age > 3600 or (not known and age > 10):
                try:
                    metadata = self._fetch(f"{self._issuer}/.well-known/openid-configuration")
                    self._keys = import_keys(self._fetch(metadata["jwks_uri"]))
                    self._fetched = time.monotonic()
                except (httpx2.HTTPError, JoseError, KeyError, TypeError, ValueError) as error:
                    if self._keys is None:
                        raise Unavailable() from error
            return self._keys


def _get_json(url: str) -> dict[str, Any]:
    answer = httpx2.get(url, timeout=5, follow_redirects=False)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body
