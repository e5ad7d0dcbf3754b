"""An application that signs what it sends: its assertions, proofs and request objects are made by PyJWT."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from idp.clients.actions import register_client
from idp.clients.rules import AuthMethod, Profile
from shared import clock
from tests.idp.conftest import House, web_client
from tests.idp.walk import CHALLENGE, VERIFIER

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CB = "https://rp.example.test/cb"
Claims = dict[str, Any]


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, alg: str = "ES256", bits: int = 2048) -> None:
        self.alg = alg
        self.private: Any = ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(65537, bits)
        algorithm: Any = ECAlgorithm if alg == "ES256" else RSAAlgorithm
        self.public: dict[str, Any] = json.loads(algorithm.to_jwk(self.private.public_key()))
        self.public.pop("key_ops", None)
        self.secret: dict[str, Any] = json.loads(algorithm.to_jwk(self.private))
        members = {name: self.public[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in self.public}
        self.jkt = b64(sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())

    @property
    def jwk(self) -> dict[str, Any]:
        return self.public | {"kid": self.jkt, "use": "sig", "alg": self.alg}

    def sign(self, claims: Claims, alg: str | None = None, **header: Any) -> str:
        header = {"kid": self.jkt} | header
        known = {name: value for name, value in header.items() if value is not None}
        return jwt.encode(claims, self.private, alg or self.alg, known)

    def proof(self, method: str, url: str, token: str = "", *, header: Claims | None = None, **changes: Any) -> str:
        """A DPoP proof (RFC 9449, 4.2); None leaves a claim out."""
        claims = {"jti": uuid4().hex, "htm": method, "htu": url, "iat": now()} | changes
        if token:
            claims = {"ath": b64(sha256(token.encode()).digest())} | claims
        known = {name: value for name, value in claims.items() if value is not None}
        return self.sign(known, **({"typ": "dpop+jwt", "jwk": self.public, "kid": None} | (header or {})))


@dataclass
class Rp:
    """A client that authenticates by `private_key_jwt` and binds its tokens by DPoP, as it speaks to the provider."""

    http: httpx2.Client
    issuer: str
    id: str
    key: Key = field(default_factory=Key)
    dpop: Key = field(default_factory=Key)
    nonce: str | None = None
    proves: bool = True

    def assertion(self, *, header: Claims | None = None, alg: str | None = None, **changes: Any) -> str:
        usual = {"iss": self.id, "sub": self.id, "aud": self.issuer, "jti": uuid4().hex, "exp": now() + 60, "iat": now()}
        known = {name: value for name, value in (usual | changes).items() if value is not None}
        return self.key.sign(known, alg, **(header or {}))

    def post(
        self, path: str, data: dict[str, Any], *, assertion: str | None = "", dpop: str | Key | None = "", **headers: str
    ) -> httpx2.Response:
        """With a fresh assertion and a fresh proof, unless others are given; None goes without."""
        sent = {name: value for name, value in data.items() if value is not None}
        dpop = dpop if self.proves else None
        if assertion is not None:
            sent |= {"client_assertion_type": ASSERTION, "client_assertion": assertion or self.assertion()}
        key = dpop if isinstance(dpop, Key) else self.dpop
        proof = dpop if isinstance(dpop, str) and dpop else key.proof("POST", f"{self.issuer}{path}", nonce=self.nonce)
        answer = self.http.post(path, data=sent, headers=headers | ({} if dpop is None else {"DPoP": proof}))
        fresh = not assertion and (dpop == "" or isinstance(dpop, Key))
        if fresh and answer.status_code == 400 and answer.json().get("error") == "use_dpop_nonce":
            self.nonce = answer.headers["dpop-nonce"]
            return self.post(path, data, assertion=assertion, dpop=dpop, **headers)
        return answer

    def asked(self, **changes: Any) -> dict[str, Any]:
        """Parameters of an authorization request; None leaves one out."""
        usual = {
            "client_id": self.id,
            "response_type": "code",
            "redirect_uri": CB,
            "scope": "openid profile offline_access",
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def request_object(
        self, *, header: Claims | None = None, key: Key | None = None, alg: str | None = None, **more: Any
    ) -> str:
        usual = {"iss": self.id, "aud": self.issuer, "iat": now(), "nbf": now(), "exp": now() + 300}
        known = {name: value for name, value in (usual | self.asked() | more).items() if value is not None}
        return (key or self.key).sign(known, alg, **({"typ": "oauth-authz-req+jwt"} | (header or {})))

    def push(self, **changes: Any) -> httpx2.Response:
        return self.post("/par", self.asked(**changes))

    def pushed(self, **changes: Any) -> str:
        """The address to send a browser to."""
        answer = self.push(**changes)
        assert answer.status_code == 201, answer.text
        return f"/authorize?client_id={self.id}&request_uri={answer.json()['request_uri']}"

    def exchange(self, code: str, **changes: Any) -> httpx2.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CB, "code_verifier": VERIFIER}
        to_post = {name: changes.pop(name) for name in ("assertion", "dpop") if name in changes}
        return self.post("/token", form | changes, **to_post)

    def renew(self, token: str, **changes: Any) -> httpx2.Response:
        to_post = {name: changes.pop(name) for name in ("assertion", "dpop") if name in changes}
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token} | changes, **to_post)

    def who(self, token: str, proof: str | None = "", scheme: str = "DPoP") -> httpx2.Response:
        url = f"{self.issuer}/userinfo"
        sent = {} if proof is None else {"DPoP": proof or self.dpop.proof("GET", url, token)}
        return self.http.get("/userinfo", headers={"authorization": f"{scheme} {token}"} | sent)


def register_rp(house: House, http: httpx2.Client, *, key: Key | None = None, **changes: Any) -> Rp:
    """A FAPI 2.0 client of the province, unless `changes` says otherwise."""
    key = key or Key()
    members: dict[str, Any] = {
        "auth_method": AuthMethod.PRIVATE_KEY,
        "profile": Profile.FAPI2,
        "dpop_bound": True,
        "id_token_alg": "ES256",
        "redirect_uris": (CB,),
        "jwks": {"keys": [key.jwk]},
    }
    with house.db.write() as tx:
        client, _ = register_client(tx, clock.now(), web_client(**(members | changes)))
        client_id = client.id
    return Rp(http, house.settings.issuer, client_id, key)
