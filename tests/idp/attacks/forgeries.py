"""Forgeries of a JWS: what was published against JOSE libraries, made from any good token and the public half of its key."""

import hashlib
import hmac
import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.idp.attacks.jose import Signer, b64

Forgeries = Iterator[tuple[str, str]]
Claims = dict[str, Any]


@cache
def attacker(alg: str) -> Any:
    return ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(65537, 2048)


def public_jwk(signer: Signer) -> Claims:
    algorithm: Any = ECAlgorithm if signer.alg == "ES256" else RSAAlgorithm
    found: Claims = json.loads(algorithm.to_jwk(signer.private.public_key()))
    return found


def j01_no_signature(good: Signer, claims: Claims) -> Forgeries:
    signed = good.sign(claims)
    header, payload, signature = signed.split(".")
    for alg in ("none", "None", "nOnE", "NONE", "", None, ["ES256"], 256, {"alg": "ES256"}, "none\0", " none"):
        known = {name: value for name, value in good.header.items() if name != "alg"} | ({} if alg is None else {"alg": alg})
        for tail in ("", signature):
            yield f"alg {alg!r}, {'signed' if tail else 'unsigned'}", f"{b64(json.dumps(known).encode())}.{payload}.{tail}"
    yield "no signature", f"{header}.{payload}."
    yield "two segments", f"{header}.{payload}"
    yield "four segments", f"{signed}.{signature}"
    yield "zeros", f"{header}.{payload}.{b64(bytes(64))}"
    yield "the signature of another", f"{header}.{b64(json.dumps(claims | {'x': 1}).encode())}.{signature}"


def public_forms(signer: Signer) -> Iterator[tuple[str, bytes]]:
    key = signer.private.public_key()
    for encoding in (Encoding.PEM, Encoding.DER):
        yield f"spki {encoding}", key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        if signer.alg != "ES256":
            yield f"pkcs1 {encoding}", key.public_bytes(encoding, PublicFormat.PKCS1)
    yield "openssh", key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    jwk = public_jwk(signer)
    for separators in ((",", ":"), (", ", ": ")):
        yield f"jwk {separators}", json.dumps(jwk, separators=separators).encode()
        yield f"jwk with kid {separators}", json.dumps(jwk | {"kid": signer.header.get("kid")}, separators=separators).encode()
    yield "empty", b""


def j02_public_key_as_secret(good: Signer, claims: Claims) -> Forgeries:
    for form, secret in public_forms(good):
        for key in {secret, secret.strip(), secret + b"\n"}:
            for alg, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
                signed = f"{b64(json.dumps(good.header | {'alg': alg}).encode())}.{b64(json.dumps(claims).encode())}"
                yield f"{alg} {form}", f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"


def j03_key_of_the_attacker(good: Signer, claims: Claims) -> Forgeries:
    evil = Signer(attacker(good.alg), good.alg, good.header)
    jwk = public_jwk(evil)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "id.example.test")])
    at = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, evil.private.public_key(), 1, at, at + timedelta(days=1))
    certificate = builder.sign(evil.private, hashes.SHA256()).public_bytes(Encoding.DER)
    chain = [b64encode(certificate).decode()]
    kid = good.header.get("kid", "x")
    yield "under the good kid", evil.sign(claims)
    if "jwk" not in good.header:  # a DPoP proof names its own key, and proves nothing else
        yield "jwk", evil.sign(claims, jwk=jwk)
        yield "jwk and its own kid", evil.sign(claims, jwk=jwk | {"kid": "mine"}, kid="mine")
    yield "x5c", evil.sign(claims, x5c=chain)
    yield "jku", evil.sign(claims, jku="https://evil.test/jwks", kid="mine")
    yield "x5u", evil.sign(claims, x5u="https://evil.test/x5c", kid="mine")
    for other in (
        "../../../../dev/null",
        "/dev/null",
        "' OR 1=1--",
        "",
        "\0",
        kid[:-1],
        kid.upper() + " ",
        7,
        ["x"],
        {"kid": kid},
        None,
    ):
        yield f"kid {other!r}", evil.sign(claims, kid=other)
    pairs = json.dumps(good.header)[1:]
    yield "kid twice", evil.raw(json.dumps(claims).encode(), f'{{"kid":"mine",{pairs}'.encode())
    secret = b""
    signed = (
        f"{b64(json.dumps(good.header | {'alg': 'HS256', 'kid': '/dev/null'}).encode())}.{b64(json.dumps(claims).encode())}"
    )
    yield "an empty file as secret", f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def j04_critical_extensions(good: Signer, claims: Claims) -> Forgeries:
    """Signed by the true key: only the header is wrong."""
    for crit in (["x"], ["exp"], [], ["b64"], "x", None, 7, ["alg"]):
        header = good.header | {"crit": crit, "x": 1}
        yield f"crit {crit!r}", good.raw(json.dumps(claims).encode(), json.dumps(header).encode())
    yield "b64", good.sign(claims, b64=False)
    yield "b64 named", good.sign(claims, b64=False, crit=["b64"])


