"""Is this signed PDF whole, and who signed it? Says so without any network, from the proofs within; never raises.

The verdict is stricter than a viewer's: every signature intact, trusted and good at its time; nothing changed after it but
further signatures (pyHanko's difference analysis); the last signature or timestamp covers the file to its last byte; the
containers of the signatures hold nothing that nobody vouches for.
"""

import asyncio
import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pikepdf
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.generic_cms import extract_tst_data_iter
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel

from docs_store import sandbox
from docs_store.proofs import Proofs
from docs_store.wholeness import hole_is_whole

MAX_ATTACHED = 32 << 20
USAGE = KeyUsageConstraints(key_usage={"non_repudiation", "digital_signature"})


@dataclass(frozen=True)
class Fault:
    """`kind`: unparsable, unsigned, altered, untrusted, revoked, changed-after, container, trailing-bytes, timestamp.

    `field` names the signature that it concerns, "" for the file.
    """

    kind: str
    field: str = ""


@dataclass(frozen=True)
class Signature:
    """`stamped_at` is the timestamp authority's word on the time, `claimed_at` the signer's. `covers`: file or revision.

    A signature without a timestamp of its own has that of the next document timestamp (ETSI EN 319 142-1, 6.3).
    `modification`: what came after, of none, lta_updates, form_filling, annotations, other. `level`: B-B, B-T, B-LT.
    """

    field: str
    signer: str
    reason: str
    claimed_at: str | None
    stamped_at: str | None
    intact: bool
    trusted: bool
    covers: str
    modification: str
    level: str


@dataclass(frozen=True)
class Timestamp:
    """A document timestamp: vouches that everything before it was there `at`."""

    field: str
    authority: str
    at: str
    intact: bool
    trusted: bool


@dataclass(frozen=True)
class Validation:
    ok: bool
    sha256: str
    signatures: tuple[Signature, ...] = ()
    timestamps: tuple[Timestamp, ...] = ()
    faults: tuple[Fault, ...] = ()
    attachments: dict[str, bytes] = field(default_factory=dict)


def validate(pdf: bytes, trust_roots: Sequence[bytes], *, now: datetime) -> Validation:
    """The verdict on a file of our own; `validate_untrusted` is the one for strangers' files. Instants are ISO 8601."""
    sha256 = hashlib.sha256(pdf).hexdigest()
    try:
        verdict = asyncio.run(_validate(pdf, trust_roots, now))
        return replace(verdict, sha256=sha256, attachments=_attachments(pdf))
    except Exception:  # whatever a damaged file does to its parser, the answer is the same
        return Validation(False, sha256, faults=(Fault("unparsable"),))


def validate_untrusted(pdf: bytes, trust_roots: Sequence[bytes], *, now: datetime) -> Validation:
    """The same, in the confined process."""
    roots = [base64.b64encode(root).decode() for root in trust_roots]
    try:
        result = sandbox.run("validate", pdf, trust_roots=roots, now=now.isoformat()).result
    except sandbox.ProcessDied:
        return Validation(False, hashlib.sha256(pdf).hexdigest(), faults=(Fault("unparsable"),))
    return Validation(
        result["ok"],
        result["sha256"],
        tuple(Signature(**one) for one in result["signatures"]),
        tuple(Timestamp(**one) for one in result["timestamps"]),
        tuple(Fault(**one) for one in result["faults"]),
        {name: base64.b64decode(content) for name, content in result["attachments"].items()},
    )


def validate_file(source: Path, output: Path, *, trust_roots: list[str], now: str) -> dict[str, Any]:  # noqa: ARG001
    """The task of the confined process."""
    verdict = validate(source.read_bytes(), [base64.b64decode(root) for root in trust_roots], now=datetime.fromisoformat(now))
    attached = {name: base64.b64encode(content).decode() for name, content in verdict.attachments.items()}
    return asdict(replace(verdict, attachments={})) | {"attachments": attached}


@dataclass(frozen=True)
class _Moment:
    """By `at` a signature surely was there: the time of the next document timestamp, `stamped`, or now."""

    at: datetime
    stamped: datetime | None


