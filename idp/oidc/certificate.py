"""Certificates of clients (RFC 8705): authentication by one, and tokens that are bound to one.

TLS ends at a proxy, which hands the certificate on in a header (`CLIENT_CERTIFICATE_HEADER`): as PEM, URL-encoded
(nginx `$ssl_client_escaped_cert`), or as DER in Base64 (HAProxy, Traefik; RFC 9440 with its colons).
"""

import ipaddress
from base64 import b64decode, urlsafe_b64encode
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from idp.clients.models import Client
from idp.clients.rules import AuthMethod
from idp.oidc.client_keys import key_set
from idp.oidc.endpoint import Call
from idp.settings import IdpSettings

BY_TLS = (AuthMethod.TLS, AuthMethod.SELF_SIGNED_TLS)
LONGEST = 16 * 1024  # signs


class BehindProxy:
    """ASGI: the application as trusted proxies reach it. Who the peer itself is must be known before X-Forwarded-For is read;
    without this wrapper, and from any other peer, no certificate is taken."""

    def __init__(self, app: Any, settings: IdpSettings) -> None:
        self._app: Any = ProxyHeadersMiddleware(app, settings.trusted_proxies) if settings.trusted_proxies else app
        self._proxies = settings.proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._proxies:
            scope.setdefault("state", {})["from_proxy"] = self._is_proxy(scope.get("client"))
        await self._app(scope, receive, send)

    def _is_proxy(self, peer: tuple[str, int] | None) -> bool:
        try:
            address = ipaddress.ip_address(peer[0] if peer else "")
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def certificate(call: Call) -> x509.Certificate | None:
    """The one with which the client has opened its connection, if a proxy tells of one."""
    name = call.settings.client_certificate_header
    believed = name and call.request.scope["state"].get("from_proxy")
    sent = call.request.headers.getlist(name) if believed else []
    return _read(sent[0]) if len(sent) == 1 and 0 < len(sent[0]) <= LONGEST else None


@lru_cache(maxsize=1024)
def _read(text: str) -> x509.Certificate | None:
    try:
        plain = unquote(text).strip()
        if plain.startswith("-----BEGIN"):
            return x509.load_pem_x509_certificate(plain.encode())
        return x509.load_der_x509_certificate(b64decode(plain.strip(':"'), validate=True))
    except (ValueError, x509.InvalidVersion):
        return None


def thumbprint(known: x509.Certificate) -> str:
    """`x5t#S256` (RFC 8705, 3.1)."""
    return urlsafe_b64encode(sha256(known.public_bytes(Encoding.DER)).digest()).decode().rstrip("=")


def is_certificate_of(call: Call, client: Client) -> bool:
    """Whether the request came with the client's certificate, by the method that it is registered with."""
    presented = certificate(call)
    if presented is None:
        return False
    if client.auth_method == AuthMethod.TLS:
        return _has_subject(presented, client.tls_subject_dn) and _is_trusted(presented, call.now, call.settings)
    if client.jwks or not client.jwks_uri:
        return _is_listed(presented, client.jwks)
    return _is_listed(presented, key_set(call.fetched.need(client.jwks_uri))) or _is_listed(
        presented, key_set(call.fetched.need_anew(client.jwks_uri))
    )


def _has_subject(presented: x509.Certificate, registered: str) -> bool:
    """RFC 8705, 2.1.2: the whole distinguished name, written as in RFC 4514."""
    try:
        return bool(registered) and x509.Name.from_rfc4514_string(registered).rdns == presented.subject.rdns
    except ValueError:
        return False


def _is_trusted(presented: x509.Certificate, now: datetime, settings: IdpSettings) -> bool:
    """Whether one of `CLIENT_CERTIFICATE_CA` has issued it. The proxy's word is not taken: one that also lets self-signed
    certificates through could not tell the two apart in one header."""
    if not settings.client_authorities:
        return False
    policy = PolicyBuilder().store(Store(settings.client_authorities)).time(now.replace(tzinfo=None))
    any_leaf = policy.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all())
    try:
        any_leaf.build_client_verifier().verify(presented, [])
    except (VerificationError, ValueError):
        return False
    return True


def _is_listed(presented: x509.Certificate, jwks: Any) -> bool:
    """RFC 8705, 2.2: the certificate stands in the client's key set, whole or by its thumbprint."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    for jwk in keys if isinstance(keys, list) else []:
        chain = jwk.get("x5c") if isinstance(jwk, dict) else None
        listed = _read(chain[0]) if isinstance(chain, list) and chain and isinstance(chain[0], str) else None
        if listed == presented or (isinstance(jwk, dict) and jwk.get("x5t#S256") == thumbprint(presented)):
            return True
    return False
