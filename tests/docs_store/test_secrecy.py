"""Marks of state secrecy are seen; words that only sound like them are not."""

import unicodedata
from typing import Any

import pytest

from docs_store.pdf import intake
from docs_store.problems import StateSecret
from docs_store.secrecy import Segment, mark_in_text, mark_in_words, mark_on_page
from tests.docs_store.papers import one_page, paper


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("MẬT", "MẬT"),
        ("TỐI MẬT", "TỐI MẬT"),
        ("TUYỆT MẬT", "TUYỆT MẬT"),
        (unicodedata.normalize("NFD", "TUYỆT MẬT"), "TUYỆT MẬT"),
        ("T U Y Ệ T  M Ậ T", "TUYỆT MẬT"),
        ("M Ậ T", "MẬT"),
        ("[ MẬT ]", "MẬT"),
        ("— TỐI MẬT —", "TỐI MẬT"),
        ("TUYET MAT", "TUYỆT MẬT"),
        ("Độ mật: Tối mật", "TỐI MẬT"),
        ("Mức độ mật: MẬT", "MẬT"),
        ("MËT", "MẬT"),
        ("TUYEÄT MAÄT", "TUYỆT MẬT"),
        ("BÍ MẬT", None),
        ("BẢO MẬT", None),
        ("bảo mật", None),
        ("Mật", None),
        ("MẬT KHẨU", None),
        ("MẬT ĐỘ DÂN SỐ", None),
        ("DANH MỤC BÍ MẬT NHÀ NƯỚC ĐỘ MẬT", None),
        ("MẶT", None),
        ("MẮT", None),
        ("MAT", None),
        ("tuyệt mật", None),
        ("Độ mật: không", None),
        ("", None),
    ],
)
def test_a_line_is_a_mark_only_as_a_whole_and_in_capitals(text: str, mark: str | None) -> None:
    assert mark_in_text(text) == mark


@pytest.mark.parametrize(
    ("field", "mark"),
    [
        ("BC 12 (MẬT).pdf", "MẬT"),
        ("ke-hoach_TUYET MAT.pdf", "TUYỆT MẬT"),
        ("Báo cáo; Tối mật", "TỐI MẬT"),
        ("mật", "MẬT"),
        ("Mật.pdf", "MẬT"),
        ("Luật Bảo vệ bí mật nhà nước.pdf", None),
        ("Quy chế bảo mật, an toàn thông tin", None),
        ("Mật ong rừng U Minh.pdf", None),
        ("format.mat.pdf", None),
    ],
)
def test_names_and_titles_are_read_piece_by_piece(field: str, mark: str | None) -> None:
    assert mark_in_words([field]) == mark


def test_the_second_half_of_a_broken_word_is_no_mark() -> None:
    above = Segment("QUY CHẾ BẢO", 100, 100, 200)
    below = Segment("MẬT", 100, 114, 130)
    assert mark_on_page([above, below], 842) is None
    assert mark_on_page([Segment("QUY CHẾ BẢO", 300, 100, 400), below], 842) == "MẬT"
    assert mark_on_page([Segment("MẬT", 100, 600, 130)], 842) is None
    assert mark_on_page([Segment("BẢO VỆ BÍ", 20, 114, 70), below], 842) is None


@pytest.mark.parametrize("words", [("UBND TỈNH BÌNH LÂM", "TUYỆT MẬT"), ("Số: 12/BC-UBND", "M Ậ T")])
def test_a_marked_paper_is_refused_with_the_place(words: tuple[str, ...]) -> None:
    with pytest.raises(StateSecret) as refused:
        intake(paper(*words), "bao-cao.pdf")
    assert refused.value.facts["place"] == "page"
    assert refused.value.facts["page"] == 1


def test_a_mark_beside_other_words_on_the_same_line_is_seen() -> None:
    content = b"BT /F1 13 Tf 72 780 Td (UBND TINH) Tj 330 0 Td (TUYET MAT) Tj ET"
    with pytest.raises(StateSecret):
        intake(one_page(content), "a.pdf")
    assert intake(one_page(content.replace(b"330 0", b"78 0")), "a.pdf").pages == 1


def test_an_ordinary_paper_about_secrecy_is_accepted() -> None:
    about = paper("QUY CHẾ BẢO VỆ BÍ MẬT NHÀ NƯỚC", "Tài liệu mật, tối mật, tuyệt mật được quản lý theo Luật.", title="Bảo mật")
    assert intake(about, "quy-che-bao-mat.pdf").pages == 1


@pytest.mark.parametrize(
    ("title", "name", "place"), [("Kế hoạch (MẬT)", "a.pdf", "metadata"), ("Kế hoạch", "Ke hoach - tối mật.pdf", "name")]
)
def test_metadata_and_file_names_count(title: str, name: str, place: str) -> None:
    with pytest.raises(StateSecret) as refused:
        intake(paper(title=title), name)
    facts: dict[str, Any] = refused.value.facts
    assert facts["place"] == place
