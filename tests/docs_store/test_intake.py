"""What comes in: honest papers pass, hostile ones are refused or made harmless, within time and memory."""

import hashlib
import io
import time

import pikepdf
import pytest

from docs_store.pdf import intake
from docs_store.problems import (
    BrokenPdf,
    EncryptedPdf,
    HostilePdf,
    NotAPdf,
    PdfTooLarge,
    StateSecret,
    TooManyPages,
)
from tests.docs_store.papers import one_page, paper, raw_pdf, stream

JS = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"


def codes(data: bytes) -> set[str]:
    return {warning["code"] for warning in intake(data, "a.pdf").warnings}


def test_an_honest_paper_comes_back_linearised_with_its_text_and_sizes() -> None:
    got = intake(paper(pages=3), "to-trinh.pdf")
    assert got.pages == 3
    assert got.sizes == ((595.28, 841.89),) * 3
    assert got.sha256 == hashlib.sha256(got.data).hexdigest()
    assert "Căn cứ Luật Tổ chức chính quyền địa phương" in got.text[2]
    assert got.warnings == ()
    with pikepdf.open(io.BytesIO(got.data)) as pdf:
        assert pdf.is_linearized
    assert intake(paper(pages=3), "to-trinh.pdf").sha256 == got.sha256


def test_a_rotated_page_is_measured_as_it_is_seen() -> None:
    assert intake(one_page(page=b"/Rotate 90"), "a.pdf").sizes == ((842.0, 595.0),)


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", NotAPdf),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NotAPdf),
        (b"junk" * 1200 + paper(), NotAPdf),
        (b"%PDF-1.7\n" + b"x" * 3000, BrokenPdf),
        (paper()[:2000], BrokenPdf),
        (raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"]), BrokenPdf),
        (raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"]), BrokenPdf),
        (one_page(media_box=b"[0 0 2000000 842]"), HostilePdf),
        (one_page(media_box=b"[0 0 0 842]"), HostilePdf),
        (one_page(b"BT ET", b"<< /Type /Font /Subtype /Type1 /FontMatrix [1 2 3 4 5 (0\\); alert\\('x')] >>"), HostilePdf),
    ],
    ids=["empty", "svg", "junk-first", "garbage", "truncated", "no-pages", "page-loop", "huge", "flat", "font-matrix"],
)
def test_what_is_no_sound_pdf_is_refused(data: bytes, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        intake(data, "a.pdf")


def test_a_file_over_the_size_cap_is_refused_before_it_is_read() -> None:
    with pytest.raises(PdfTooLarge) as refused:
        intake(b"%PDF-" + bytes(2 << 20), "a.pdf", max_size=1 << 20)
    assert refused.value.facts == {"limit": "1 MB"}


@pytest.mark.parametrize("password", ["", "mat-khau"])
def test_an_encrypted_file_is_refused_even_without_a_password_to_open_it(password: str) -> None:
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(paper())) as pdf:
        pdf.save(buffer, encryption=pikepdf.Encryption(owner="chu", user=password))
    with pytest.raises(EncryptedPdf):
        intake(buffer.getvalue(), "a.pdf")


