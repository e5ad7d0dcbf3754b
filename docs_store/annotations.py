"""A delegate's notes as real PDF annotations on a copy of a paper, each with its own appearance.

Viewers that draw annotations by themselves draw Vietnamese badly or not at all, so every annotation brings its appearance
stream; a remark's is set by typst with its font embedded. The copy grows at its end (incremental update); never annotate the
master of a signed document: a strict verifier rejects it, and rightly.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, FloatObject, NameObject, TextStringObject

from docs_store import sandbox
from docs_store.problems import HostilePdf, TooMuchInk
from docs_store.typeset import typeset

MAX_POINTS = 200_000
ICON = 18.0  # points
ICON_PATH = "1 1 16 16 re B 4 13 m 14 13 l 4 9.5 m 14 9.5 l 4 6 m 10 6 l S"


@dataclass(frozen=True)
class NoteMark:
    """One note. Coordinates are tenths of a point in the page's unrotated user space, integers; pages count from 0.

    `ink` has `strokes` of [x, y, pressure 0..100]. `highlight` has `quads` of eight numbers: upper left, upper right, lower
    left, lower right. `text` is an icon at `at` (its upper left corner as the page is seen) whose words show on a tap; `box`
    writes `text` on the page, `width` wide (1600 if 0). `color` is #rrggbb; for ink, `width` is the pen's.
    """

    id: str
    page: int
    kind: Literal["ink", "highlight", "text", "box"]
    color: str
    author: str
    modified: datetime
    text: str = ""
    width: int = 0
    strokes: Sequence[Sequence[Sequence[int]]] = field(default_factory=list)
    quads: Sequence[Sequence[int]] = field(default_factory=list)
    at: Sequence[int] = (0, 0)


def annotate(pdf: bytes, notes: Iterable[NoteMark]) -> bytes:
    """A copy of `pdf` with the notes; those on pages that it does not have are left out. Works in the confined process."""
    plain = [vars(note) | {"modified": note.modified.isoformat()} for note in notes]
    if sum(len(stroke) for note in plain for stroke in note["strokes"]) > MAX_POINTS:
        raise TooMuchInk(limit=MAX_POINTS)
    try:
        return sandbox.run("annotate", pdf, notes=plain).output
    except sandbox.ProcessDied as died:
        raise HostilePdf(reason=died.reason) from None


def draw(source: Path, output: Path, *, notes: list[dict[str, Any]]) -> dict[str, Any]:
    """The task of the confined process."""
    writer = PdfWriter(io.BytesIO(source.read_bytes()), incremental=True)
    marks = [NoteMark(**note | {"modified": datetime.fromisoformat(note["modified"])}) for note in notes]
    marks = [mark for mark in marks if 0 <= mark.page < len(writer.pages)]
    boxes = _set_boxes([mark for mark in marks if mark.kind == "box"])
    for mark in marks:
        page = writer.pages[mark.page]
        turn = page.rotation % 360
        if mark.kind == "ink":
            entries, appearance = _ink(mark)
        elif mark.kind == "highlight":
            entries, appearance = _highlight(mark)
        elif mark.kind == "text":
            entries, appearance = _icon(mark, turn)
        else:
            entries, appearance = _box(mark, turn, boxes[mark.id], writer)
        _attach(writer, mark, entries, appearance)
    with output.open("wb") as file:
        writer.write(file)
    return {"drawn": len(marks)}


@dataclass
class Appearance:
    """A form XObject to be: its box is mapped onto the annotation's rectangle."""

    content: str | bytes
    box: Sequence[float]
    resources: Any
    turn: int = 0


def _attach(writer: Any, mark: NoteMark, entries: dict[str, Any], appearance: Appearance) -> None:
    form = DecodedStreamObject()
    form.set_data(appearance.content.encode() if isinstance(appearance.content, str) else appearance.content)
    form[NameObject("/Type")], form[NameObject("/Subtype")] = NameObject("/XObject"), NameObject("/Form")
    form[NameObject("/BBox")] = ArrayObject(FloatObject(side) for side in appearance.box)
    form[NameObject("/Resources")] = appearance.resources
    form[NameObject("/Matrix")] = ArrayObject(FloatObject(part) for part in TURNED[appearance.turn])
    red, green, blue = _rgb(mark.color)
    drawn = writer._add_object(form.flate_encode())
    annotation = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/F"): FloatObject(4),  # printed with the page
            NameObject("/NM"): TextStringObject(mark.id),
            NameObject("/T"): TextStringObject(mark.author),
            NameObject("/Contents"): TextStringObject(mark.text),
            NameObject("/M"): TextStringObject(mark.modified.strftime("D:%Y%m%d%H%M%S") + "+00'00'"),
            NameObject("/C"): ArrayObject(FloatObject(part) for part in (red, green, blue)),
            NameObject("/AP"): DictionaryObject({NameObject("/N"): drawn}),
        }
    )
    for key, value in entries.items():
        annotation[NameObject(key)] = _pdf_value(value)
    writer.add_annotation(mark.page, annotation)


# Matrices of a form that stands upright on a page shown turned clockwise by so many degrees.
TURNED = {0: (1, 0, 0, 1, 0, 0), 90: (0, 1, -1, 0, 0, 0), 180: (-1, 0, 0, -1, 0, 0), 270: (0, -1, 1, 0, 0, 0)}


