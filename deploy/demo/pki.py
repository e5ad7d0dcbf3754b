"""The demonstration's own certificate authority, by certomancer: a root, an issuing authority, signers' keys, time stamps
(RFC 3161), OCSP and revocation lists.

Real keys and real X.509, but trusted by nobody outside: it stands in for the government's authority, whose keys cannot be had
for a demonstration. All of it lies in one folder that is made once and kept: the same keys and the same `authority.json` make
the same certificates at every start, since RSA signs without chance.
"""

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from shared.ids import new_token

if TYPE_CHECKING:
    from deploy.demo.province import Person

LABEL = "demo"
YEAR = timedelta(days=365)
ORGANISATION = "Tỉnh Bình Lâm (dữ liệu minh họa)"
DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"  # RFC 9336
AUTHORITIES = {
    "root": "CA gốc minh họa tỉnh Bình Lâm",
    "issuing": "CA cấp chứng thư minh họa tỉnh Bình Lâm",
    "ocsp": "Máy trả lời trạng thái chứng thư",
    "tsa": "Dấu thời gian minh họa",
}


@dataclass(frozen=True)
class Pki:
    """An authority in its folder. Its addresses, and so its port, are written in its certificates."""

    folder: Path
    port: int

    @property
    def tsa_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{LABEL}/tsa/tsa"

    @property
    def root(self) -> Path:
        """The one certificate to trust, as PEM."""
        return self.folder / "root.pem"

    @property
    def signers(self) -> Path:
        """Folder of a `USERNAME.p12` for each signer, with its passphrase in `USERNAME.pass`."""
        return self.folder / "signers"

    def make(self, signers: Sequence["Person"], now: datetime) -> None:
        """Keys and certificates (some seconds); only the owner may read the keys. FileExistsError where this was done."""
        from asn1crypto import pem
        from certomancer.registry import CertLabel

        self.signers.mkdir(parents=True, mode=0o700)
        config = _config(self.port, signers, now)
        for name in config["keysets"][LABEL]["keys"]:
            _keep(self.folder / f"{name}.key", _new_key())
        _keep(self.folder / "authority.json", json.dumps(config).encode())
        architecture = self.architecture()
        _keep(self.root, pem.armor("CERTIFICATE", architecture.get_cert(CertLabel("root")).dump()))
        for signer in signers:
            secret = new_token().encode()
            sealed = architecture.package_pkcs12(CertLabel(signer.username), password=secret)
            _keep(self.signers / f"{signer.username}.p12", sealed)
            _keep(self.signers / f"{signer.username}.pass", secret)

    def architecture(self) -> Any:
        from certomancer.registry import ArchLabel, CertomancerConfig

        config = json.loads((self.folder / "authority.json").read_text())
        return CertomancerConfig(config, key_search_dir=str(self.folder)).get_pki_arch(ArchLabel(LABEL))


class Server:
    """The authority's services over HTTP in a thread of this process; `stop` ends it.

    The port is taken at once (OSError where it cannot be); callers wait in its queue while the thread loads.
    """

    def __init__(self, pki: Pki) -> None:
        self._pki = pki
        self._http = WSGIServer(("127.0.0.1", pki.port), _Quiet)
        self._thread = threading.Thread(target=self._serve, name="demo-pki", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _serve(self) -> None:
        from certomancer.integrations.animator import Animator, AnimatorArchStore

        architecture = self._pki.architecture()
        store = AnimatorArchStore({architecture.arch_label: architecture})
        self._http.set_app(Animator(store, with_web_ui=False, allow_time_override=False))
        self._http.serve_forever(0.1)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def _new_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _keep(path: Path, content: bytes) -> None:
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)


def _config(port: int, signers: Sequence["Person"], now: datetime) -> dict[str, Any]:
    names: dict[str, dict[str, str]] = {label: {"common-name": name} for label, name in AUTHORITIES.items()}
    names |= {one.username: {"common-name": one.name, "title": one.post, "serial-number": one.username} for one in signers}
    certificates = {
        "root": _authority({"crl-repo": "root"}),
        "issuing": _authority({"max-path-len": 0, "crl-repo": "issuing", "ocsp-service": "issuing"}),
        "ocsp": {"issuer": "issuing", "profiles": ["ocsp-responder"]},
        "tsa": _end("time_stamping", critical=True),
        **{one.username: _end("email_protection", DOCUMENT_SIGNING) for one in signers},
    }
    validity = {"valid-from": (now - timedelta(hours=1)).isoformat(), "valid-to": (now + 10 * YEAR).isoformat()}
    lists = {
        name: {"for-issuer": name, "signing-key": name, "simulated-update-schedule": "P7D"} for name in ("root", "issuing")
    }
    architecture = {
        "entity-defaults": {"country-name": "VN", "organization-name": ORGANISATION},
        "entities": names,
        "certs": {label: {"validity": validity, **one} for label, one in certificates.items()},
        "services": {
            "ocsp": {"issuing": {"for-issuer": "issuing", "responder-cert": "ocsp", "signing-key": "ocsp"}},
            "crl-repo": lists,
            "time-stamping": {"tsa": {"signing-key": "tsa", "signing-cert": "tsa", "certs-to-embed": ["issuing"]}},
        },
    }
    return {
        "external-url-prefix": f"http://127.0.0.1:{port}",
        "keysets": {LABEL: {"keys": {name: {"path": f"{name}.key"} for name in names}}},
        "pki-architectures": {LABEL: architecture},
    }


def _authority(limits: dict[str, Any]) -> dict[str, Any]:
    return {"issuer": "root", "profiles": [{"id": "simple-ca", "params": limits}]}


def _end(*purposes: str, critical: bool = False) -> dict[str, Any]:
    use = {"id": "extended_key_usage", "critical": critical, "value": purposes}
    return {"issuer": "issuing", "profiles": ["digsig-commitment"], "extensions": [use]}
