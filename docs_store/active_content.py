"""Find what a PDF could do by itself, and cut it out: scripts, launches, forms that send, files within, calls outward."""

import contextlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pikepdf

from docs_store.problems import HostilePdf

MAX_NODES = 2_000_000
MAX_STREAM = 64 << 20  # bytes of one stream once unpacked; images aside
MAX_UNPACKED = 512 << 20  # of all together
ACTIONS = {  # of /S; what is left only moves within the document, or is a web link that waits for a tap
    "/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/ResetForm", "/GoToR", "/GoToE", "/Rendition", "/Movie", "/Sound",
    "/RichMediaExecute", "/GoTo3DView", "/SetOCGState", "/Hide", "/Trans", "/GoToDp",
}  # fmt: skip
KEYS = {
    "/JavaScript",
    "/JS",
    "/AA",
    "/XFA",
    "/RichMediaContent",
    "/RichMediaSettings",
    "/OPI",
    "/Ref",
    "/AlternatePresentations",
}
WEB_LINKS = (b"http://", b"https://", b"mailto:", b"tel:")
ANNOTATIONS = {"/RichMedia", "/Screen", "/Movie", "/Sound", "/3D", "/FileAttachment"}
ATTACHED = {"/EmbeddedFiles", "/EmbeddedFile", "/EF", "/AF", "/Collection"}
DATA_KINDS = {"/application/json", "/application/xml", "/text/xml", "/text/csv", "/text/plain"}


@dataclass
class Findings:
    """What was met in one walk over all objects."""

    active: set[str] = field(default_factory=set)  # names of what could act
    attached: set[str] = field(default_factory=set)  # kinds of embedded files; "?" where unsaid
    signed: bool = False
    fonts: dict[str, bool] = field(default_factory=dict)  # name -> embedded
    unpacked: int = 0


def survey(pdf: pikepdf.Pdf, *, strip: bool) -> Findings:
    """Walk every object once; with `strip`, cut out what is active and what is attached."""
    found = Findings()
    for node in _nodes(pdf):
        if isinstance(node, pikepdf.Dictionary | pikepdf.Stream):
            _look_at(node, found, strip=strip)
        else:
            _look_into(node, found, strip=strip)
    return found


def _nodes(pdf: pikepdf.Pdf) -> Iterator[Any]:
    """Every array, dictionary and stream; indirect ones once, direct ones from their holder."""
    seen = 0
    for top in (pdf.trailer, *pdf.objects):
        waiting = [top]
        while waiting:
            node = waiting.pop()
            if not isinstance(node, pikepdf.Dictionary | pikepdf.Stream | pikepdf.Array):
                continue
            seen += 1
            if seen > MAX_NODES:
                raise HostilePdf(reason="objects")
            yield node
            inner = list(node) if isinstance(node, pikepdf.Array) else [value for _, value in node.items()]
            waiting += [value for value in inner if isinstance(value, pikepdf.Object) and not value.is_indirect]


def _look_at(node: Any, found: Findings, *, strip: bool) -> None:
    doomed = [key for key, value in node.items() if _judge(node, key, value, found)]
    if node.get("/Type") == "/Sig" or ("/ByteRange" in node and "/Contents" in node):
        found.signed = True
    if node.get("/Type") == "/Font":
        _note_font(node, found)
    if isinstance(node, pikepdf.Stream) and node.get("/Subtype") != "/Image":
        found.unpacked += _unpacked_size(node)
        if found.unpacked > MAX_UNPACKED:
            raise HostilePdf(reason="expansion")
    if strip:
        for key in doomed:
            del node[key]


def _judge(node: Any, key: str, value: Any, found: Findings) -> bool:
    """Whether the entry has to go; notes why."""
    if key == "/FontMatrix" and not all(isinstance(part, int | float | Decimal) for part in value):
        raise HostilePdf(reason="FontMatrix")  # CVE-2024-4367: no drawing program writes this
    if key in ATTACHED:
        if key == "/EF":
            found.attached |= _kinds(value)
        return True
    if key in KEYS or _acts(value):
        found.active.add(key if key in KEYS else str(value.get("/S")))
        return True
    if isinstance(node, pikepdf.Stream) and key in ("/F", "/FFilter", "/FDecodeParms"):
        found.active.add("/ExternalStream")
        return True
    return False


def _unpacked_size(stream: Any) -> int:
    """Without ever holding it whole; packings other than deflate are left to the limits of the process."""
    named = stream.get("/Filter", [])
    filters = [str(one) for one in named] if isinstance(named, pikepdf.Array) else [str(named)]
    if not filters or set(filters) != {"/FlateDecode"}:
        return 0
    pieces: Iterator[bytes] = iter([stream.read_raw_bytes()])
    for _ in filters:
        pieces = _inflated(pieces)
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_STREAM:
            raise HostilePdf(reason="expansion")
    return size


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for piece in pieces:
        waiting = piece
        with contextlib.suppress(zlib.error):
            while waiting and (plain := unpacker.decompress(waiting, 1 << 20)):
                yield plain
                waiting = unpacker.unconsumed_tail


def _look_into(array: Any, found: Findings, *, strip: bool) -> None:
    for index in range(len(array) - 1, -1, -1):
        item = array[index]
        if _acts(item):
            found.active.add(str(item.get("/S")))
        elif isinstance(item, pikepdf.Dictionary) and item.get("/Subtype") in ANNOTATIONS:
            found.active.add(str(item.Subtype))
        else:
            continue
        if strip:
            del array[index]


def _acts(value: Any) -> bool:
    if not isinstance(value, pikepdf.Dictionary):
        return False
    kind = value.get("/S")
    if kind == "/URI":
        return not bytes(value.get("/URI", b"")).strip().lower().startswith(WEB_LINKS)
    return isinstance(kind, pikepdf.Name) and str(kind) in ACTIONS and not ({"/K", "/P", "/Pg"} & set(value.keys()))


def _kinds(files: Any) -> set[str]:
    kinds = {str(stream.get("/Subtype", "?")) for _, stream in files.items() if isinstance(stream, pikepdf.Stream)}
    return kinds or {"?"}


def _note_font(font: Any, found: Findings) -> None:
    inner = font.get("/DescendantFonts")
    holder = inner[0] if isinstance(inner, pikepdf.Array) and len(inner) else font
    descriptor: Any = holder.get("/FontDescriptor", {}) if isinstance(holder, pikepdf.Dictionary) else {}
    embedded = font.get("/Subtype") == "/Type3" or any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3"))
    if "/BaseFont" in font:
        name = str(font.BaseFont).removeprefix("/")[:100]
        found.fonts[name] = found.fonts.get(name, False) or embedded
