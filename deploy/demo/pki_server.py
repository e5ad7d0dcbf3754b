"""The authority's three services over HTTP on this machine: time stamps (RFC 3161), OCSP, certificates and revocation lists."""

import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from asn1crypto import algos, cms, core, tsp, x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo.pki import Held, Pki
from shared.clock import now

POLICY = "1.3.6.1.4.1.32473.1.1"  # under the number that IANA keeps for examples
DIGESTS = {"sha256", "sha384", "sha512"}
MAX_REQUEST = 1 << 16


class Refusal(core.Sequence):  # type: ignore[misc]  # asn1crypto is untyped
    """A TimeStampResp without its token, which asn1crypto does not know to be optional."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012


def stamp(held: Held, request: bytes, at: datetime) -> bytes:
    """An RFC 3161 answer in DER for a request in DER: a signed statement that the digest in it existed at `at`."""
    try:
        asked = tsp.TimeStampReq.load(request, strict=True)
        imprint = asked["message_imprint"]
        known = imprint["hash_algorithm"]["algorithm"].native in DIGESTS
    except (ValueError, TypeError):
        return _refusal("bad_data_format")
    if not known:
        return _refusal("bad_alg")
    statement = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": imprint,
            "serial_number": secrets.randbits(64),
            "gen_time": at,
            "accuracy": {"seconds": 1},
            "nonce": asked["nonce"],
        }
    )
    token = _sign(held, statement.dump())
    answer = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
    return bytes(answer.dump())


def _refusal(reason: str) -> bytes:
    return bytes(Refusal({"status": {"status": "rejection", "fail_info": {reason}}}).dump())


def _sign(held: Held, content: bytes) -> Any:
    certificate = x509.Certificate.load(held.certificate.public_bytes(Encoding.DER))
    digest = algos.DigestAlgorithm({"algorithm": "sha256"})
    reference = tsp.ESSCertIDv2({"cert_hash": sha256(certificate.dump()).digest()})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [sha256(content).digest()]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [reference]})]}),
        ]
    )
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                    )
                }
            ),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}),
            "signature": held.key.sign(attributes.dump(), PKCS1v15(), SHA256()),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [digest],
            "encap_content_info": cms.EncapsulatedContentInfo(
                {"content_type": "tst_info", "content": cms.ParsableOctetString(content)}
            ),
            "certificates": [certificate],
            "signer_infos": [signer],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": signed})


class Server:
    """The services of one authority in a thread of this process; `stop` ends it."""

    def __init__(self, pki: Pki, clock: Callable[[], datetime] = now) -> None:
        self.pki = pki
        self._http = ThreadingHTTPServer(("127.0.0.1", pki.port), _handler(pki, clock))
        self._thread = threading.Thread(target=self._http.serve_forever, name="demo-pki", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def serve(folder: Path, port: int) -> Server:
    """Serve the authority that `open_pki` made in `folder`, on 127.0.0.1. OSError where the port is taken."""
    if not (folder / "port").exists():
        raise FileNotFoundError(f"no authority in {folder}")
    return Server(Pki(folder, port))


def _revocation_list(pki: Pki, issuer: str, clock: Callable[[], datetime]) -> bytes:
    return pki.revocation_list(issuer, clock())


def _certificate(pki: Pki, issuer: str) -> bytes:
    return pki.load(issuer).certificate.public_bytes(Encoding.DER)


def _handler(pki: Pki, clock: Callable[[], datetime]) -> type[BaseHTTPRequestHandler]:
    posts: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
        "/tsa": ("application/timestamp-reply", lambda body: stamp(pki.load("tsa"), body, clock())),
        "/ocsp": ("application/ocsp-response", lambda body: pki.answer_status(body, clock())),
    }
    gets: dict[str, tuple[str, Callable[[], bytes]]] = {}
    for issuer in ("root", "issuing"):
        gets[f"/{issuer}.crl"] = ("application/pkix-crl", partial(_revocation_list, pki, issuer, clock))
        gets[f"/{issuer}.crt"] = ("application/pkix-cert", partial(_certificate, pki, issuer))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path not in posts or not length.isdigit() or int(length) > MAX_REQUEST:
                self.send_error(404 if self.path not in posts else 413)
                return
            kind, answer = posts[self.path]
            self._send(kind, answer(self.rfile.read(int(length))))

        def do_GET(self) -> None:
            if self.path not in gets:
                self.send_error(404)
                return
            kind, answer = gets[self.path]
            self._send(kind, answer())

        def _send(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
