"""Clients with certificates (RFC 8705), as a proxy in front hands them on; nobody else may."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from httpx2 import Response
from pydantic import ValidationError
from starlette.testclient import TestClient

from idp.app import build
from idp.clients.rules import CLIENT_CREDENTIALS, AuthMethod, Profile
from idp.oidc.certificate import BehindProxy
from idp.settings import IdpSettings
from tests.idp.conftest import ISSUER, House, Template, copy_of, settings_for
from tests.idp.signed import CB, Rp, b64, register_rp
from tests.idp.walk import answer_of, begin, sign_in

HEADER, PROXY = "x-client-cert", "10.1.2.3"
DN = "CN=van-ban.binhlam.gov.vn,OU=Trung tâm Chuyển đổi số,O=Sở KH&CN,C=VN"
FORM = {"grant_type": CLIENT_CREDENTIALS}


@dataclass
class Authority:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def issue(subject: str, by: Authority | None = None, *, days: int = 30, ca: bool = False) -> Authority:
    """A certificate of the authority, or one signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(subject)
    began, signer = datetime.now(UTC) - timedelta(days=60), by.key if by else key
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(by.name if by else name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(began)
    builder = builder.not_valid_after(datetime.now(UTC) + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(known, critical=False)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= {"digital_signature": True, "key_cert_sign": ca, "crl_sign": ca, "encipher_only": False, "decipher_only": False}
    builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    return Authority(name, key, builder.sign(signer, hashes.SHA256()))


def pem(one: Authority) -> str:
    return one.certificate.public_bytes(Encoding.PEM).decode()


def der(one: Authority) -> bytes:
    return one.certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def root() -> Authority:
    return issue("CN=CA Bình Lâm,C=VN", ca=True)


@pytest.fixture
def house(template: Template, tmp_path: Path, root: Authority) -> Iterator[House]:
    (tmp_path / "ca.pem").write_text(pem(root))
    with copy_of(template.url, tmp_path) as url:
        changes = {"client_certificate_header": HEADER, "client_certificate_ca": str(tmp_path / "ca.pem")}
        settings = IdpSettings(**settings_for(url).model_dump() | changes | {"trusted_proxies": "10.1.2.0/24, 192.0.2.7"})
        app = build(settings)
        yield House(app, settings, template.filled)
        app.state.db.close()


def by_proxy(house: House, *certificates: str, peer: str = PROXY) -> TestClient:
    """A client behind the proxy, with what the proxy tells of its certificate."""
    app: Any = BehindProxy(house.app, house.settings)
    http = TestClient(app, base_url=ISSUER, follow_redirects=False, client=(peer, 4000))
    http.headers = [("x-forwarded-for", "203.0.113.9"), *((HEADER, one) for one in certificates)]
    return http


def client_of_a_name(house: House, **changes: Any) -> str:
    members = {"auth_method": AuthMethod.TLS, "tls_subject_dn": DN, "scopes": ("read",), "grant_types": (CLIENT_CREDENTIALS,)}
    usual = {"profile": Profile.PLAIN, "dpop_bound": False, "tls_bound": True}
    return register_rp(house, house.machine(), **(usual | members | changes)).id


def ask(http: TestClient, client_id: str, **form: str) -> Response:
    return http.post("/token", data=FORM | {"client_id": client_id} | form)


def test_a_certificate_of_the_registered_name_authenticates_and_binds_the_token(house: House, root: Authority) -> None:
    mine = issue(DN, root)
    forms = [quote(pem(mine)), b64encode(der(mine)).decode(), f":{b64encode(der(mine)).decode()}:"]
    client_id = client_of_a_name(house)
    for form in forms:
        got = ask(by_proxy(house, form), client_id)
        assert got.status_code == 200, got.text
        assert got.json()["token_type"] == "Bearer"
        claims = jwt.decode(got.json()["access_token"], options={"verify_signature": False})
        assert claims["cnf"] == {"x5t#S256": b64(mine.certificate.fingerprint(hashes.SHA256()))}


def test_a_certificate_from_anybody_but_the_proxy_is_not_taken(house: House, root: Authority) -> None:
    client_id, mine = client_of_a_name(house), quote(pem(issue(DN, root)))
    for peer in ("203.0.113.9", "10.1.3.1", "testclient", "::1"):
        assert ask(by_proxy(house, mine, peer=peer), client_id).json()["error"] == "invalid_client"
    direct = TestClient(house.app, base_url=ISSUER, headers={HEADER: mine}, client=(PROXY, 1))
    assert ask(direct, client_id).status_code == 401
    assert ask(by_proxy(house, mine, peer="192.0.2.7"), client_id).status_code == 200


def test_whom_the_proxy_forwards_for_is_never_the_proxy(house: House, root: Authority) -> None:
    """X-Forwarded-For may name a trusted address; the peer of the connection is what counts."""
    http = by_proxy(house, quote(pem(issue(DN, root))), peer="203.0.113.9")
    http.headers["x-forwarded-for"] = PROXY
    assert ask(http, client_of_a_name(house)).status_code == 401


def test_two_certificates_a_broken_one_and_none_are_refused(house: House, root: Authority) -> None:
    client_id, mine = client_of_a_name(house), quote(pem(issue(DN, root)))
    of_no_version = b64encode(der(issue(DN, root)).replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\7", 1)).decode()
    broken = (["x"], [""], ["%ff"], ["-----BEGIN CERTIFICATE-----"], ["A" * 20_000], [of_no_version])
    for sent in ([mine, mine], *broken, []):
        assert ask(by_proxy(house, *sent), client_id).json()["error"] == "invalid_client"


@pytest.mark.parametrize("subject", ["CN=van-ban.binhlam.gov.vn,C=VN", DN.replace("VN", "LA"), DN.upper(), f"CN=x,{DN}"])
def test_a_certificate_of_another_name_is_refused(house: House, root: Authority, subject: str) -> None:
    assert ask(by_proxy(house, quote(pem(issue(subject, root)))), client_of_a_name(house)).status_code == 401


def test_a_certificate_of_no_known_authority_or_out_of_date_is_refused(house: House, root: Authority) -> None:
    client_id = client_of_a_name(house)
    fake = issue("CN=CA Bình Lâm,C=VN", ca=True)
    leaf = issue(DN, root)
    for one in (issue(DN), issue(DN, fake), issue(DN, root, days=-1), issue(DN, leaf)):
        assert ask(by_proxy(house, quote(pem(one))), client_id).status_code == 401
    assert ask(by_proxy(house, quote(pem(leaf))), client_id, client_secret="x").status_code == 401


def test_a_self_signed_certificate_must_stand_in_the_clients_key_set(house: House) -> None:
    mine, other = issue("CN=mine"), issue("CN=mine")
    whole = {"kty": "EC", "x5c": [b64encode(der(mine)).decode()]}
    thumb = {"kty": "EC", "x5t#S256": b64(mine.certificate.fingerprint(hashes.SHA256()))}
    for jwk in (whole, thumb):
        client_id = client_of_a_name(house, auth_method=AuthMethod.SELF_SIGNED_TLS, jwks={"keys": ["x", {"x5c": [5]}, jwk]})
        assert ask(by_proxy(house, quote(pem(mine))), client_id).status_code == 200
        assert ask(by_proxy(house, quote(pem(other))), client_id).status_code == 401


def test_a_bound_token_is_of_no_use_without_its_certificate(house: House, root: Authority) -> None:
    mine, other = issue(DN, root), issue("CN=other", root)
    rp = register_rp(house, by_proxy(house, quote(pem(mine))), dpop_bound=False, tls_bound=True)
    rp.proves = False
    browser = house.browser()
    page = browser.get(rp.pushed(), follow_redirects=True)
    code = answer_of(sign_in(browser, page))["code"]
    without = Rp(house.machine(), ISSUER, rp.id, rp.key, proves=False)
    assert without.exchange(code).json()["error"] == "invalid_request"
    got = rp.exchange(code).json()
    assert got["token_type"] == "Bearer"
    assert rp.who(got["access_token"], None, "Bearer").status_code == 200
    for http in (house.machine(), by_proxy(house, quote(pem(other)))):
        answer = http.get("/userinfo", headers={"authorization": f"Bearer {got['access_token']}"})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    told = rp.post("/introspect", {"token": got["access_token"]}).json()
    assert told["cnf"] == {"x5t#S256": b64(mine.certificate.fingerprint(hashes.SHA256()))}
    assert without.renew(got["refresh_token"]).json()["error"] == "invalid_request"
    assert rp.renew(got["refresh_token"]).status_code == 200


def test_a_client_may_be_bound_by_both_key_and_certificate(house: House, root: Authority) -> None:
    rp = register_rp(house, by_proxy(house, quote(pem(issue(DN, root)))), profile=Profile.PLAIN, tls_bound=True)
    browser = house.browser()
    code = answer_of(sign_in(browser, begin(browser, client_id=rp.id, redirect_uri=CB)))["code"]
    token = rp.exchange(code).json()["access_token"]
    assert rp.who(token).status_code == 200
    assert Rp(house.machine(), ISSUER, rp.id, rp.key, rp.dpop).who(token).status_code == 401


def test_discovery_tells_of_certificates_only_where_they_are_taken(house: House, template: Template) -> None:
    told = house.machine().get("/.well-known/openid-configuration").json()
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(told["token_endpoint_auth_methods_supported"])
    assert told["tls_client_certificate_bound_access_tokens"] is True
    plain = build(settings_for(template.url))
    told = TestClient(plain, base_url=ISSUER).get("/.well-known/openid-configuration").json()
    assert "tls_client_auth" not in told["token_endpoint_auth_methods_supported"]
    assert told["tls_client_certificate_bound_access_tokens"] is False
    plain.state.db.close()


@pytest.mark.parametrize("proxies", ["", "*", "proxy.example.test"])
def test_a_certificate_header_without_the_proxys_address_does_not_start(proxies: str) -> None:
    members = settings_for("sqlite://").model_dump() | {"client_certificate_header": HEADER, "trusted_proxies": proxies}
    with pytest.raises(ValidationError, match="CLIENT_CERTIFICATE_HEADER"):
        IdpSettings(**members)


def test_authorities_that_are_not_there_do_not_start() -> None:
    members = settings_for("sqlite://").model_dump() | {"client_certificate_ca": "/nowhere/ca.pem"}
    with pytest.raises(ValidationError, match="CLIENT_CERTIFICATE_CA"):
        IdpSettings(**members)
