"""What a signed document carries to prove itself: certificates, OCSP answers, revocation lists; and the roots believed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, ValidationError
from pyhanko_certvalidator.ltv.poe import POEManager
from pyhanko_certvalidator.registry import CertificateRegistry
from pyhanko_certvalidator.revinfo.archival import OCSPContainer, process_legacy_crl_input, process_legacy_ocsp_input
from pyhanko_certvalidator.revinfo.manager import RevinfoManager

from docs_store.signing import certificates


class _Answers(RevinfoManager):
    async def async_retrieve_ocsps(self, cert: Any, authority: Any) -> list[OCSPContainer]:
        """Those on `cert`: pyHanko takes an answer on another certificate of the same issuer for a check that failed."""
        held = await super().async_retrieve_ocsps(cert, authority)
        return [one for one in held if (single := one.extract_single_response()) and _serial(single) == cert.serial_number]


def _serial(single: Any) -> int:
    number: int = single["cert_id"]["serial_number"].native
    return number


class Proofs:
    def __init__(self, reader: PdfFileReader, trust_roots: Sequence[bytes]) -> None:
        self._roots = certificates(trust_roots)
        self._certificates: list[x509.Certificate] = []
        self._ocsps: Sequence[Any] = ()
        self._crls: Sequence[Any] = ()
        try:
            store: Any = DocumentSecurityStore.read_dss(reader)
        except NoDSSFoundError:
            pass
        else:
            self._certificates = list(store.load_certs())
            self._ocsps, self._crls = ([one.get_object().data for one in held] for held in (store.ocsps, store.crls))
        self.issuers = [one.dump() for one in (*self._roots, *self._certificates)]

    def at(self, moment: datetime, others: Iterable[x509.Certificate] = (), mode: str = "soft-fail") -> ValidationContext:
        """To judge certificates as of `moment`; `others` are issuers that the signature itself carries.

        Proof that is younger than `moment` counts (ETSI EN 319 102-1, 5.2.5.4); proof that had ended by then does not.
        """
        registry = CertificateRegistry.build([*self._certificates, *others])
        ocsps, crls = process_legacy_ocsp_input(self._ocsps), process_legacy_crl_input(self._crls)
        return ValidationContext(
            trust_roots=self._roots,
            moment=moment,
            revocation_mode=mode,
            retroactive_revinfo=True,
            certificate_registry=registry,
            revinfo_manager=_Answers(registry, POEManager(), crls, ocsps),
        )

    async def cover(self, signature: Any, moment: datetime) -> bool:
        """Whether they prove every certificate of the signer's chain good at `moment` (PAdES B-LT)."""
        if not (self._ocsps or self._crls):
            return False
        others = signature.other_embedded_certs
        context = self.at(moment, others, "hard-fail")
        validator: Any = CertificateValidator(signature.signer_cert, intermediate_certs=others, validation_context=context)
        try:
            await validator.async_validate_usage(set())
        except (ValidationError, PathBuildingError):
            return False
        return True
