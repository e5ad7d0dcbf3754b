"""Sign a PDF so that the signature can be proved for long: PAdES (ETSI EN 319 142-1) with a visible Vietnamese stamp.

Three steps: `fields.prepare` makes the empty fields, `open_signer` reaches the key, `sign` fills a field. A signature is made
at level B-LT: time-stamped, with the proof that the certificate was good. Where the timestamp authority or the revocation
service is away, it is made at B-T or B-B all the same and says so; `extend` adds what was missing later.
"""

import asyncio
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote

import structlog
from asn1crypto import pem, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, InnerScaling, SimpleBoxLayoutRule
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, PdfTimeStamper, Signer, SimpleSigner
from pyhanko.sign.signers.pdf_signer import DSSContentSettings, SigDSSPlacementPreference, TimestampDSSContentSettings
from pyhanko.sign.timestamps.aiohttp_client import HTTPTimeStamper
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InsufficientRevinfoError, PathBuildingError, PathValidationError, ValidationError

from docs_store.problems import SigningFailed
from docs_store.typeset import typeset

log = structlog.get_logger()

LOCAL_TIME = timezone(timedelta(hours=7))
STAMP = Path(__file__).parent / "templates" / "stamp.typ"
KEY_USAGE = {"non_repudiation"}
AWAY = (TimestampRequestError, InsufficientRevinfoError, TimeoutError)  # a service does not answer: sign now, prove later
Level = Literal["B-B", "B-T", "B-LT"]


@dataclass(frozen=True)
class Stamp:
    """What the eye sees in the field; `kind` chooses blue (a person) or red (an agency's seal)."""

    name: str
    role: str
    at: datetime
    kind: Literal["person", "agency"] = "person"


@dataclass(frozen=True)
class Signed:
    """`pending` tells why the level is not B-LT yet ("" if it is): timestamp, revocation or not-configured."""

    data: bytes
    level: Level
    pending: str


@contextmanager
def open_signer(url: str, secret: str, chain: Sequence[bytes] = ()) -> Iterator[Signer]:
    """Reach a key: `/path/key.p12` (or .pfx), `/path/key.pem` (encrypted key and certificate in one file), or
    `pkcs11:token=...;object=...?module-path=/...` (RFC 7512; needs the extra `pkcs11`).

    `secret` is passphrase or PIN; `chain` the issuing certificates, DER or PEM. Any other `Signer` (a remote service: subclass
    it and write `async_sign_raw`) serves `sign` as well.
    """
    with ExitStack() as session:
        try:
            if url.startswith("pkcs11:"):
                signer = _token(url, secret, chain, session)
            else:
                signer = _file(url.removeprefix("file://"), secret, chain)
        except Exception as error:  # of the many kinds that key files and the makers of tokens have
            raise SigningFailed(reason="key") from error
        yield signer


def _file(path: str, secret: str, chain: Sequence[bytes]) -> Signer:
    simple: Any = SimpleSigner  # pyHanko annotates it only in part
    if path.endswith((".p12", ".pfx")):
        signer = simple.load_pkcs12(path, other_certs=certificates(chain), passphrase=secret.encode())
    else:
        signer = simple.load(path, path, other_certs=certificates(chain), key_passphrase=secret.encode() or None)
    if signer is None:
        raise ValueError("the key does not open")
    return cast(Signer, signer)


def _token(url: str, pin: str, chain: Sequence[bytes], session: ExitStack) -> Signer:
    from pyhanko.config.pkcs11 import TokenCriteria
    from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session

    path, _, query = url.removeprefix("pkcs11:").partition("?")
    parts = dict(part.split("=", 1) for part in [*path.split(";"), *query.split("&")])
    module, token, label = (unquote(parts[name]) for name in ("module-path", "token", "object"))
    opened = session.enter_context(open_pkcs11_session(module, token_criteria=TokenCriteria(label=token), user_pin=pin))
    signer = PKCS11Signer(opened, cert_label=label, key_label=label, ca_chain=certificates(chain))
    if signer.signing_cert is None:  # asked for now, so that a token without it is told before anything is written
        raise ValueError("the token has no such certificate")
    return signer


def sign(
    pdf: bytes,
    signer: Signer,
    *,
    field: str,
    stamp: Stamp,
    reason: str,
    now: datetime,
    trust_roots: Sequence[bytes] = (),
    tsa_url: str = "",
) -> Signed:
    """Fill the empty signature field `field` of a prepared document. `SigningFailed` where the field, the key or the
    certificate does not serve (`reason`: field, key, certificate); the input is never changed.

    `trust_roots` are DER or PEM; the signer's certificate must lead to one of them, or it is not used for B-LT and B-T.
    """
    pending = "" if tsa_url and trust_roots else "not-configured"
    levels: tuple[Level, ...] = ("B-LT", "B-T", "B-B") if tsa_url and trust_roots else ("B-T", "B-B") if tsa_url else ("B-B",)
    with _style(pdf, field, stamp) as style:
        for level in levels:
            filler = _SignerAt(
                _metadata(level, field, reason, trust_roots),
                signer,
                timestamper=HTTPTimeStamper(tsa_url) if level != "B-B" else None,
                stamp_style=style,
            )
            filler.instant = now
            try:
                output = filler.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), existing_fields_only=True)
                return Signed(output.getvalue(), level, pending)
            except (SigningError, PdfError, ValidationError, PathBuildingError, *AWAY) as error:
                pending = _why_not(error)
                log.warning("signing.service-away", level=level, pending=pending, error=repr(error)[:200])
    raise SigningFailed(reason="key")


