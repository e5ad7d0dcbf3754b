"""A PDF comes in: looked through in the confined process, and either refused or made safe to keep and show."""

import hashlib
from dataclasses import dataclass
from typing import Any

from docs_store import sandbox
from docs_store.problems import HostilePdf, NotAPdf, PdfTooLarge, StateSecret
from shared.words import nfc

MAX_SIZE = 100 << 20


@dataclass(frozen=True)
class Inspected:
    """What is fit to be kept. `sizes` are width and height of each page as seen, in points; `text` is one string a page, NFC.

    `warnings` are {"code": ..., facts}; codes: repaired, active-content-removed, attachments-removed, attachments-kept,
    signed-kept-as-is, no-text, pages-without-text, old-fonts, fonts-not-embedded. Their words: `warning.<code>`.
    """

    data: bytes
    sha256: str
    pages: int
    sizes: tuple[tuple[float, float], ...]
    text: tuple[str, ...]
    warnings: tuple[dict[str, Any], ...]
    signed: bool


def intake(data: bytes, name: str, declared_class: str | None = None, *, max_size: int = MAX_SIZE) -> Inspected:
    """Look through an uploaded file. The result's bytes are a clean copy, or the very same for a signed file.

    `name` is the file's name; `declared_class` whatever classification the sender named, None for none. Raises `PdfTooLarge`,
    `NotAPdf`, `EncryptedPdf`, `BrokenPdf`, `HostilePdf`, `StateSecret`, `TooManyPages`.
    """
    if declared_class:
        raise StateSecret(mark=nfc(declared_class)[:40], place="declared", page=0)
    if len(data) > max_size:
        raise PdfTooLarge(limit=f"{max_size >> 20} MB")
    if not data.startswith(b"%PDF-"):
        raise NotAPdf()
    try:
        outcome = sandbox.run("inspect", data, name=name[:500])
    except sandbox.ProcessDied as died:
        raise HostilePdf(reason=died.reason) from None
    result = outcome.result
    kept = data if result["signed"] else outcome.output
    return Inspected(
        data=kept,
        sha256=hashlib.sha256(kept).hexdigest(),
        pages=len(result["sizes"]),
        sizes=tuple((width, height) for width, height in result["sizes"]),
        text=tuple(result["text"]),
        warnings=tuple(result["warnings"]),
        signed=bool(result["signed"]),
    )
