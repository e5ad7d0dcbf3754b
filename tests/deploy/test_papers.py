"""The sample papers as PDF: what can be read in them, what they are set in, and what stays when asked again."""

from datetime import UTC, datetime

import pikepdf
import pypdfium2
import pytest

from deploy.demo.meeting import sample_meeting
from deploy.demo.papers import PaperFile, make_papers

DAY = datetime(2026, 12, 9, 1, 0, tzinfo=UTC)
PAGES = {
    "Chuong trinh 29-CTr-HDND": 2,
    "To trinh 412-TTr-UBND": 3,
    "Bao cao 87-BC-KTNS": 3,
    "Du thao Nghi quyet ngan sach": 3,
    "Du thao Nghi quyet ngan sach (ban 2)": 3,
    "Phu luc III": 60,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("papers")


@pytest.fixture(scope="module")
def papers(folder) -> dict[str, PaperFile]:
    return {paper.path.stem: paper for paper in make_papers(folder, DAY)}


def read(paper: PaperFile) -> list[str]:
    """The text of each page, its lines joined."""
    with pypdfium2.PdfDocument(paper.path) as pdf:
        texts = []
        for page in pdf:
            text = page.get_textpage()
            texts.append(" ".join(text.get_text_range().split()))
            text.close()
            page.close()
        return texts


def test_every_item_of_the_agenda_has_a_paper(papers):
    assert {paper.item_key for paper in papers.values()} == {item.key for item in sample_meeting(DAY).items}


@pytest.mark.parametrize("name", PAGES)
def test_papers_have_their_number_of_pages(papers, name):
    assert len(read(papers[name])) == PAGES[name]


def test_every_paper_bears_the_national_title_and_a_signer(papers):
    for paper in papers.values():
        if paper.kind != "annex":
            text = " ".join(read(paper))
            assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM Độc lập - Tự do - Hạnh phúc" in text, paper.path
            assert "Nơi nhận:" in text
            assert "./." in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("To trinh 412-TTr-UBND", "Số: 412/TTr-UBND Bình Lâm, ngày 20 tháng 11 năm 2026"),
        ("To trinh 412-TTr-UBND", "TM. ỦY BAN NHÂN DÂN CHỦ TỊCH"),
        ("Bao cao 87-BC-KTNS", "ngày 02 tháng 12 năm 2026"),
        ("Du thao Nghi quyet ngan sach", "Tổng thu ngân sách nhà nước trên địa bàn: 31.600 tỷ đồng"),
        ("Du thao Nghi quyet ngan sach (ban 2)", "Tổng thu ngân sách nhà nước trên địa bàn: 31.850 tỷ đồng"),
        ("Chuong trinh 29-CTr-HDND", "ít nhất 31/60 đại biểu"),
        ("Bao cao 1286-BC-SXD", "đại biểu K'Brếp (Tổ 7), đại biểu Ka Thị Nhiễu (Tổ 9)"),
        ("To trinh 418-TTr-UBND", "Bà Tạ Thị Hồng Nhung"),
    ],
)
def test_words_can_be_found_in_the_text(papers, name, words):
    # A line break may stand where the eye sees one; the words are the same.
    assert words.replace(" ", "") in "".join(read(papers[name])).replace(" ", "").replace("\u00a0", "")


def test_the_sum_of_the_annex_is_the_one_in_the_resolution(papers):
    annex = read(papers["Phu luc III"])
    total = annex[0].split("Tổng số")[2].split()[0]
    tens = f"{int(total.replace('.', '')) / 1000:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".").rstrip("0")
    assert f"năm 2027: {tens} tỷ đồng" in " ".join(read(papers["Du thao Nghi quyet ngan sach (ban 2)"]))
    assert total in annex[-7]  # the table of works ends with the same sum


def test_papers_are_set_in_tinos_alone_tagged_and_in_vietnamese(papers):
    for paper in papers.values():
        with pikepdf.open(paper.path) as pdf:
            fonts = {str(one.get("/BaseFont")) for one in pdf.objects if _is_font(one)}
            assert fonts
            assert all("Tinos" in name for name in fonts), fonts
            assert pdf.Root.MarkInfo.Marked
            assert str(pdf.Root.Lang).startswith("vi")
            assert pdf.Root.get("/Outlines") is not None
            assert str(pdf.docinfo.Title)


def _is_font(one: pikepdf.Object) -> bool:
    return isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/Font"


def test_a_second_version_follows_the_first_and_has_its_title(folder, papers):
    found = make_papers(folder, DAY)
    second = next(paper for paper in found if paper.version == 2)
    first = found[found.index(second) - 1]
    assert (first.item_key, first.title, first.version) == (second.item_key, second.title, 1)


def test_papers_are_set_once_and_the_same_bytes_come_again(folder, papers, tmp_path):
    before = {paper.path: paper.path.stat().st_mtime_ns for paper in papers.values()}
    assert {paper.path: paper.path.stat().st_mtime_ns for paper in make_papers(folder, DAY)} == before
    agenda = papers["Chuong trinh 29-CTr-HDND"].path
    again = next(paper for paper in make_papers(tmp_path, DAY) if paper.kind == "agenda")
    assert again.path.read_bytes() == agenda.read_bytes()
