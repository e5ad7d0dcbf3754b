"""Vietnamese as people search and sort it, and the choice of a language."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.words import choose_language, fold, name_key, nfc, say, sort_key

LETTERS = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệghiìỉĩíịklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvxyỳỷỹýỵ"
WORDS = st.text(LETTERS + LETTERS.upper(), min_size=1, max_size=8)
TEXTS = st.lists(WORDS, max_size=4).map(" ".join)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Điều hành ngân sách", "dieu hanh ngan sach"),
        ("ĐẶNG Thị Ngọc Thịnh", "dang thi ngoc thinh"),
        ("ưỡn ngực, dựa lưng", "uon nguc, dua lung"),
        ("Nghị quyết số 12/NQ-HĐND", "nghi quyet so 12/nq-hdnd"),
        ("Thuỷ = Thủy", "thuy = thuy"),
        ("", ""),
    ],
)
def test_a_search_minds_neither_marks_nor_capitals(text, folded):
    assert fold(text) == folded
    assert fold(unicodedata.normalize("NFD", text)) == folded


@given(TEXTS)
def test_folding_leaves_plain_letters_alone_and_needs_no_second_time(text):
    folded = fold(text)
    assert folded.isascii()
    assert fold(folded) == folded
    assert len(folded) == len(nfc(text)) or text != text.strip()


@given(st.text(max_size=60))
def test_no_text_breaks_folding_or_sorting(text):
    assert isinstance(fold(text), str)
    assert sorted([text, "an", ""], key=sort_key)
    assert sorted([text, "an", ""], key=name_key)


@pytest.mark.parametrize(
    "in_order",
    [
        ["a", "à", "ả", "ã", "á", "ạ", "ă", "â"],
        ["ma", "mà", "mả", "mã", "má", "mạ", "mai", "mài", "mải"],
        ["an", "ăn", "ân", "ban", "dan", "đan", "em", "ên"],
        ["on", "ôn", "ơn", "un", "ưn"],
        ["Hà", "Hải", "Hạnh", "Hảo", "Hoa", "Hòa", "Hóa"],
        ["Bình Lâm", "Bình Lân", "Bình Sơn", "Bỉnh An"],
        ["tổ", "tổ 2", "tổ đại biểu"],
    ],
)
def test_words_stand_in_the_order_of_the_dictionary(in_order):
    for start in range(len(in_order)):
        assert sorted(in_order[start:] + in_order[:start], key=sort_key) == in_order


@given(TEXTS, TEXTS)
def test_two_texts_share_a_place_only_if_they_are_the_same_words(left, right):
    same_words = nfc(left).casefold().split() == nfc(right).casefold().split()
    assert (sort_key(left) == sort_key(right)) is same_words


@given(TEXTS)
def test_the_place_does_not_depend_on_how_signs_are_composed(text):
    apart = unicodedata.normalize("NFD", text)
    assert (sort_key(apart), name_key(apart), nfc(apart)) == (sort_key(text), name_key(text), nfc(text))


def test_people_stand_by_given_name_then_middle_then_family_name():
    in_order = [
        "Trần Văn An",
        "Lê Thị Ân",
        "Nguyễn Thị Bình",
        "Lê Văn Bình",
        "Nguyễn Văn Bình",
        "Đỗ Văn Dũng",
        "Bùi Văn Đạt",
        "Y Thịnh",
    ]
    assert sorted(in_order[4:] + in_order[:4], key=name_key) == in_order


@pytest.mark.parametrize(
    ("accept", "explicit", "language"),
    [
        ("", None, "vi"),
        ("en-US,en;q=0.9", None, "en"),
        ("fr-FR,fr;q=0.9,en;q=0.5", None, "en"),
        ("fr,de", None, "vi"),
        ("VI", None, "vi"),
        ("en", "vi", "vi"),
        ("vi", "EN", "en"),
        ("en", "klingon", "en"),
        (",;q=,", "", "vi"),
    ],
)
def test_the_language_is_the_first_known_wish(accept, explicit, language):
    assert choose_language(accept, explicit) == language


def test_words_are_filled_and_missing_ones_are_shown_as_their_key():
    assert say("en", ("shared",), "problem.too-large", limit="1 MB") == "Too large: 1 MB at most."
    assert say("vi", ("shared",), "problem.too-large", limit="1 MB") == "Dữ liệu quá lớn: nhiều nhất 1 MB."
    assert say("vi", ("shared",), "problem.too-large") == "Dữ liệu quá lớn: nhiều nhất {limit}."
    assert say("vi", ("shared",), "no.such.key", limit=1) == "no.such.key"


def test_a_fact_may_have_any_name():
    assert say("en", ("shared",), "problem.too-large", limit="{key}", key="k", language="l", packages="p") == (
        "Too large: {key} at most."
    )


@pytest.mark.parametrize("key", ["verify.sum.{limit:>9}", "verify.choice.}", "{0}", "{limit.real}"])
def test_a_key_without_words_is_no_pattern(key):
    assert say("en", ("shared",), key, limit=7) == key
