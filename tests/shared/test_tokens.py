"""Tokens: ours hold before two other libraries; what is forged, foreign, old or early does not hold before ours."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jose.jwt
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import tokens
from shared.issuer import IssuerKeys
from shared.tokens import InvalidToken

NOW = datetime(2026, 12, 9, 1, 30, tzinfo=UTC)
ISSUER, AUDIENCE, TYP = "https://id.binhlam.example", "https://hop.binhlam.example", "at+jwt"
KEYS = {algorithm: tokens.generate_key(algorithm) for algorithm in ("ES256", "RS256")}
STRANGER = tokens.generate_key("ES256")
PUBLISHED = tokens.import_keys({"keys": [key.as_dict(private=False) for key in KEYS.values()]})


def at(delta: float) -> int:
    return int((NOW + timedelta(seconds=delta)).timestamp())


def claims(**changes: Any) -> dict[str, Any]:
    plain = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "iat": at(-30), "exp": at(600)} | changes
    return {name: value for name, value in plain.items() if value is not None}


def verify(token: str, **changes: Any) -> dict[str, Any]:
    return tokens.verify(token, PUBLISHED, NOW, **({"issuer": ISSUER, "audience": AUDIENCE, "typ": TYP} | changes))


def sign(algorithm: str = "ES256", typ: str = TYP, **changes: Any) -> str:
    return tokens.sign(claims(**changes), KEYS[algorithm], typ=typ)


def b64(content: bytes | dict) -> str:
    raw = json.dumps(content).encode() if isinstance(content, dict) else content
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header: dict[str, Any], seal: Any = b"", **changes: Any) -> str:
    """A token put together by hand: `seal` is the signature, or makes it from what is to be signed."""
    signed = f"{b64(header)}.{b64(claims(**changes))}"
    return f"{signed}.{b64(seal(signed.encode()) if callable(seal) else seal)}"


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_we_sign_holds_before_us_and_two_other_libraries(algorithm):
    key = KEYS[algorithm]
    token, wanted = tokens.sign(claims(), key, typ=TYP), claims()
    assert verify(token) == wanted
    quiet = {"verify_exp": False, "verify_iat": False}
    public = jwt.PyJWK(key.as_dict(private=False)).key
    assert jwt.decode(token, public, [algorithm], audience=AUDIENCE, issuer=ISSUER, options=quiet) == wanted
    assert jose.jwt.decode(token, key.as_dict(private=False), [algorithm], quiet, AUDIENCE, ISSUER) == wanted
    assert jwt.get_unverified_header(token) == {"typ": TYP, "alg": algorithm, "kid": key.kid}


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_another_library_signs_with_the_key_holds_before_us(algorithm):
    private = jwt.PyJWK(KEYS[algorithm].as_dict(private=True)).key
    token = jwt.encode(claims(), private, algorithm, headers={"typ": TYP, "kid": KEYS[algorithm].kid})
    assert verify(token) == claims()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": ["https://other.example"]}, "aud"),
        ({"aud": AUDIENCE + ".evil.example"}, "aud"),
        ({"aud": {"https://hop.binhlam.example": 1}}, "aud"),
        ({"aud": None}, "aud"),
        ({"exp": at(-61)}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "9999999999"}, "exp"),
        ({"iat": at(61)}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": at(61)}, "nbf"),
        ({"nbf": "soon"}, "nbf"),
        ({"iss": "x", "aud": "y", "exp": 1}, "iss,aud,exp"),
    ],
)
def test_a_true_signature_over_wrong_claims_is_refused(changes, reason):
    with pytest.raises(InvalidToken) as refusal:
        verify(sign(**changes))
    assert refusal.value.facts == {"reason": reason}
    assert (refusal.value.status, refusal.value.code) == (401, "invalid-token")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://other.example", AUDIENCE]},
        {"exp": at(-59)},
        {"iat": at(59)},
        {"nbf": at(59)},
        {"extra": {"deep": [1]}},
    ],
)
def test_a_clock_may_be_off_by_a_minute_and_an_audience_may_be_one_of_several(changes):
    assert verify(sign(**changes)) == claims(**changes)


@pytest.mark.parametrize("typ", ["JWT", "logout+jwt", "id+jwt", "", "at+jwt2", "application/jwt"])
def test_a_token_of_another_kind_is_refused(typ):
    with pytest.raises(InvalidToken):
        verify(sign(typ=typ))
    assert verify(sign(typ="application/at+jwt")) == claims()


def with_secret(secret: bytes) -> Any:
    return lambda signed: hmac.new(secret, signed, hashlib.sha256).digest()


RSA = KEYS["RS256"]
SECRETS = {
    "pem": RSA.as_pem(private=False),
    "der": RSA.as_der(private=False),
    "jwk": json.dumps(RSA.as_dict(private=False)).encode(),
    "empty": b"",
    "kid": str(RSA.kid).encode(),
}
TRUE = {"typ": TYP, "alg": "ES256", "kid": KEYS["ES256"].kid}
FORGERIES = {
    "none": forge({"typ": TYP, "alg": "none"}),
    "None": forge({"typ": TYP, "alg": "None", "kid": RSA.kid}),
    "none-with-kid": forge(TRUE | {"alg": "none"}),
    **{f"hs256-{name}": forge({"typ": TYP, "alg": "HS256", "kid": RSA.kid}, with_secret(s)) for name, s in SECRETS.items()},
    "psychic": forge(TRUE, bytes(64)),
    "no-signature": forge(TRUE),
    "wrong-algorithm-for-the-key": forge({"typ": TYP, "alg": "RS256", "kid": KEYS["ES256"].kid}, bytes(256)),
    "eddsa": forge({"typ": TYP, "alg": "EdDSA", "kid": "x"}, bytes(64)),
    "stranger": tokens.sign(claims(), STRANGER, typ=TYP),
    "not-base64": "&.&.&",
    "two-parts": ".".join(sign().split(".")[:2]),
    "five-parts": sign() + ".a.b",
    "empty": "",
    "json": json.dumps({"payload": b64(claims()), "signatures": []}),
    "unicode": "ệ" * 30,
    "huge": "e30." + "A" * 100_000 + ".",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(name):
    with pytest.raises(InvalidToken):
        verify(FORGERIES[name])


def as_stranger(**header: Any) -> str:
    """Signed by the stranger, whose key the header brings along in one way or another."""
    private = jwt.PyJWK(STRANGER.as_dict(private=True)).key
    return jwt.encode(claims(), private, "ES256", headers={"typ": TYP, **header})


@pytest.mark.parametrize("kid", [None, "ours", "theirs"])
@pytest.mark.parametrize("way", ["jwk", "jku", "x5u", "crit"])
def test_a_key_that_a_token_brings_along_is_never_used(way, kid, jku):
    brought = {
        "jwk": STRANGER.as_dict(private=False),
        "jku": jku.url,
        "x5u": jku.url,
        "crit": ["jwk"],
    }[way]
    names = {None: {}, "ours": {"kid": KEYS["ES256"].kid}, "theirs": {"kid": STRANGER.kid}}[kid]
    token = as_stranger(**{way: brought}, **names)
    with pytest.raises(InvalidToken):
        verify(token)
    published = {"jwks_uri": f"{ISSUER}/jwks", "keys": [key.as_dict(private=False) for key in KEYS.values()]}
    with pytest.raises(InvalidToken):
        tokens.verify(
            token, IssuerKeys(ISSUER, lambda _: published).find(token), NOW, issuer=ISSUER, audience=AUDIENCE, typ=TYP
        )
    assert jku.hits == 0


class Jku:
    """A stranger's key set on loopback that counts who asks for it."""

    def __init__(self) -> None:
        self.hits, server = 0, self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.hits += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": [STRANGER.as_dict(private=False)]}).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/jwks"
        Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def jku() -> Iterator[Jku]:
    jku = Jku()
    yield jku
    jku.http.shutdown()
    jku.http.server_close()


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_sign_of_a_token_goes_unnoticed(place, change):
    token = sign()
    signed, signature = token.rsplit(".", 1)
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[place % len(raw)] ^= change
    with pytest.raises(InvalidToken):
        verify(f"{signed}.{b64(bytes(raw))}")
    header, payload = signed.split(".")
    body = bytearray(base64.urlsafe_b64decode(payload + "=="))
    body[place % len(body)] ^= change
    with pytest.raises(InvalidToken):
        verify(f"{header}.{b64(bytes(body))}.{signature}")