def test_too_many_pages_are_refused() -> None:
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 2004))
    pages = [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"] * 2001
    tree = b"<< /Type /Pages /Kids [%s] /Count 2001 >>" % kids
    with pytest.raises(TooManyPages) as refused:
        intake(raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", tree, *pages]), "a.pdf")
    assert refused.value.facts == {"pages": 2001, "limit": 2000}


def test_a_missing_cross_reference_is_repaired_and_told() -> None:
    assert "repaired" in codes(one_page(startxref=False))


ACTIVE = {
    "open-action": one_page(catalog=b"/OpenAction " + JS),
    "chained": one_page(catalog=b"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [" + JS + b"] >>"),
    "names-tree": one_page(b"BT ET", JS, catalog=b"/Names << /JavaScript << /Names [(a) 6 0 R] >> >>"),
    "page-aa": one_page(page=b"/AA << /O " + JS + b" >>"),
    "launch": one_page(
        page=b"/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /Launch /F (c:\\\\a.exe) >> >>]"
    ),
    "unc": one_page(
        page=b"/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /GoToR /F (\\\\\\\\evil\\\\x) /D [0 /Fit] >> >>]"
    ),
    "js-uri": one_page(page=b"/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (javascript:alert\\(1\\)) >> >>]"),
    "submit": one_page(catalog=b"/AcroForm << /Fields [<< /FT /Btn /T (b) /A << /S /SubmitForm /F (http://x) >> >>] >>"),
    "xfa": one_page(catalog=b"/AcroForm << /Fields [] /XFA (<xdp/>) >>"),
    "rich-media": one_page(page=b"/Annots [<< /Subtype /RichMedia /Rect [0 0 9 9] >>]"),
    "remote-stream": one_page(b"BT ET", b"<< /Length 0 /F (http://evil/x) >> stream\n\nendstream", catalog=b"/Keep 6 0 R"),
}


@pytest.mark.parametrize("kind", ACTIVE)
def test_active_content_is_cut_out_and_told(kind: str) -> None:
    got = intake(ACTIVE[kind], "a.pdf")
    assert "active-content-removed" in {warning["code"] for warning in got.warnings}
    with pikepdf.open(io.BytesIO(got.data)) as pdf:
        left = b" ".join(thing.unparse(resolved=False) for thing in pdf.objects if not isinstance(thing, pikepdf.Stream))
    for sign in (b"JavaScript", b"alert", b"Launch", b"evil", b"SubmitForm", b"XFA", b"RichMedia", b"/AA"):
        assert sign not in left
    assert codes(got.data).isdisjoint({"active-content-removed"})


def test_a_link_to_the_web_and_a_jump_within_the_paper_stay() -> None:
    link = b"<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://binhlam.gov.vn) >> >>"
    got = intake(one_page(page=b"/Annots [" + link + b"]", catalog=b"/OpenAction [3 0 R /Fit]"), "a.pdf")
    assert not {"active-content-removed"} & {warning["code"] for warning in got.warnings}
    with pikepdf.open(io.BytesIO(got.data)) as pdf:
        assert str(pdf.pages[0].Annots[0].A.URI) == "https://binhlam.gov.vn"
        assert "/OpenAction" in pdf.Root


def test_a_file_within_the_file_is_cut_out_and_told() -> None:
    spec = b"<< /Type /Filespec /F (a.exe) /EF << /F 7 0 R >> >>"
    data = one_page(
        b"BT ET", spec, stream(b"MZ"), catalog=b"/Names << /EmbeddedFiles << /Names [(a.exe) 6 0 R] >> >> /AF [6 0 R]"
    )
    got = intake(data, "a.pdf")
    assert "attachments-removed" in {warning["code"] for warning in got.warnings}
    with pikepdf.open(io.BytesIO(got.data)) as pdf:
        assert len(pdf.attachments) == 0


NESTED = b"".join(b"%s%d Do " % (b"/X", i) for i in range(10))
LAUGHS = [
    stream(
        NESTED,
        b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << %s >> >>"
        % b" ".join(b"/X%d %d 0 R" % (i, level + 7) for i in range(10)),
    )
    for level in range(9)
]
BOMBS = {
    "flate-bomb": one_page(bytes(100 << 20)),
    "double-flate": one_page(bytes(100 << 20), pack=2),
    "many-operators": one_page(b"BT /F1 1 Tf " + b"(a) Tj " * 1_000_000 + b"ET"),
    "form-loop": one_page(
        b"/X0 Do",
        stream(b"/X0 Do", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X0 6 0 R >> >>"),
        resources=b"/XObject << /X0 6 0 R >>",
    ),
    "billion-laughs": one_page(
        b"/X0 Do",
        *LAUGHS,
        stream(b"0 0 9 9 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]"),
        resources=b"/XObject << /X0 6 0 R >>",
    ),
    "deep-arrays": one_page(b"BT ET", b"[" * 200_000 + b"]" * 200_000, catalog=b"/Deep 6 0 R"),
    "many-objects": raw_pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] >>", *[b"[]"] * 200_000]),
    "prev-loop": one_page(trailer=b"/Prev 9"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_or_survived_in_time(kind: str) -> None:
    started = time.monotonic()
    assert _outcome(BOMBS[kind]) in {"accepted", "hostile-pdf", "broken-pdf"}
    assert time.monotonic() - started < 20


def _outcome(data: bytes) -> str:
    try:
        intake(data, "a.pdf")
    except (HostilePdf, BrokenPdf) as refused:
        return refused.code
    return "accepted"


def test_a_page_without_text_is_told() -> None:
    assert "no-text" in codes(one_page(b"0 0 9 9 re f"))


@pytest.mark.parametrize("font", [b".VnTime", b"ABCDEF+.VnTimeH", b"VNI-Times"])
def test_old_vietnamese_fonts_and_missing_ones_are_told(font: bytes) -> None:
    assert {"old-fonts", "fonts-not-embedded"} <= codes(one_page().replace(b"/Helvetica", b"/" + font))


@pytest.mark.parametrize("declared", ["mật", "Tối mật"])
def test_a_declared_classification_is_refused_whatever_the_file(declared: str) -> None:
    with pytest.raises(StateSecret) as refused:
        intake(paper(), "a.pdf", declared)
    assert refused.value.facts["place"] == "declared"
