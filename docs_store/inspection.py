"""Look through one untrusted PDF, in the confined process: limits, active content, text, marks of secrecy."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2

from docs_store import active_content, secrecy
from docs_store.active_content import Findings
from docs_store.problems import BrokenPdf, EncryptedPdf, HostilePdf, NotAPdf, StateSecret, TooManyPages
from shared.words import nfc

MAX_PAGES = 2000
MAX_SIDE = 14_400  # points: ISO 32000-1, annex C
MAX_TEXT = 200_000  # letters of a page
MARKED_PAGES = 3  # a mark stands on the first pages, if anywhere
OLD_FONTS = re.compile(r"^(?:[A-Z]{6}\+)?(\.?Vn[A-Z]|\.VN|VNI[-\s_]?|TCVN)", re.ASCII)
METADATA = ("/Title", "/Subject", "/Keywords")


def inspect(source: Path, output: Path, *, name: str) -> dict[str, Any]:
    """What `pdf.Inspected` needs; `output` gets the clean, linearised file unless the source must stay as it is (signed)."""
    if not source.read_bytes()[:5] == b"%PDF-":
        raise NotAPdf()
    try:
        pdf = pikepdf.open(source, suppress_warnings=True)
    except pikepdf.PasswordError:
        raise EncryptedPdf() from None
    except pikepdf.PdfError:
        raise BrokenPdf() from None
    with pdf:
        if pdf.is_encrypted:
            raise EncryptedPdf()
        try:
            repaired = bool(pdf.get_warnings())
            sizes = _page_sizes(pdf)
            found = _clean(pdf, output)
            metadata = _metadata(pdf)
        except (pikepdf.PdfError, pikepdf.ForeignObjectError, RecursionError, TypeError, ValueError, KeyError, AttributeError):
            raise BrokenPdf() from None
    text = _read_text(source if found.signed else output, name, metadata)
    return {
        "sizes": sizes,
        "text": text,
        "signed": found.signed,
        "warnings": list(_warnings(found, text, repaired=repaired)),
    }


def _page_sizes(pdf: pikepdf.Pdf) -> list[list[float]]:
    count = len(pdf.pages)
    if count == 0:
        raise BrokenPdf()
    if count > MAX_PAGES:
        raise TooManyPages(pages=count, limit=MAX_PAGES)
    sizes = []
    for page in pdf.pages:
        left, bottom, right, top = (float(side) for side in page.mediabox)
        unit = float(page.obj.get("/UserUnit", 1))
        width, height = abs(right - left) * unit, abs(top - bottom) * unit
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
            raise HostilePdf(reason="MediaBox")
        turned = int(page.rotation) % 180 != 0
        sizes.append([round(height, 2), round(width, 2)] if turned else [round(width, 2), round(height, 2)])
    return sizes


def _clean(pdf: pikepdf.Pdf, output: Path) -> Findings:
    """Cut what is active and save; a signed file stays byte for byte, so it must be clean already."""
    found = active_content.survey(pdf, strip=False)
    if found.signed:
        if found.active or found.attached - active_content.DATA_KINDS:
            raise HostilePdf(reason=", ".join(sorted(found.active | found.attached)))
        return found
    active_content.survey(pdf, strip=True)
    left = active_content.survey(pdf, strip=False)
    if left.active:
        raise HostilePdf(reason=", ".join(sorted(left.active)))
    pdf.save(output, linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return found


def _metadata(pdf: pikepdf.Pdf) -> dict[str, str]:
    values = {key: str(pdf.docinfo[key])[:2000] for key in METADATA if key in pdf.docinfo}
    try:
        with pdf.open_metadata() as xmp:
            return values | {key: str(xmp[key])[:2000] for key in ("dc:title", "dc:subject", "pdf:Keywords") if key in xmp}
    except Exception:  # XMP that cannot be parsed is shown by no viewer either
        return values


def _read_text(path: Path, name: str, metadata: dict[str, str]) -> list[str]:
    """The text of each page, NFC; refuses a marked document."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        raise BrokenPdf() from None
    pages: list[str] = []
    marked: list[tuple[list[secrecy.Segment], float]] = []
    for index in range(len(document)):
        page = document[index]
        content = page.get_textpage()
        pages.append(nfc(content.get_text_range(0, min(content.count_chars(), MAX_TEXT))))
        if index < MARKED_PAGES:
            marked.append((list(_segments(content, page)), page.get_height()))
        content.close()
        page.close()
    if mark := secrecy.find(name, metadata, marked):
        raise StateSecret(mark=mark[0], place=mark[1], page=mark[2])
    return pages


def _segments(content: Any, page: Any) -> Iterator[secrecy.Segment]:
    """Runs of signs, parted where the line ends or a gap is wider than twice the height of the signs."""
    height = page.get_height()
    run: list[tuple[str, Sequence[float]]] = []
    for index in range(min(content.count_chars(), 20_000)):
        sign = content.get_text_range(index, 1)
        box = content.get_charbox(index)  # left, bottom, right, top
        if run and not sign.isspace() and box[2] > box[0] and _parted(run[-1][1], box):
            yield _segment(run, height)
            run = []
        if sign in "\r\n":
            if run:
                yield _segment(run, height)
            run = []
        elif not sign.isspace() or run:
            run.append((sign, box if not sign.isspace() else run[-1][1]))
    if run:
        yield _segment(run, height)


def _parted(last: Sequence[float], box: Sequence[float]) -> bool:
    line = max(last[3] - last[1], box[3] - box[1], 4.0)
    return box[0] - last[2] > 2 * line or last[0] - box[0] > line or abs(box[1] - last[1]) > 1.5 * line


def _segment(run: list[tuple[str, Sequence[float]]], height: float) -> secrecy.Segment:
    boxes = [box for _, box in run]
    return secrecy.Segment(
        nfc("".join(sign for sign, _ in run)),
        min(box[0] for box in boxes),
        height - max(box[3] for box in boxes),
        max(box[2] for box in boxes),
    )


def _warnings(found: Findings, text: list[str], *, repaired: bool) -> Iterator[dict[str, Any]]:
    if repaired:
        yield {"code": "repaired"}
    if found.active:
        yield {"code": "active-content-removed", "found": sorted(found.active)}
    if found.attached:
        yield {"code": "attachments-kept" if found.signed else "attachments-removed"}
    if found.signed:
        yield {"code": "signed-kept-as-is"}
    if blank := [number for number, page in enumerate(text, 1) if not page.strip()]:
        yield {"code": "no-text"} if len(blank) == len(text) else {"code": "pages-without-text", "pages": blank[:200]}
    if old := sorted(name for name in found.fonts if OLD_FONTS.match(name)):
        yield {"code": "old-fonts", "fonts": old[:20]}
    if foreign := sorted(name for name, embedded in found.fonts.items() if not embedded):
        yield {"code": "fonts-not-embedded", "fonts": foreign[:20]}
