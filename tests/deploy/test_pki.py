"""The demonstration's authority, judged by pyHanko, poppler and its own revocation lists."""

import io
import shutil
import socket
import subprocess

import httpx2
import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.x509 import ocsp
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers, timestamps
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from deploy.demo.papers import make_papers
from deploy.demo.pki import Pki, open_pki
from deploy.demo.pki_server import Refusal, serve
from shared.clock import now


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pki = open_pki(tmp_path_factory.mktemp("pki") / "pki", port, now())
    server = serve(pki.folder, port)
    yield pki
    server.stop()


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> bytes:
    papers = make_papers(tmp_path_factory.mktemp("papers"), now())
    return next(paper for paper in papers if paper.item_key == "7").path.read_bytes()


def trust(pki: Pki) -> ValidationContext:
    return ValidationContext(
        trust_roots=[load_cert_from_pemder(str(pki.root))],
        other_certs=[load_cert_from_pemder(str(path)) for path in pki.chain],
        allow_fetching=True,
        revocation_mode="hard-fail",
    )


def signer(pki: Pki, username: str = "hanhnth", name: str = "Nguyễn Thị Hồng Hạnh"):
    return pki.signer(username, name, "Thư ký kỳ họp", f"{username}@binhlam.example", now())


def sign(pki: Pki, paper: bytes, field: str, who) -> bytes:
    """B-LT: time-stamped, with everything that is needed to check it later."""
    key = signers.SimpleSigner.load_pkcs12(str(who.p12), passphrase=who.passphrase.encode())
    meta = PdfSignatureMetadata(
        field_name=field,
        subfilter=SigSeedSubFilter.PADES,
        embed_validation_info=True,
        validation_context=trust(pki),
        md_algorithm="sha256",
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(paper))
    signed = signers.sign_pdf(writer, meta, signer=key, timestamper=timestamps.HTTPTimeStamper(pki.tsa_url))
    return bytes(signed.getvalue())


@pytest.fixture(scope="module")
def signed(pki, paper) -> bytes:
    once = sign(pki, paper, "ThuKy", signer(pki))
    return sign(pki, once, "ChuToa", signer(pki, "thienbd", "Bùi Đức Thiện"))


def test_two_signatures_with_time_stamps_hold_before_pyhanko(pki, signed):
    found = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    names = []
    for one in found:
        status = validate_pdf_signature(one, trust(pki))
        assert status.bottom_line, status.summary()
        assert status.timestamp_validity.valid
        assert status.timestamp_validity.trusted
        names.append(status.signing_cert.subject.native["common_name"])
    assert names == ["Nguyễn Thị Hồng Hạnh", "Bùi Đức Thiện"]


@pytest.mark.skipif(not shutil.which("pdfsig"), reason="poppler-utils is not installed")
def test_poppler_finds_the_signatures_valid_and_a_changed_file_not(signed, tmp_path):
    good, bad = tmp_path / "good.pdf", tmp_path / "bad.pdf"
    good.write_bytes(signed)
    bad.write_bytes(signed[:2000] + bytes([signed[2000] ^ 1]) + signed[2001:])
    assert subprocess.run(["pdfsig", good], capture_output=True, text=True).stdout.count("Signature is Valid") == 2
    assert "Signature is Valid" not in subprocess.run(["pdfsig", bad], capture_output=True, text=True).stdout


def test_a_signer_keeps_key_and_passphrase_and_only_the_owner_may_read_them(pki):
    first, again = signer(pki), signer(pki)
    assert first == again
    secret = [path for path in pki.folder.rglob("*") if path.suffix in (".key", ".p12", ".pass")]
    assert len(secret) >= 6
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_the_authority_is_made_once_and_only_for_its_port(pki):
    root = pki.root.read_bytes()
    assert open_pki(pki.folder, pki.port, now()).root.read_bytes() == root
    with pytest.raises(ValueError, match=str(pki.port)):
        open_pki(pki.folder, pki.port + 1, now())


def test_nothing_is_served_from_a_folder_without_an_authority(tmp_path):
    with pytest.raises(FileNotFoundError):
        serve(tmp_path, 0)


def status_of(pki: Pki, certificate: x509.Certificate) -> ocsp.OCSPCertStatus:
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import Encoding

    issuer = x509.load_pem_x509_certificate(pki.chain[0].read_bytes())
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build()  # noqa: S303
    answer = httpx2.post(f"{pki.url}/ocsp", content=request.public_bytes(Encoding.DER))
    return ocsp.load_der_ocsp_response(answer.content).certificate_status


def test_a_revoked_certificate_is_told_of_by_ocsp_and_by_the_list(pki):
    who = signer(pki, "nguoicu", "Người Cũ")
    certificate = x509.load_pem_x509_certificate(who.certificate.read_bytes())
    assert status_of(pki, certificate) is ocsp.OCSPCertStatus.GOOD
    pki.revoke(who.certificate, now())
    assert status_of(pki, certificate) is ocsp.OCSPCertStatus.REVOKED
    listing = x509.load_der_x509_crl(httpx2.get(f"{pki.url}/issuing.crl").content)
    assert listing.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def test_a_certificate_of_another_authority_is_unknown(pki, tmp_path):
    other = open_pki(tmp_path / "other", pki.port, now())
    stranger = x509.load_pem_x509_certificate(signer(other).certificate.read_bytes())
    assert status_of(pki, stranger) is ocsp.OCSPCertStatus.UNKNOWN


def ask_for_stamp(pki: Pki, digest: str, size: int) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": digest}, "hashed_message": bytes(size)}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": 7})
    return httpx2.post(pki.tsa_url, content=request.dump()).content


def test_the_time_stamper_answers_with_the_nonce_and_refuses_a_weak_digest(pki):
    granted = tsp.TimeStampResp.load(ask_for_stamp(pki, "sha256", 32))
    assert granted["status"]["status"].native == "granted"
    assert granted["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed["nonce"].native == 7
    refused = Refusal.load(ask_for_stamp(pki, "sha1", 20))["status"]
    assert (refused["status"].native, refused["fail_info"].native) == ("rejection", {"bad_alg"})


def test_what_is_no_request_is_refused(pki):
    stamped = Refusal.load(httpx2.post(pki.tsa_url, content=b"xin ch").content)
    assert stamped["status"]["status"].native == "rejection"
    answer = httpx2.post(f"{pki.url}/ocsp", content=b"xin ch").content
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    assert httpx2.post(pki.tsa_url, content=bytes(100_000)).status_code == 413
    assert httpx2.get(f"{pki.url}/root.key").status_code == 404
