"""Notes on a copy: real annotations with appearances that two renderers draw alike."""

import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest

from docs_store.annotations import NoteMark, annotate
from docs_store.pdf import intake
from docs_store.problems import TooMuchInk
from tests.docs_store.papers import one_page, paper

AT = datetime(2026, 12, 9, 4, 52, 14, tzinfo=UTC)
WORDS = "Đề nghị sửa: ằ ẳ ẵ ặ ỡ ợ ữ ự ỵ"
MARKS: dict[str, dict[str, Any]] = {
    "ink": {
        "color": "#1d3f94",
        "width": 20,
        "strokes": [[[700, 3000, 10], [1400, 3300, 60], [2100, 3000, 90]], [[2500, 3000, 50]]],
    },
    "highlight": {"color": "#ffe066", "quads": [[700, 4000, 3000, 4000, 700, 3850, 3000, 3850]], "text": "Xem lại"},
    "text": {"color": "#ffd43b", "at": [4000, 3000], "text": WORDS},
    "box": {"color": "#0b5247", "at": [3000, 2500], "width": 1800, "text": WORDS},
}


def mark(kind: Any, page: int = 0, **more: Any) -> NoteMark:
    return NoteMark(f"note-{kind}", page, kind, author="Phạm Thị Ngọc Ánh", modified=AT, **MARKS[kind] | more)


def everything(data: bytes) -> bytes:
    return annotate(data, [mark(kind) for kind in MARKS])


def poppler(data: bytes, folder: Path) -> Any:
    from PIL import Image

    (folder / "in.pdf").write_bytes(data)
    done = subprocess.run(
        ["pdftoppm", "-r", "72", "-f", "1", "-l", "1", "-png", "in.pdf", "out"], cwd=folder, capture_output=True, text=True
    )
    assert done.stderr == ""
    return Image.open(next(folder.glob("out*.png"))).convert("RGB")


def pdfium(data: bytes) -> Any:
    with pypdfium2.PdfDocument(data) as document:
        return document[0].render(scale=1).to_pil().convert("RGB")


def test_each_note_is_an_annotation_with_author_words_time_and_appearance() -> None:
    clean = intake(paper(pages=2), "a.pdf").data
    copy = everything(clean)
    assert copy.startswith(clean)
    with pikepdf.open(io.BytesIO(copy)) as pdf:
        notes = {str(note.NM): note for note in pdf.pages[0].Annots}
        assert [str(note.Subtype) for note in notes.values()] == ["/Ink", "/Highlight", "/Text", "/FreeText"]
        for kind, note in notes.items():
            assert str(note.T) == "Phạm Thị Ngọc Ánh"
            assert str(note.Contents) == MARKS[kind.removeprefix("note-")].get("text", "")
            assert str(note.M) == "D:20261209045214+00'00'"
            assert (int(note.F), str(note.AP.N.Subtype)) == (4, "/Form")
        assert [float(part) for part in notes["note-highlight"].QuadPoints] == [70, 400, 300, 400, 70, 385, 300, 385]
        assert [float(part) for part in notes["note-ink"].InkList[0]] == [70, 300, 140, 330, 210, 300]
        assert "/Annots" not in pdf.pages[1]


@pytest.mark.parametrize("rotate", [0, 90, 270])
def test_poppler_and_pdfium_draw_the_notes_alike_on_every_rotation(rotate: int, tmp_path: Path) -> None:
    from PIL import ImageChops, ImageStat

    copy = everything(one_page(page=b"/Rotate %d" % rotate))
    one, two = poppler(copy, tmp_path), pdfium(copy)
    assert one.size == two.size
    assert max(ImageStat.Stat(ImageChops.difference(one, two)).mean) < 1.5
    spot = {0: (100, 842 - 392), 90: (392, 100), 180: (595 - 100, 392), 270: (842 - 392, 595 - 100)}[rotate]
    for picture in (one, two):
        red, green, blue = picture.getpixel(spot)
        assert red > 240
        assert green > 200
        assert blue < 130  # the highlight's yellow


def test_a_remark_is_set_upright_with_an_embedded_font_and_its_words_are_only_words(tmp_path: Path) -> None:
    copy = annotate(paper(), [mark("box", text='#panic("x") $x$ *đậm* \\ <nhãn> @tham-chiếu'), mark("box", 7)])
    with pikepdf.open(io.BytesIO(copy)) as pdf:
        (note,) = pdf.pages[0].Annots
        font = next(iter(note.AP.N.Resources.Font.values()))
        assert "Tinos" in str(font.BaseFont)
        assert "/FontFile2" in font.DescendantFonts[0].FontDescriptor
    assert poppler(copy, tmp_path).getpixel((310, 842 - 245)) != (255, 255, 255)


def test_a_highlight_lets_the_words_below_be_read() -> None:
    page = b"BT /F1 40 Tf 72 700 Td (IIIIIIII) Tj ET"
    copy = annotate(one_page(page), [mark("highlight", quads=[[700, 7400, 1500, 7400, 700, 6900, 1500, 6900]])])
    colours = {colour for _, colour in pdfium(copy).crop((72, 842 - 730, 140, 842 - 700)).getcolors(5000)}
    assert min(sum(colour) for colour in colours) < 60


def test_too_much_ink_is_refused() -> None:
    with pytest.raises(TooMuchInk):
        annotate(one_page(), [mark("ink", strokes=[[[1, 1, 1]] * 200_001])])


def test_hostile_words_in_a_note_are_stored_as_words() -> None:
    words = "<script>alert(1)</script>) /AA << /O 1 >> \u202e\x00"
    with pikepdf.open(io.BytesIO(annotate(one_page(), [mark("text", text=words)]))) as pdf:
        note = pdf.pages[0].Annots[0]
        assert str(note.Contents) == words
        assert "/AA" not in note
