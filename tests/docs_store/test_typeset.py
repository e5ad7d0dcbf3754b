"""Documents are set with the house's own fonts, the same each time, and say nothing that their data did not."""

import io
import subprocess
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import pikepdf
import pytest

from docs_store import fonts
from docs_store import typeset as setter
from docs_store.typeset import TypesettingFailed, typeset
from shared.problems import Unavailable
from tests.docs_store.papers import NOW, TEMPLATES

TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
LETTERS = "đĐ" + "".join(unicodedata.normalize("NFC", base + tone) for base in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY" for tone in TONES)
PLAIN = {"title": "Thử", "pages": 1, "rotate": False}


def test_every_vietnamese_letter_is_in_the_fonts_and_comes_back_from_the_text() -> None:
    assert fonts.missing() == []
    pdf = typeset(TEMPLATES / "letters.typ", {"letters": " ".join(LETTERS)}, now=NOW)
    text = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True).stdout.decode()
    assert "".join(text.split()).count(LETTERS) == 4  # upright, bold, italic, both
    names = subprocess.run(["pdffonts", "-"], input=pdf, capture_output=True).stdout.decode()
    assert names.count("Tinos") == 4
    assert len(names.splitlines()) == 6


def test_a_letter_without_a_glyph_stops_the_document() -> None:
    with pytest.raises(TypesettingFailed):
        typeset(TEMPLATES / "letters.typ", {"letters": "𓀀"}, now=NOW)


def test_of_more_documents_than_may_wait_the_last_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setter, "AT_ONCE", threading.BoundedSemaphore(1))
    monkeypatch.setattr(setter, "ROOM", threading.BoundedSemaphore(2))
    with ThreadPoolExecutor(5) as pool:
        with setter.AT_ONCE:
            asked = [pool.submit(typeset, TEMPLATES / "paper.typ", PLAIN | {"paragraphs": []}, now=NOW) for _ in range(5)]
            refused = list(islice(as_completed(asked, timeout=30), 3))
        assert {type(one.exception()) for one in refused} == {Unavailable}
        assert [one.exception() for one in asked if one not in refused] == [None, None]


def test_the_same_data_give_the_same_bytes_and_pdf_a_3_with_its_attachment() -> None:
    attached = {"bang-chung.json": b'{"a":1}', "goi.bin": bytes(range(256))}
    one = typeset(TEMPLATES / "paper.typ", PLAIN | {"paragraphs": []}, now=NOW, attachments=attached)
    assert one == typeset(TEMPLATES / "paper.typ", PLAIN | {"paragraphs": []}, now=NOW, attachments=attached)
    with pikepdf.open(io.BytesIO(one)) as pdf:
        assert {name: holder.get_file().read_bytes() for name, holder in pdf.attachments.items()} == attached
        assert [str(one.AFRelationship) for one in pdf.Root.AF] == ["/Data"] * 2
        with pdf.open_metadata() as xmp:
            assert (xmp["pdfaid:part"], xmp["pdfaid:conformance"], xmp["pdfuaid:part"]) == ("3", "A", "1")
        assert str(pdf.Root.Lang) == "vi"


def test_data_are_never_code() -> None:
    words = '#panic("x") #read("/etc/passwd") $ \\ `'
    pdf = typeset(TEMPLATES / "paper.typ", PLAIN | {"paragraphs": [words]}, now=NOW)
    assert "".join(words.split()) in "".join(
        subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True).stdout.decode().split()
    )


@pytest.mark.parametrize(
    "source", ['#read("/etc/passwd")', '#import "@preview/cetz:0.3.0"', '#text(font: "Arial")[x]', "#let x ="]
)
def test_a_template_cannot_leave_its_folder_fetch_packages_or_other_fonts(source: str, tmp_path: Path) -> None:
    (tmp_path / "a.typ").write_text('#set document(title: "x")\n' + source)
    with pytest.raises(TypesettingFailed):
        typeset(tmp_path / "a.typ", {}, now=NOW, standards=("a-3b",))


def test_an_attachment_needs_a_plain_name() -> None:
    with pytest.raises(ValueError, match="plain file name"):
        typeset(TEMPLATES / "paper.typ", PLAIN | {"paragraphs": []}, now=NOW, attachments={"../x": b""})


def test_missing_fonts_are_named(tmp_path: Path) -> None:
    assert fonts.missing(tmp_path) == list(fonts.FILES)