def j05_large(good: Signer, claims: Claims) -> Forgeries:
    header, payload, signature = good.sign(claims).split(".")
    for size in (40_000, 1_000_000, 5_000_000):
        yield f"header {size}", f"{'A' * size}.{payload}.{signature}"
        yield f"payload {size}", f"{header}.{'A' * size}.{signature}"
        yield f"signature {size}", f"{header}.{payload}.{'A' * size}"
        yield f"dots {size}", "." * size
        yield f"kid {size}", good.sign(claims, kid="k" * size)


def j06_encrypted(good: Signer, claims: Claims) -> Forgeries:
    bomb = zlib.compress(bytes(10_000_000), 9)[2:-4]
    for header in (
        {"alg": "dir", "enc": "A128GCM", "zip": "DEF"},
        {"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2c": 2**31 - 1, "p2s": b64(b"s" * 16)},  # J07
        {"alg": "RSA1_5", "enc": "A128CBC-HS256"},  # J08
        {"alg": "ECDH-ES", "enc": "A128GCM", "epk": public_jwk(good) | {"x": b64(b"\1" * 32)}},
    ):
        first = b64(json.dumps(header | {"kid": good.header.get("kid", "x")}).encode())
        yield header["alg"], f"{first}.{b64(bytes(256))}.{b64(bytes(12))}.{b64(bomb)}.{b64(bytes(16))}"
        yield f"{header['alg']} in three", f"{first}.{b64(bomb)}.{b64(bytes(16))}"


def j09_as_json(good: Signer, claims: Claims) -> Forgeries:
    header, payload, signature = good.sign(claims).split(".")
    evil = b64(json.dumps(claims | {"sub": "somebody"}).encode())
    one = {"protected": header, "signature": signature}
    yield "flattened", json.dumps({"payload": payload} | one)
    yield "general", json.dumps({"payload": payload, "signatures": [one]})
    yield "no signatures", json.dumps({"payload": payload, "signatures": []})
    yield "unprotected header", json.dumps({"payload": payload, "header": good.header, "signature": signature})
    yield (
        "compact within",
        f'{{"  {header}.{evil}.":"","protected":"{header}","payload":"{payload}","signature":"{signature}"}}',
    )
    yield "polyglot", f'{{"{header}.{payload}.{signature}":1}}'


