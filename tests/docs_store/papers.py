"""Files for the tests: honest ones set with the house's own typesetter, hostile ones written byte by byte."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from docs_store.typeset import typeset

NOW = datetime(2026, 12, 9, 4, 52, 14, tzinfo=UTC)
TEMPLATES = Path(__file__).parent / "templates"


@cache
def paper(*paragraphs: str, pages: int = 1, title: str = "Tờ trình", rotate: bool = False) -> bytes:
    """An honest PDF/A of A4 pages; `paragraphs` stand at the top of the first."""
    data = {"title": title, "pages": pages, "paragraphs": paragraphs, "rotate": rotate}
    return typeset(TEMPLATES / "paper.typ", data, now=NOW)


def stream(content: bytes, entries: bytes = b"", *, pack: int = 1) -> bytes:
    """A stream object, deflated `pack` times."""
    for _ in range(pack):
        content = zlib.compress(content, 9)
    filters = b"/Filter [" + b"/FlateDecode " * pack + b"]" if pack else b""
    return b"<< %s %s /Length %d >> stream\n%s\nendstream" % (entries, filters, len(content), content)


def raw_pdf(objects: Sequence[bytes], trailer: bytes = b"", *, startxref: bool = True) -> bytes:
    """A PDF of the given objects, numbered from 1; the first is the catalog."""
    body, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    if not startxref:
        return bytes(body) + b"trailer << /Root 1 0 R >>\n%%EOF\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    tail = b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(body))
    return bytes(body) + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + tail


def one_page(
    content: bytes = b"BT /F1 12 Tf 72 700 Td (Xin chao) Tj ET",
    *extra: bytes,
    catalog: bytes = b"",
    page: bytes = b"",
    resources: bytes = b"",
    media_box: bytes = b"[0 0 595 842]",
    pack: int = 1,
    trailer: bytes = b"",
    startxref: bool = True,
) -> bytes:
    """One page; `extra` are objects from number 6 on."""
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox %s /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> %s >> %s >>"
            % (media_box, resources, page),
            stream(content, pack=pack),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            *extra,
        ],
        trailer,
        startxref=startxref,
    )
