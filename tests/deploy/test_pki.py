"""The demonstration's authority, judged by pyHanko, poppler and its own revocation lists."""

import io
import shutil
import socket
import subprocess

import httpx2
import pytest
from cryptography import x509
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers, timestamps
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from deploy.demo import province
from deploy.demo.papers import make_papers
from deploy.demo.pki import Pki, Server
from shared.clock import now

SIGNERS = [person for person, membership in province.members(province.COUNCIL) if membership.role in ("chair", "secretary")]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as free:
        pki = Pki(tmp_path_factory.mktemp("pki") / "pki", free.getsockname()[1])
    pki.make(SIGNERS, now())
    server = Server(pki)
    server.start()
    yield pki
    server.stop()


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> bytes:
    papers = make_papers(tmp_path_factory.mktemp("papers"), now())
    return next(paper for paper in papers if paper.item_key == "7").path.read_bytes()


def trust(pki: Pki) -> ValidationContext:
    root = load_cert_from_pemder(str(pki.root))
    return ValidationContext(trust_roots=[root], allow_fetching=True, revocation_mode="hard-fail")


def sign(pki: Pki, paper: bytes, username: str) -> bytes:
    """B-LT: time-stamped, with everything that is needed to check it later."""
    secret = (pki.signers / f"{username}.pass").read_bytes()
    key = signers.SimpleSigner.load_pkcs12(str(pki.signers / f"{username}.p12"), passphrase=secret)
    meta = PdfSignatureMetadata(
        field_name=username,
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
    for person in SIGNERS:
        paper = sign(pki, paper, person.username)
    return paper


def test_two_signatures_with_time_stamps_hold_before_pyhanko(pki, signed):
    names = []
    for one in PdfFileReader(io.BytesIO(signed)).embedded_signatures:
        status = validate_pdf_signature(one, trust(pki))
        assert status.bottom_line, status.summary()
        assert status.timestamp_validity.valid
        assert status.timestamp_validity.trusted
        names.append(status.signing_cert.subject.native["common_name"])
    assert names == [person.name for person in SIGNERS]


@pytest.mark.skipif(not shutil.which("pdfsig"), reason="poppler-utils is not installed")
def test_poppler_finds_the_signatures_valid_and_a_changed_file_not(signed, tmp_path):
    good, bad = tmp_path / "good.pdf", tmp_path / "bad.pdf"
    good.write_bytes(signed)
    bad.write_bytes(signed[:2000] + bytes([signed[2000] ^ 1]) + signed[2001:])
    assert subprocess.run(["pdfsig", good], capture_output=True, text=True).stdout.count("Signature is Valid") == 2
    assert "Signature is Valid" not in subprocess.run(["pdfsig", bad], capture_output=True, text=True).stdout


def test_only_the_owner_may_read_keys_and_passphrases(pki):
    secret = [path for path in pki.folder.rglob("*") if path.suffix in (".key", ".p12", ".pass")]
    assert len(secret) == 4 + 3 * len(SIGNERS)
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert pki.signers.stat().st_mode & 0o777 == 0o700


def test_an_authority_is_made_once(pki):
    with pytest.raises(FileExistsError):
        pki.make(SIGNERS, now())


def test_the_next_start_makes_the_same_certificates_from_the_kept_keys(pki):
    from certomancer.registry import CertLabel

    one, other = pki.architecture(), pki.architecture()
    for name in ("root", "issuing", "tsa", SIGNERS[0].username):
        assert one.get_cert(CertLabel(name)).dump() == other.get_cert(CertLabel(name)).dump()


@pytest.mark.parametrize("issuer", ["root", "issuing"])
def test_nobody_stands_on_the_revocation_lists(pki, issuer):
    answer = httpx2.get(f"http://127.0.0.1:{pki.port}/demo/crls/{issuer}/latest.crl")
    listing = x509.load_der_x509_crl(answer.content)
    assert listing.next_update_utc > now()
    assert len(listing) == 0


def test_the_port_is_taken_once(pki):
    with pytest.raises(OSError, match="in use"):
        Server(pki)