def j11_json(good: Signer, claims: Claims) -> Forgeries:
    """Signed by the true key: only the JSON is wrong."""
    text, header = json.dumps(claims), json.dumps(good.header)
    for name in {"sub", "iss", "aud", "jti"} & claims.keys():
        yield f"{name} twice", good.raw(f'{{"{name}":"x",{text[1:]}'.encode())
        yield f"{name} twice, escaped", good.raw(f'{{"\\u{ord(name[0]):04x}{name[1:]}":"x",{text[1:]}'.encode())
    yield "alg twice", good.raw(text.encode(), f'{{"alg":"none",{header[1:]}'.encode())
    yield "typ twice", good.raw(text.encode(), f'{{"typ":"x",{header[1:]}'.encode())
    for value in ("NaN", "Infinity", "-Infinity"):
        yield value, good.raw(f'{{"x":{value},{text[1:]}'.encode())
    yield "half a sign", good.raw(f'{{"x":"\\ud800",{text[1:]}'.encode())
    yield "not UTF-8", good.raw(b'{"x":"\xff",' + text[1:].encode())
    yield "UTF-16", good.raw(text.encode("utf-16"))
    yield "byte order mark", good.raw(b"\xef\xbb\xbf" + text.encode())
    yield "nul", good.raw(text.encode() + b"\0")
    yield "more after it", good.raw(text.encode() + b"{}")
    yield "deep", good.raw(b'{"x":' * 1500 + b"1" + b"}" * 1500)
    yield "deep list", good.raw(b'{"x":' + b"[" * 4000 + b"]" * 4000 + b"," + text[1:].encode())
    for other in (b"[]", b"null", b"7", b'"x"', b"", b"{", b"true"):
        yield f"{other!r}", good.raw(other)
    for other in (b"[]", b"null", b"{}", b"", b"{", b'"x"'):
        yield f"header {other!r}", good.raw(text.encode(), other or b" ")
    for wrong in ({"aud": {"a": 1}}, {"aud": 7}, {"aud": []}, {"aud": None}, {"iss": ["x"]}, {"iss": None}, {"iss": 7}):
        yield f"{wrong}", good.sign(claims | wrong)


def j12_times(good: Signer, claims: Claims, required: str) -> Forgeries:
    now = int(datetime.now(UTC).timestamp())
    for exp in (None, "soon", str(now + 60), True, [], now - 120, 0, -1):
        if "exp" in required or (exp is not None and not isinstance(exp, str)):
            yield (
                f"exp {exp!r}",
                good.sign({**{k: v for k, v in claims.items() if k != "exp"}, **({} if exp is None else {"exp": exp})}),
            )
    for name in ("exp", "iat", "nbf"):
        text = json.dumps({member: value for member, value in claims.items() if member != name})
        for value in ("1e999", "1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1e308", '"now"', "[]", "{}", "true"):
            if name == "exp" or not value.startswith("-"):
                yield f"{name} {value[:8]} of {len(value)}", good.raw(f'{{"{name}":{value},{text[1:]}'.encode())
        if name != "exp":
            yield f"{name} to come", good.sign(claims | {name: now + 200})


def j13_base64(good: Signer, claims: Claims) -> Forgeries:
    """The same bytes in letters that the standard forbids (RFC 7515, 2 and appendix C): each re-signed where it must be."""

    def joined(header: str, payload: str, signature: Callable[[str], str] = str) -> str:
        signed = f"{header}.{payload}"
        return f"{signed}.{signature(good.signature(signed))}"

    for padding in range(3):  # so that each length of padding comes
        header, payload = b64(json.dumps(good.header).encode()), b64(json.dumps(claims | {"x": "y" * padding}).encode())
        for extra in ("=", "==", "===", " ", "\n", "\r\n", "\t", "\0", "!", "%3D", "A")[padding::3]:
            yield f"signature and {extra!r}", joined(header, payload, lambda sig, extra=extra: sig + extra)
            yield f"{extra!r} before the signature", joined(header, payload, lambda sig, extra=extra: extra + sig)
            yield f"payload and {extra!r}", joined(header, payload + extra)
            yield f"header and {extra!r}", joined(header + extra, payload)
            yield f"{extra!r} within", joined(header, payload[:8] + extra + payload[8:])
        for name, text in (("header", header), ("payload", payload)):
            for changed in trailing(text):
                parts = (changed, payload) if name == "header" else (header, changed)
                yield f"trailing bits of the {name}", joined(*parts)
        for change in trailing(good.signature(f"{header}.{payload}")):
            yield "trailing bits of the signature", f"{header}.{payload}.{change}"
    standard = good.sign(claims | {"x": "???>>>~~~"})
    swapped = standard.replace("-", "+").replace("_", "/")
    if swapped != standard:
        yield "the other alphabet", swapped


SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def trailing(text: str) -> Iterator[str]:
    """The same bytes, with bits set that no byte takes."""
    free = {2: 4, 3: 2}.get(len(text) % 4, 0)
    last = SIGNS.index(text[-1])
    for bits in range(1, 1 << free):
        yield text[:-1] + SIGNS[last ^ bits]
