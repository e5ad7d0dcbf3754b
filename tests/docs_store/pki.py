"""A certificate authority, OCSP responder and timestamp authority on loopback: certomancer, with true keys and X.509."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import yaml
from certomancer.integrations.animator import Animator, AnimatorArchStore
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

KEYS = ("root", "interm", "tsa", "ocsp", "secretary", "chair", "revoked", "expired")
PASSPHRASE = "mật khẩu thử"
VALID = {"valid-from": "2020-01-01T00:00:00+0000", "valid-to": "2100-01-01T00:00:00+0000"}


def _usage(*names: str) -> dict[str, Any]:
    return {"id": "key_usage", "critical": True, "smart-value": {"schema": "key-usage", "params": list(names)}}


def _authority(issuer: str, **constraints: int) -> dict[str, Any]:
    basic = {"id": "basic_constraints", "critical": True, "value": {"ca": True, **constraints}}
    return {"issuer": issuer, "validity": VALID, "extensions": [basic, _usage("key_cert_sign", "crl_sign")]}


def _service(issuer: str, purpose: str, *more: dict[str, Any]) -> dict[str, Any]:
    extended = {"id": "extended_key_usage", "critical": True, "value": [purpose]}
    return {"issuer": issuer, "validity": VALID, "extensions": [_usage("digital_signature"), extended, *more]}


OCSP = {
    "id": "authority_information_access",
    "smart-value": {"schema": "aia-urls", "params": {"ocsp-responder-names": ["interm"]}},
}


def _person(**more: Any) -> dict[str, Any]:
    return {
        "issuer": "interm",
        "validity": VALID,
        "extensions": [_usage("digital_signature", "non_repudiation"), OCSP],
        **more,
    }


def _crl(repository: str) -> dict[str, Any]:
    return {
        "id": "crl_distribution_points",
        "smart-value": {"schema": "crl-dist-url", "params": {"crl-repo-names": [repository]}},
    }


ARCHITECTURE = {
    "keyset": "thu",
    "entity-defaults": {"country-name": "VN", "organization-name": "Cơ quan thử nghiệm"},
    "entities": {
        "root": {"common-name": "Gốc thử nghiệm"},
        "interm": {"common-name": "CA chuyên dùng thử nghiệm"},
        "tsa": {"common-name": "Dấu thời gian thử nghiệm"},
        "ocsp": {"common-name": "OCSP thử nghiệm"},
        "secretary": {"common-name": "Nguyễn Thị Hồng Hạnh"},
        "chair": {"common-name": "Bùi Đức Thiện"},
        "revoked": {"common-name": "Đã Thu Hồi"},
        "expired": {"common-name": "Đã Hết Hạn"},
    },
    "certs": {
        "root": {"subject": "root", **_authority("root")},
        "interm": _authority("root", **{"path-len-constraint": 0}) | {},
        "ocsp": _service("interm", "ocsp_signing", {"id": "ocsp_no_check"}),
        "tsa": _service("interm", "time_stamping", OCSP),
        "secretary": _person(),
        "chair": _person(),
        "revoked": _person(revocation={"revoked-since": "2024-01-01T00:00:00+0000", "reason": "key_compromise"}),
        "expired": _person(validity={"valid-from": "2020-01-01T00:00:00+0000", "valid-to": "2021-01-01T00:00:00+0000"}),
    },
    "services": {
        "ocsp": {"interm": {"for-issuer": "interm", "responder-cert": "ocsp", "signing-key": "ocsp"}},
        "crl-repo": {"root": {"for-issuer": "root", "signing-key": "root", "simulated-update-schedule": "P90D"}},
        "time-stamping": {"tsa": {"signing-key": "tsa", "signing-cert": "tsa"}},
    },
}
ARCHITECTURE["certs"]["interm"]["extensions"].append(_crl("root"))  # type: ignore[index]


@dataclass
class Pki:
    folder: Path
    url: str
    root: bytes  # DER
    issuing: bytes
    away: set[str] = field(default_factory=set)  # of tsa, ocsp, crls: those that answer 503
    slow: dict[str, float] = field(default_factory=dict)  # seconds until they answer

    @property
    def tsa(self) -> str:
        return f"{self.url}/thu/tsa/tsa"

    def p12(self, name: str) -> str:
        return str(self.folder / f"{name}.p12")

    def gate(self, services: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            name = environ["PATH_INFO"].split("/")[2]
            time.sleep(self.slow.get(name, 0))
            if name in self.away:
                start("503 Service Unavailable", [])
                return []
            return services(environ, start)

        return answer


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running(folder: Path) -> Iterator[Pki]:
    """Keys and services for the time of the block."""
    for name in KEYS:
        person = name in ("secretary", "chair")  # as the government's authority issues them; curves elsewhere, for speed
        key = rsa.generate_private_key(65537, 2048) if person else ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with make_server("127.0.0.1", 0, None, handler_class=_Quiet) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        config = {
            "external-url-prefix": url,
            "keysets": {"thu": {"keys": {name: {"path": f"{name}.key.pem"} for name in KEYS}}},
            "pki-architectures": {"thu": ARCHITECTURE},
        }
        authority = CertomancerConfig.from_yaml(yaml.safe_dump(config), key_search_dir=str(folder))
        arch = authority.get_pki_arch(ArchLabel("thu"))
        certificates = {name: arch.get_cert(CertLabel(name)).dump() for name in KEYS}
        pki = Pki(folder, url, certificates["root"], certificates["interm"])
        server.set_app(pki.gate(Animator(AnimatorArchStore(authority.pki_archs), with_web_ui=False)))
        for name in ("secretary", "chair", "revoked", "expired"):
            _write_p12(pki, name, certificates)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield pki
        finally:
            server.shutdown()
            thread.join()


def _write_p12(pki: Pki, name: str, certificates: dict[str, bytes]) -> None:
    key = load_pem_private_key((pki.folder / f"{name}.key.pem").read_bytes(), None)
    chain = [x509.load_der_x509_certificate(certificates["interm"])]
    own = x509.load_der_x509_certificate(certificates[name])
    sealed = pkcs12.serialize_key_and_certificates(
        name.encode(),
        key,
        own,
        chain,
        BestAvailableEncryption(PASSPHRASE.encode()),  # type: ignore[arg-type]
    )
    Path(pki.p12(name)).write_bytes(sealed)
