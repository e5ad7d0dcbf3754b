"""Clients with certificates (RFC 8705) over real TLS, which ends at a proxy that hands the certificate on."""

import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from idp.clients.rules import AuthMethod
from tests.conformance.browser import Browser
from tests.conformance.conftest import Served, Suite, by_both, serve
from tests.conformance.fapi import request_of
from tests.conformance.peer import Peer, PeerRefused
from tests.idp.conftest import copy_of
from tests.idp.outside import server_certificate
from tests.idp.signed import b64, register_rp
from tests.idp.test_mtls import DN, HEADER, Authority, der, issue, pem

# Who comes with which certificate is nothing that a database knows.
pytestmark = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
PROXY = "127.0.0.2"  # the only peer whose word on a certificate is taken


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def root() -> Authority:
    return issue("CN=CA Bình Lâm,C=VN", ca=True)


@pytest.fixture(scope="module")
def house(template: Any, peer: Peer, folder: Path, root: Authority) -> Iterator[Served]:
    own = server_certificate(folder).read_text()
    (folder / "clients.pem").write_text(pem(root))
    proxy = peer.proxy(identity={"key": own, "cert": own}, header=HEADER, **{"from": PROXY})
    changes = {"public_url": f"https://127.0.0.1:{proxy['port']}", "trusted_proxies": PROXY}
    changes |= {"client_certificate_header": HEADER, "client_certificate_ca": str(folder / "clients.pem")}
    with copy_of(template.url, folder) as url, serve(url, template.filled, **changes) as served:
        peer.forward(proxy=proxy["proxy"], upstream=served.port)
        yield served


@pytest.fixture
def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))


@pytest.fixture
def browser(house: Served, trust: ssl.SSLContext) -> Iterator[Browser]:
    browser = Browser(house.issuer, trust=trust)
    yield browser
    browser.http.close()


def client(house: Served, method: AuthMethod, mine: Authority) -> str:
    jwk = {"kty": "EC", "x5c": [b64encode(der(mine)).decode()]}
    members = {"jwks": {"keys": [jwk]}} if method is AuthMethod.SELF_SIGNED_TLS else {"tls_subject_dn": DN, "jwks": None}
    bound = {"tls_bound": True, "dpop_bound": False}
    return register_rp(house, httpx2.Client(), auth_method=method, **bound, **members).id


def shown(one: Authority, folder: Path) -> dict[str, str]:
    """What a library shows when it connects, and whom it trusts."""
    key = one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {"key": key, "cert": pem(one), "ca": (folder / "ca.pem").read_text()}


def known(suite: Suite, folder: Path, client_id: str, method: AuthMethod, one: Authority) -> str:
    wish: dict[str, Any] = {"metadata": {"id_token_signed_response_alg": "ES256"}, "auth": {"method": method.value}}
    found: str = suite.discover(client_id, tls=shown(one, folder), **wish)["config"]
    return found


@by_both
@pytest.mark.parametrize("method", [AuthMethod.TLS, AuthMethod.SELF_SIGNED_TLS])
def test_a_client_authenticates_by_its_certificate_and_its_tokens_are_of_use_with_it_alone(
    suite: Suite, browser: Browser, folder: Path, root: Authority, method: AuthMethod
) -> None:
    """FAPI 2.0 with certificates for both ends: who the client is, and what its tokens are bound to."""
    mine = issue(DN, root if method is AuthMethod.TLS else None)
    peer, client_id = suite.peer, client(suite.house, method, mine)
    config = known(suite, folder, client_id, method, mine)
    asked, checks = request_of(peer)
    browser.go(peer.par(config=config, params=asked)).sign_in()
    got = peer.codeGrant(config=config, url=browser.allow().landed().url, checks=checks)
    access, renewal = {"access_token": got["access_token"]}, {"refresh_token": got["refresh_token"]}
    assert peer.userinfo(config=config, subject=got["claims"]["sub"], **access)["preferred_username"] == "hanhnth"
    thumbprint = b64(mine.certificate.fingerprint(hashes.SHA256()))
    assert peer.introspect(config=config, token=got["access_token"])["cnf"] == {"x5t#S256": thumbprint}
    thief = known(suite, folder, client_id, method, issue(DN))
    for steal in (lambda: peer.userinfo(config=thief, **access), lambda: peer.refresh(config=thief, **renewal)):
        with pytest.raises(PeerRefused) as refused:
            steal()
        assert refused.value.status == 401
    assert peer.refresh(config=config, **renewal)["token_type"] == "bearer"


def test_a_certificate_in_a_header_alone_is_not_one(house: Served, trust: ssl.SSLContext, root: Authority) -> None:
    """Neither through the proxy, which takes such a header off, nor past it."""
    mine = issue(DN, root)
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": client(house, AuthMethod.TLS, mine)}
    headers = {HEADER: b64encode(der(mine)).decode(), "host": house.issuer.removeprefix("https://")}
    for address in (house.issuer, f"http://127.0.0.1:{house.port}"):
        told = httpx2.post(f"{address}/token", data=form, headers=headers, verify=trust)
        assert (told.status_code, told.json()["error"]) == (401, "invalid_client")