def _why_not(error: BaseException) -> str:
    """Which service is away; or `SigningFailed` where none is, and waiting would not help."""
    if _caused_by(error, TimestampRequestError):
        return "timestamp"
    if _caused_by(error, *AWAY):
        return "revocation"
    raise SigningFailed(reason="certificate" if _caused_by(error, ValidationError, PathBuildingError) else "key") from error


def _caused_by(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__
    return error is not None


class _SignerAt(PdfSigner):
    """Signs at the instant of the request, not at whatever the machine's clock says."""

    instant: datetime

    def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self.instant
        return session


def _metadata(level: Level, field: str, reason: str, trust_roots: Sequence[bytes]) -> PdfSignatureMetadata:
    lasting = level == "B-LT"
    # The proofs go into the signed revision itself, not after it: so every byte of the file is under the last signature.
    placement = SigDSSPlacementPreference.TOGETHER_WITH_SIGNATURE
    return PdfSignatureMetadata(
        field_name=field,
        reason=reason or None,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        embed_validation_info=lasting,
        validation_context=_context(trust_roots) if lasting else None,
        signer_key_usage=KEY_USAGE,
        dss_settings=DSSContentSettings(include_vri=False, placement=placement),
    )


def _context(trust_roots: Sequence[bytes]) -> ValidationContext:
    # The context's instant is that of its making: an answer that took seconds is younger, and none the worse for it
    # (ETSI EN 319 102-1, 5.2.5.4 bounds the age of revocation status information, not its youth).
    return ValidationContext(
        trust_roots=certificates(trust_roots), allow_fetching=True, revocation_mode="hard-fail", retroactive_revinfo=True
    )


def certificates(blobs: Sequence[bytes]) -> list[x509.Certificate]:
    """X.509 certificates from DER, or from PEM with any number in it."""
    found = []
    for blob in blobs:
        ders = [der for _, _, der in pem.unarmor(blob, multiple=True)] if pem.detect(blob) else [blob]
        found += [x509.Certificate.load(der) for der in ders]
    return found


@contextmanager
def _style(pdf: bytes, field: str, stamp: Stamp) -> Iterator[StaticStampStyle]:
    """The stamp, set by typst to the field's size: pyHanko's own text stamps space this font's letters wrongly."""
    width, height = _size(pdf, field)
    at = f"{stamp.at.astimezone(LOCAL_TIME):%d/%m/%Y %H:%M:%S} +07:00"
    data = {"width": width, "height": height, "kind": stamp.kind, "role": stamp.role, "name": stamp.name, "at": at}
    centre = AxisAlignment.ALIGN_MID
    layout = SimpleBoxLayoutRule(x_align=centre, y_align=centre, inner_content_scaling=InnerScaling.STRETCH_TO_FIT)
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(typeset(STAMP, data, now=stamp.at, standards=("a-3b",)))
        file.flush()
        yield StaticStampStyle.from_pdf_file(file.name, border_width=0, background_layout=layout)


def _size(pdf: bytes, field: str) -> tuple[float, float]:
    try:
        reader = IncrementalPdfFileWriter(io.BytesIO(pdf)).prev
        empty = {name: holder.get_object() for name, value, holder in enumerate_sig_fields(reader) if value is None}
        left, bottom, right, top = (float(side) for side in empty[field]["/Rect"])
    except (KeyError, PdfError) as error:
        raise SigningFailed(reason="field") from error
    return right - left, top - bottom


def extend(pdf: bytes, *, tsa_url: str, trust_roots: Sequence[bytes]) -> bytes:
    """Add the proofs for every signature in `pdf` and a document timestamp over all of it (PAdES B-LTA).

    Mends a signature that was left pending, and renews a document before its timestamp's certificate ends. `SigningFailed`
    (`reason`: away or certificate) where a service is away still or a certificate is not good.
    """
    try:
        return asyncio.run(_extend(pdf, tsa_url, trust_roots))
    except (SigningError, PdfError, PathBuildingError, PathValidationError, *AWAY) as error:
        raise SigningFailed(reason="away" if _caused_by(error, *AWAY) else "certificate") from error


async def _extend(pdf: bytes, tsa_url: str, trust_roots: Sequence[bytes]) -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    context: Any = _context(trust_roots)
    paths = []
    try:
        for signature in writer.prev.embedded_signatures:
            validator: Any = CertificateValidator(
                signature.signer_cert, intermediate_certs=signature.other_embedded_certs, validation_context=context
            )
            paths.append(await validator.async_validate_usage(set()))
        settings = TimestampDSSContentSettings(include_vri=False, update_before_ts=True)
        output = await PdfTimeStamper(HTTPTimeStamper(tsa_url)).async_timestamp_pdf(
            writer, "sha256", context, validation_paths=paths, dss_settings=settings
        )
        return bytes(output.getvalue())
    finally:
        await context.aclose()