async def _validate(pdf: bytes, trust_roots: Sequence[bytes], now: datetime) -> Validation:
    reader = PdfFileReader(io.BytesIO(pdf), strict=True)
    embedded = list(reader.embedded_signatures)
    if not embedded:
        return Validation(False, "", faults=(Fault("unsigned"),))
    proofs = Proofs(reader, trust_roots)
    faults: list[Fault] = []
    found: list[Signature] = []
    stamps: list[Timestamp] = []
    for signature, moment in zip(embedded, _moments(embedded, now), strict=True):
        try:
            if signature.sig_object_type == "/DocTimeStamp":
                stamp, wrong = await _document_timestamp(signature, proofs, moment)
                stamps.append(stamp)
            else:
                seen, wrong = await _signature(signature, proofs, moment)
                found.append(seen)
            if not hole_is_whole(pdf, signature.byte_range, proofs.issuers):
                wrong.append("container")
        except Exception:  # its container cannot be read: so much can still be said of which one it is
            wrong = ["container"]
        faults += [Fault(kind, signature.field_name) for kind in wrong]
    if embedded[-1].coverage != SignatureCoverageLevel.ENTIRE_FILE:
        faults.append(Fault("trailing-bytes"))
    if not (found or faults):
        faults.append(Fault("unsigned"))
    return Validation(not faults, "", tuple(found), tuple(stamps), tuple(faults))


def _moments(embedded: Sequence[Any], now: datetime) -> list[_Moment]:
    moments, moment = [], _Moment(now, None)
    for signature in reversed(embedded):
        moments.append(moment)
        if signature.sig_object_type == "/DocTimeStamp":
            at = _time_of(signature.signed_data)
            moment = _Moment(at, at)
    return moments[::-1]


def _time_of(token: Any) -> datetime:
    at: datetime = token["encap_content_info"]["content"].parsed["gen_time"].native
    return at


async def _signature(signature: Any, proofs: Proofs, moment: _Moment) -> tuple[Signature, list[str]]:
    token = next(extract_tst_data_iter(signature.signer_info, signed=False), None)
    stamped = _time_of(token) if token else moment.stamped
    at = min(stamped or moment.at, moment.at)
    others = signature.other_embedded_certs
    status = await async_validate_pdf_signature(
        signature,
        proofs.at(at),
        ts_validation_context=proofs.at(at, others),  # its own time: what is known of a later day is not in the file
        key_usage_settings=USAGE,
    )
    sound = status.intact and status.valid
    wrong = [] if sound else ["altered"]
    if not status.trusted:
        wrong.append("revoked" if status.revoked else "untrusted")
    if status.timestamp_validity and not _is_good(status.timestamp_validity, moment.at):
        wrong.append("timestamp")
    if sound and not (status.docmdp_ok and isinstance(status.diff_result, DiffResult | None)):
        wrong.append("changed-after")
    if not (wrong or status.bottom_line):
        wrong.append("changed-after")
    return Signature(
        field=signature.field_name,
        signer=_common_name(signature),
        reason=str(signature.sig_object.get("/Reason", "")),
        claimed_at=status.signer_reported_dt.isoformat() if status.signer_reported_dt else None,
        stamped_at=stamped.isoformat() if stamped else None,
        intact=sound,
        trusted=status.trusted,
        covers="file" if status.coverage == SignatureCoverageLevel.ENTIRE_FILE else "revision",
        modification=status.modification_level.name.lower() if status.modification_level else "none",
        level="B-B" if stamped is None else "B-LT" if await proofs.cover(signature, at) else "B-T",
    ), wrong


def _is_good(stamp: Any, until: datetime) -> bool:
    """Whether a timestamp is sound and its authority was good when it was made, and no certificate of it ended before `until`.

    Whether one was revoked since cannot be asked without a network; a later document timestamp would settle it.
    """
    return bool(
        stamp.valid
        and stamp.intact
        and stamp.trusted
        and all(one.not_valid_before <= until <= one.not_valid_after for one in stamp.validation_path)
    )


async def _document_timestamp(signature: Any, proofs: Proofs, moment: _Moment) -> tuple[Timestamp, list[str]]:
    at = _time_of(signature.signed_data)
    status = await async_validate_pdf_timestamp(signature, proofs.at(at))
    sound = status.intact and status.valid
    wrong = [] if sound else ["altered"]
    if sound and not _is_good(status, moment.at):
        wrong.append("untrusted")
    if sound and not isinstance(status.diff_result, DiffResult | None):
        wrong.append("changed-after")
    return Timestamp(signature.field_name, _common_name(signature), at.isoformat(), sound, status.trusted), wrong


def _common_name(signature: Any) -> str:
    name = signature.signer_cert.subject.native.get("common_name", signature.signer_cert.subject.human_friendly)
    return str(name)


def _attachments(pdf: bytes) -> dict[str, bytes]:
    found, total = {}, 0
    with pikepdf.open(io.BytesIO(pdf)) as document:
        for name, holder in document.attachments.items():
            content = holder.get_file().read_bytes()
            total += len(content)
            if total > MAX_ATTACHED:
                raise ValueError("attachments")
            found[name] = content
    return found
