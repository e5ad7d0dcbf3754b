"""The demonstration's own certificate authority: a root, an issuing authority, signers' keys, OCSP and revocation lists.

Real keys and real X.509 (RFC 5280, RFC 6960), but trusted by nobody outside: it stands in for the government's authority,
whose keys cannot be had for a demonstration. All of it lies in one folder that is made once and kept.
"""

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID as Access
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import NameOID

from shared.ids import new_token

ORGANISATION = "Tỉnh Bình Lâm (dữ liệu minh họa)"
YEAR = timedelta(days=365)
FRESH = timedelta(days=7)  # how long an OCSP answer or a revocation list may be relied upon
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336


@dataclass(frozen=True)
class Signer:
    """A signer's key for a person: a PKCS#12 file and the passphrase that opens it."""

    p12: Path
    passphrase: str
    certificate: Path  # PEM


@dataclass(frozen=True)
class Held:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: RSAPrivateKey


@dataclass(frozen=True)
class Pki:
    """An authority whose files are in place. Its addresses, and so its port, are written in its certificates."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tsa_url(self) -> str:
        return f"{self.url}/tsa"

    @property
    def root(self) -> Path:
        """The one certificate to trust, as PEM."""
        return self.folder / "root.pem"

    @property
    def chain(self) -> list[Path]:
        """What stands between a signer and the root, as PEM."""
        return [self.folder / "issuing.pem"]

    @cached_property
    def root_authority(self) -> Held:
        return self.load("root")

    @cached_property
    def issuing_authority(self) -> Held:
        return self.load("issuing")

    def load(self, name: str) -> Held:
        key = load_pem_private_key((self.folder / f"{name}.key").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)  # noqa: S101
        return Held(x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes()), key)

    def signer(self, username: str, name: str, title: str, email: str, now: datetime) -> Signer:
        """The key of a person, made at the first call. `name` and `title` stand in the certificate as they are."""
        home = self.folder / "signers"
        signer = Signer(home / f"{username}.p12", "", home / f"{username}.pem")
        secret = home / f"{username}.pass"
        if not secret.exists():
            home.mkdir(exist_ok=True)
            subject = _name(name, title=title, serial=username)
            held = _issue(self.issuing_authority, subject, now, 3 * YEAR, [*_signing_use(email), *self.addresses("issuing")])
            passphrase = new_token()
            sealed = pkcs12.serialize_key_and_certificates(
                name.encode(),
                held.key,
                held.certificate,
                [self.issuing_authority.certificate],
                BestAvailableEncryption(passphrase.encode()),
            )
            _keep(signer.p12, sealed)
            _keep(signer.certificate, held.certificate.public_bytes(Encoding.PEM))
            self.record(held.certificate)
            _keep(secret, passphrase.encode())  # last: its presence says that the rest is whole
        return Signer(signer.p12, secret.read_text(), signer.certificate)

    def addresses(self, issuer: str) -> list[tuple[x509.ExtensionType, bool]]:
        """Where a certificate issued by `issuer` can be checked."""
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{self.url}/{issuer}.crl")], None, None, None)
        access = [x509.AccessDescription(Access.CA_ISSUERS, x509.UniformResourceIdentifier(f"{self.url}/{issuer}.crt"))]
        if issuer == "issuing":
            access.append(x509.AccessDescription(Access.OCSP, x509.UniformResourceIdentifier(f"{self.url}/ocsp")))
        return [(x509.CRLDistributionPoints([point]), False), (x509.AuthorityInformationAccess(access), False)]

    def record(self, certificate: x509.Certificate) -> None:
        (self.folder / "issued").mkdir(exist_ok=True)
        _keep(self.folder / "issued" / f"{certificate.serial_number:x}.pem", certificate.public_bytes(Encoding.PEM))

    def revoke(self, certificate: Path, now: datetime) -> None:
        """From `now` on the certificate (PEM) is told to be revoked."""
        serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
        revoked = self.revoked() | {serial: now}
        text = json.dumps({f"{number:x}": at.isoformat() for number, at in revoked.items()})
        _keep(self.folder / "revoked.json", text.encode())

    def revoked(self) -> dict[int, datetime]:
        path = self.folder / "revoked.json"
        entries = json.loads(path.read_text()) if path.exists() else {}
        return {int(number, 16): datetime.fromisoformat(at) for number, at in entries.items()}

    def revocation_list(self, issuer: str, now: datetime) -> bytes:
        """A list in DER, of `root` (empty: the issuing authority stands) or of `issuing`."""
        authority = self.root_authority if issuer == "root" else self.issuing_authority
        listing = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.certificate.subject)
            .last_update(now)
            .next_update(now + FRESH)
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        )
        for number, at in self.revoked().items() if issuer == "issuing" else ():
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(at).build()
            listing = listing.add_revoked_certificate(entry)
        return listing.sign(authority.key, SHA256()).public_bytes(Encoding.DER)

    def answer_status(self, request: bytes, now: datetime) -> bytes:
        """An OCSP answer in DER for a request in DER; a serial that was never issued here is `unknown`."""
        try:
            asked = ocsp.load_der_ocsp_request(request)
        except ValueError:
            malformed = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
            return malformed.public_bytes(Encoding.DER)
        responder, revoked_at = self.load("ocsp"), self.revoked().get(asked.serial_number)
        status = ocsp.OCSPCertStatus.REVOKED if revoked_at else ocsp.OCSPCertStatus.GOOD
        if not (self.folder / "issued" / f"{asked.serial_number:x}.pem").exists():
            status = ocsp.OCSPCertStatus.UNKNOWN
        answer = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=asked.issuer_name_hash,
                issuer_key_hash=asked.issuer_key_hash,
                serial_number=asked.serial_number,
                algorithm=asked.hash_algorithm,
                cert_status=status,
                this_update=now,
                next_update=now + FRESH,
                revocation_time=revoked_at,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
            .certificates([responder.certificate])
        )
        for extension in asked.extensions:
            if isinstance(extension.value, x509.OCSPNonce):
                answer = answer.add_extension(extension.value, critical=False)
        return answer.sign(responder.key, SHA256()).public_bytes(Encoding.DER)


def open_pki(folder: Path, port: int, now: datetime) -> Pki:
    """The authority in `folder`, made there at the first call (some seconds). Its keys are readable by the owner only.

    ValueError where it was made for another port: its certificates name that one.
    """
    made = folder / "port"
    if made.exists():
        if (known := int(made.read_text())) != port:
            raise ValueError(f"the authority in {folder} answers on port {known}, not {port}")
        return Pki(folder, port)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki = Pki(folder, port)
    root = _issue(None, _name("CA gốc minh họa tỉnh Bình Lâm"), now, 25 * YEAR, _authority(None))
    issuing_use = [*_authority(0), *pki.addresses("root")]
    issuing = _issue(root, _name("CA cấp chứng thư minh họa tỉnh Bình Lâm"), now, 15 * YEAR, issuing_use)
    answering_use: list[tuple[x509.ExtensionType, bool]] = [
        (_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([Purpose.OCSP_SIGNING]), False),
        (x509.OCSPNoCheck(), False),
    ]
    answering = _issue(issuing, _name("Máy trả lời trạng thái chứng thư"), now, 10 * YEAR, answering_use)
    stamping_use: list[tuple[x509.ExtensionType, bool]] = [
        (_usage(digital_signature=True, content_commitment=True), True),
        (x509.ExtendedKeyUsage([Purpose.TIME_STAMPING]), True),
    ]
    stamping = _issue(issuing, _name("Dấu thời gian minh họa"), now, 10 * YEAR, [*stamping_use, *pki.addresses("issuing")])
    for name, held in (("root", root), ("issuing", issuing), ("ocsp", answering), ("tsa", stamping)):
        _keep(folder / f"{name}.key", held.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        _keep(folder / f"{name}.pem", held.certificate.public_bytes(Encoding.PEM))
    pki.record(answering.certificate)
    pki.record(stamping.certificate)
    _keep(made, str(port).encode())  # last: its presence says that the rest is whole
    return pki


def _issue(
    issuer: Held | None, subject: x509.Name, now: datetime, life: timedelta, extensions: list[tuple[x509.ExtensionType, bool]]
) -> Held:
    key = generate_private_key(65537, 3072)
    signing = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(hours=1))
        .not_valid_after(now.astimezone(UTC) + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Held(builder.sign(signing, SHA256()), key)


def _name(common: str, *, title: str = "", serial: str = "") -> x509.Name:
    parts = [(NameOID.COUNTRY_NAME, "VN"), (NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, common)]
    parts += [(oid, value) for oid, value in ((NameOID.TITLE, title), (NameOID.SERIAL_NUMBER, serial)) if value]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _usage(**wanted: bool) -> x509.KeyUsage:
    never = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
    possible = dict.fromkeys(("digital_signature", "content_commitment", "key_cert_sign", "crl_sign"), False)
    return x509.KeyUsage(**(never | possible | wanted))


def _authority(depth: int | None) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(ca=True, path_length=depth), True), (_usage(key_cert_sign=True, crl_sign=True), True)]


def _signing_use(email: str) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (_usage(digital_signature=True, content_commitment=True), True),
        (x509.ExtendedKeyUsage([Purpose.EMAIL_PROTECTION, DOCUMENT_SIGNING]), False),
        (x509.SubjectAlternativeName([x509.RFC822Name(email)]), False),
    ]


def _keep(path: Path, content: bytes) -> None:
    """Write whole or not at all, readable by the owner only."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)