def _pdf_value(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, TextStringObject):
        return NameObject(value)
    if isinstance(value, int | float):
        return FloatObject(round(value, 3))
    return ArrayObject(_pdf_value(one) for one in value) if isinstance(value, list | tuple) else value


def _ink(mark: NoteMark) -> tuple[dict[str, Any], Appearance]:
    width = max(mark.width, 1) / 10
    strokes = [[(x / 10, y / 10, pressure) for x, y, pressure in stroke] for stroke in mark.strokes if stroke]
    lines = ["1 J 1 j", " ".join(f"{part:.3f}" for part in _rgb(mark.color)) + " RG"]
    for stroke in strokes:
        dot = [(stroke[0][0] + 0.1, *stroke[0][1:])]  # a line of no length is drawn by some viewers only
        for start, end in zip(stroke, stroke[1:] or dot, strict=False):
            pen = width * (0.5 + (start[2] + end[2]) / 200)
            lines.append(f"{pen:.2f} w {start[0]:.1f} {start[1]:.1f} m {end[0]:.1f} {end[1]:.1f} l S")
    rect = _around([point[:2] for stroke in strokes for point in stroke], margin=width * 1.5)
    ink = [[part for point in stroke for part in point[:2]] for stroke in strokes]
    entries = {"/Subtype": "/Ink", "/Rect": rect, "/InkList": ink}
    return entries, Appearance("\n".join(lines), rect, _pdf_dictionary({}))


def _highlight(mark: NoteMark) -> tuple[dict[str, Any], Appearance]:
    quads = [[part / 10 for part in quad] for quad in mark.quads]
    lines = ["/Shade gs", " ".join(f"{part:.3f}" for part in _rgb(mark.color)) + " rg"]
    for x1, y1, x2, y2, x3, y3, x4, y4 in quads:
        lines.append(f"{x1} {y1} m {x2} {y2} l {x4} {y4} l {x3} {y3} l h f")
    rect = _around([(quad[i], quad[i + 1]) for quad in quads for i in range(0, 8, 2)], margin=0)
    shade = _pdf_dictionary({"/ExtGState": {"/Shade": {"/Type": "/ExtGState", "/BM": "/Multiply"}}})
    entries = {"/Subtype": "/Highlight", "/Rect": rect, "/QuadPoints": [part for quad in quads for part in quad]}
    return entries, Appearance("\n".join(lines), rect, shade)


def _icon(mark: NoteMark, turn: int) -> tuple[dict[str, Any], Appearance]:
    fill = " ".join(f"{part:.3f}" for part in _rgb(mark.color))
    rect = _standing(mark.at, ICON, ICON, turn)
    content = f"{fill} rg 0.2 G 0.8 w {ICON_PATH}"
    entries = {"/Subtype": "/Text", "/Rect": rect, "/Name": "/Note"}
    return entries, Appearance(content, [0, 0, ICON, ICON], _pdf_dictionary({}), turn)


def _box(mark: NoteMark, turn: int, page: Any, writer: Any) -> tuple[dict[str, Any], Appearance]:
    width, height = float(page.mediabox.width), float(page.mediabox.height)
    resources = page["/Resources"].clone(writer)
    rect = _standing(mark.at, width, height, turn)
    entries = {"/Subtype": "/FreeText", "/Rect": rect, "/DA": TextStringObject("/Helv 9 Tf 0 g")}
    return entries, Appearance(page.get_contents().get_data(), [0, 0, width, height], resources, turn)


def _set_boxes(marks: Sequence[NoteMark]) -> dict[str, Any]:
    """One typst run for all remarks, so that they share one font."""
    if not marks:
        return {}
    notes = [{"text": m.text, "author": m.author, "color": m.color, "width": (m.width or 1600) / 10} for m in marks]
    template = Path(__file__).parent / "templates" / "notes.typ"
    pages = PdfReader(io.BytesIO(typeset(template, {"notes": notes}, now=marks[0].modified, standards=()))).pages
    return {mark.id: page for mark, page in zip(marks, pages, strict=True)}


def _standing(at: Sequence[int], width: float, height: float, turn: int) -> list[float]:
    """The rectangle of an upright thing whose upper left corner, as the page is seen, is `at`."""
    right, down = {0: ((1, 0), (0, -1)), 90: ((0, 1), (1, 0)), 180: ((-1, 0), (0, 1)), 270: ((0, -1), (-1, 0))}[turn]
    x, y = at[0] / 10, at[1] / 10
    far = (x + width * right[0] + height * down[0], y + width * right[1] + height * down[1])
    return _around([(x, y), far], margin=0)


def _around(points: Sequence[Sequence[float]], margin: float) -> list[float]:
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return [min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin]


def _rgb(color: str) -> tuple[float, float, float]:
    return int(color[1:3], 16) / 255, int(color[3:5], 16) / 255, int(color[5:7], 16) / 255


def _pdf_dictionary(values: dict[str, Any]) -> Any:
    inner = {
        NameObject(key): _pdf_dictionary(value) if isinstance(value, dict) else NameObject(value)
        for key, value in values.items()
    }
    return DictionaryObject(inner)
