"""Proof of possession of a key with each request (DPoP, RFC 9449)."""

import hmac
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error

from idp.clients.models import Client
from idp.keys.sealing import derive
from idp.oidc.client_keys import FAPI_ALGORITHMS
from idp.oidc.endpoint import Call
from idp.oidc.replay import LONGEST_ID, first_time
from idp.oidc.store import Kind
from shared.ids import same
from shared.tokens import PROOF_ALGORITHMS, InvalidToken, out_of_time, verify_proof

FRESH = timedelta(seconds=60)  # either side of now
NONCE_SECONDS = 120  # a nonce is good for this long to twice as long
PORTS = {"https": 443, "http": 80}


class ProofRefused(OAuth2Error):  # type: ignore[misc]
    error = "invalid_dpop_proof"


class NonceNeeded(OAuth2Error):  # type: ignore[misc]
    """RFC 9449, 8: the answer's `DPoP-Nonce` is to be used in the next proof."""

    error = "use_dpop_nonce"


def proof_algorithms(client: Client) -> tuple[str, ...]:
    return tuple(alg for alg in PROOF_ALGORITHMS if not client.is_fapi or alg in (*FAPI_ALGORITHMS, "Ed25519"))


def proven_key(call: Call, client: Client, *, access_token: str = "", nonce_needed: bool = False) -> str | None:
    """The RFC 7638 thumbprint of the key that the request proves to hold; None where it brings no proof."""
    sent = [value.decode("latin-1") for name, value in call.request.scope["headers"] if name == b"dpop"]
    if not sent:
        return None
    call.headers["DPoP-Nonce"] = nonce(call)
    if len(sent) > 1:
        raise ProofRefused("More than one DPoP proof.")
    try:
        header, claims, key = verify_proof(sent[0], proof_algorithms(client))
    except InvalidToken as refused:
        raise ProofRefused(f"The DPoP proof is not one: {refused.facts['reason']}.") from None
    if failed := _what_fails(call, header, claims, access_token):
        raise ProofRefused(f"The DPoP proof does not hold: {', '.join(failed)}.")
    if nonce_needed or "nonce" in claims:
        _check_nonce(call, claims.get("nonce"))
    if not first_time(call, Kind.PROOF, f"{key} {claims['jti']}", call.now + 2 * FRESH):
        raise ProofRefused("The DPoP proof does not hold: jti.")
    return key


def _what_fails(call: Call, header: dict[str, Any], claims: dict[str, Any], access_token: str) -> list[str]:
    """RFC 9449, 4.3."""
    iat, jti = claims.get("iat"), claims.get("jti")
    checks = {
        "typ": header.get("typ") == "dpop+jwt",
        "jti": isinstance(jti, str) and 0 < len(jti) <= LONGEST_ID,
        "htm": claims.get("htm") == call.request.method,
        "htu": _place(claims.get("htu")) == _place(f"{call.settings.issuer}{call.request.scope['path']}"),
        "iat": not out_of_time({"iat": iat}, call.now, "iat")
        and call.now.timestamp() - float(iat or 0) <= FRESH.total_seconds(),
        "ath": not access_token or claims.get("ath") == _hash(access_token),
    }
    return [name for name, holds in checks.items() if not holds] + out_of_time({**claims, "iat": None}, call.now)


def _place(uri: Any) -> tuple[str, str, int | None, str] | None:
    """An address without query and fragment, normalized (RFC 3986, 6.2.2 and 6.2.3)."""
    try:
        parts = urlsplit(uri) if isinstance(uri, str) else None
        return (parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme), parts.path) if parts else None
    except ValueError:
        return None


def _hash(token: str) -> str:
    return urlsafe_b64encode(sha256(token.encode()).digest()).decode().rstrip("=")


def nonce(call: Call) -> str:
    """The nonce of this time: made from the clock and the secret, the same in every process, nothing is stored."""
    return _nonces(call)[0]


def _check_nonce(call: Call, sent: Any) -> None:
    if not isinstance(sent, str) or not sent.isascii() or not any(same(sent, known) for known in _nonces(call)):
        raise NonceNeeded("The DPoP proof needs the nonce of this answer.")


def _nonces(call: Call) -> tuple[str, str]:
    key, step = _key(call.settings.secret.get_secret_value()), _step(call.now)
    return _made(key, step), _made(key, step - 1)


def _step(now: datetime) -> int:
    return int(now.timestamp()) // NONCE_SECONDS


def _made(key: bytes, step: int) -> str:
    return urlsafe_b64encode(hmac.digest(key, str(step).encode(), "sha256")).decode().rstrip("=")


@cache
def _key(secret: str) -> bytes:
    return derive(secret, "dpop-nonces")
