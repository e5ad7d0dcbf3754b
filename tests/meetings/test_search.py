"""Finding words in a paper, with and without tone marks."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.papers.rules import AROUND, MOST, search
from shared.words import fold, nfc

PAGES = ["Căn cứ Luật Tổ chức chính quyền địa phương;\nxét   đề nghị của Ủy ban", "Dự toán ngân sách. DỰ TOÁN thu.", ""]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("du toan", [(2, "Dự toán"), (2, "DỰ TOÁN")]),
        ("DU TOAN", [(2, "Dự toán"), (2, "DỰ TOÁN")]),
        ("dự toán", [(2, "Dự toán"), (2, "DỰ TOÁN")]),
        ("dụ toán", []),
        ("dư toan", []),
        (unicodedata.normalize("NFD", "dự toán"), [(2, "Dự toán"), (2, "DỰ TOÁN")]),
        ("dia phuong; xet de nghi", [(1, "địa phương; xét đề nghị")]),
        ("Đề", [(1, "đề")]),
        ("de", [(1, "đề")]),
        ("uy ban", [(1, "Ủy ban")]),
        ("ủy ban", [(1, "Ủy ban")]),
        (".*", []),
        ("%", []),
        ("   ", []),
        ("\u0301", []),
    ],
)
def test_marks_count_only_if_the_query_has_some(query, found):
    assert [(hit.page, hit.match) for hit in search(PAGES, query)] == found


def test_a_hit_is_shown_with_what_stands_around_it():
    [hit] = search(["a" * 100 + " dự toán " + "b" * 100], "dự toán")
    assert (len(hit.before), hit.match, len(hit.after)) == (AROUND, "dự toán", AROUND)
    assert hit.before.endswith("a ")
    assert hit.after.startswith(" b")


def test_there_is_an_end_to_the_hits():
    assert len(search(["a " * 1000] * 3, "a")) == MOST


TEXT = st.text(st.sampled_from("aăâbcdđeêghiklmnoôơuưàảãáạĐƯ ,."), max_size=60)


@given(TEXT, TEXT.filter(str.strip))
def test_every_place_is_found_and_nothing_else(text, query):
    hits = search([text], query)
    whole, wanted = nfc(" ".join(text.split())), nfc(query)
    exact = fold(wanted) != wanted.casefold()
    assert all(
        (hit.match.casefold() if exact else fold(hit.match)) == (wanted.casefold() if exact else fold(wanted)) for hit in hits
    )
    assert all(hit.before + hit.match + hit.after in whole for hit in hits)
    haystack = whole.casefold() if exact else fold(whole)
    assert len(hits) == haystack.count(wanted.casefold() if exact else fold(wanted))


@given(st.lists(st.text(max_size=30), max_size=3), st.text(max_size=10))
def test_no_text_breaks_the_search(pages, query):
    assert all(1 <= hit.page <= len(pages) and hit.match for hit in search(pages, query))
