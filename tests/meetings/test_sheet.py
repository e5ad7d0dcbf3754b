"""The spreadsheet of members: every row that holds, every fault by its row and column."""

import io

import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as st

from meetings.bodies.problems import HeadingsMissing
from meetings.bodies.rules import Role
from meetings.bodies.sheet import COLUMNS, Row, RowError, empty_form, read_rows

HEADINGS = list(COLUMNS)
GOOD = ["Ông", "Nguyễn Văn An", "annv", "annv@binhlam.example", "Giám đốc Sở", "Tổ 1", "A12", "Thành viên", "x", ""]


def table(*rows: dict[str, object] | list[object]) -> list[list[object]]:
    """A row may be given by what differs from a good one."""
    named = dict(zip(HEADINGS, GOOD, strict=True))
    return [HEADINGS, *(list((named | row).values()) if isinstance(row, dict) else row for row in rows)]


def test_a_good_row_is_read_whole():
    rows, errors = read_rows(table({}))
    assert errors == []
    assert rows == [
        Row(
            "Ông",
            "Nguyễn Văn An",
            "annv",
            "annv@binhlam.example",
            "Giám đốc Sở",
            "Tổ 1",
            "A12",
            Role.MEMBER,
            votes=True,
            bridge="",
        )
    ]


@pytest.mark.parametrize(
    ("change", "column", "rule"),
    [
        ({"Họ và tên": None}, "Họ và tên", "missing"),
        ({"Họ và tên": "   "}, "Họ và tên", "missing"),
        ({"Họ và tên": "12345"}, "Họ và tên", "not-a-name"),
        ({"Họ và tên": "x" * 201}, "Họ và tên", "too-long"),
        ({"Tên đăng nhập": None}, "Tên đăng nhập", "missing"),
        ({"Tên đăng nhập": "Nguyễn An"}, "Tên đăng nhập", "not-a-username"),
        ({"Tên đăng nhập": "ANNV"}, "Tên đăng nhập", "not-a-username"),
        ({"Tên đăng nhập": "a"}, "Tên đăng nhập", "not-a-username"),
        ({"Tên đăng nhập": "-annv"}, "Tên đăng nhập", "not-a-username"),
        ({"Tên đăng nhập": "x" * 65}, "Tên đăng nhập", "not-a-username"),
        ({"Tên đăng nhập": "=cmd|' /C calc'!A0"}, "Tên đăng nhập", "not-a-username"),
        ({"Thư điện tử": "annv"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "a b@c.vn"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "a@b"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "a@b.vn, c@d.vn"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "a@b.vn,c"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "<a@b.vn>"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "a@b..vn"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "thúy@b.vn"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": "a@bìnhlâm.vn"}, "Thư điện tử", "not-an-address"),
        ({"Thư điện tử": '"a"@b.vn'}, "Thư điện tử", "not-an-address"),
        ({"Vai trò": "Vua"}, "Vai trò", "unknown"),
        ({"Vai trò": None}, "Vai trò", "missing"),
    ],
)
def test_a_fault_is_named_by_row_and_column(change, column, rule):
    rows, errors = read_rows(table({}, {"Tên đăng nhập": "other"} | change))
    assert [row.username for row in rows] == ["annv"]
    assert errors == [RowError(3, column, rule)]


def test_a_cell_of_several_lines_becomes_one():
    [row] = read_rows(table({"Họ và tên": "Nguyễn\nBcc: a@b.vn", "Chức vụ": "Giám đốc\r\n\tSở\x00 Tài chính"}))[0]
    assert (row.full_name, row.post) == ("Nguyễn Bcc: a@b.vn", "Giám đốc Sở Tài chính")


def test_a_user_name_stands_once():
    rows, errors = read_rows(table({}, {"Họ và tên": "Trần Thị Bình"}, {"Tên đăng nhập": "other"}))
    assert [row.username for row in rows] == ["annv", "other"]
    assert errors == [RowError(3, "Tên đăng nhập", "duplicate")]


def test_several_faults_of_a_row_are_all_told():
    errors = read_rows(table({"Họ và tên": "7", "Tên đăng nhập": "?", "Thư điện tử": "?", "Vai trò": "?"}))[1]
    assert {error.rule for error in errors} == {"not-a-name", "not-a-username", "not-an-address", "unknown"}
    assert {error.row for error in errors} == {2}


@pytest.mark.parametrize("cell", ["x", "X", "có", "Co\u0301", "yes", 1, 1.0, True])
@pytest.mark.parametrize("other", [None, "không", 0, "", False, "?"])
def test_a_vote_is_marked_in_many_ways_and_everything_else_is_none(cell, other):
    with_vote, without = read_rows(table({"Có quyền biểu quyết": cell}, {"Tên đăng nhập": "b1", "Có quyền biểu quyết": other}))[
        0
    ]
    assert (with_vote.votes, without.votes) == (True, False)


@pytest.mark.parametrize(
    ("cell", "role"),
    [("CHỦ TỌA", Role.CHAIR), ("thu ky", Role.SECRETARY), ("Kiểm phiếu", Role.TELLER), ("Khách mời", Role.GUEST)],
)
def test_a_role_is_read_with_and_without_marks(cell, role):
    [row] = read_rows(table({"Vai trò": cell}))[0]
    assert row.role is role


def test_numbers_in_text_columns_lose_their_point_and_empty_rows_are_passed_over():
    rows, errors = read_rows(table([], {"Ghế": 12.0, "Tổ": 3}, [None] * 9, {"Tên đăng nhập": "b1", "Ghế": 7}))
    assert [(row.seat, row.group) for row in rows] == [("12", "3"), ("7", "Tổ 1")]
    assert errors == []


def test_headings_may_stand_below_a_title_in_any_order_and_with_others():
    headings = ["STT", "vai tro", "TÊN ĐĂNG NHẬP", "Họ và tên"]
    people = [[1, "Thư ký", "annv", "Nguyễn Văn An"], [2, "Thư ký", "?", "B"]]
    rows, errors = read_rows([["DANH SÁCH ĐẠI BIỂU"], [], headings, *people])
    assert [(row.full_name, row.role) for row in rows] == [("Nguyễn Văn An", Role.SECRETARY)]
    assert errors == [RowError(5, "Tên đăng nhập", "not-a-username")]


@pytest.mark.parametrize("rows", [[], [[]], [["a", "b"]], [["Họ và tên", "Vai trò"]], [[None]] * 25 + [HEADINGS]])
def test_a_table_without_its_headings_is_refused(rows):
    with pytest.raises(HeadingsMissing) as refusal:
        read_rows(rows)
    assert "Tên đăng nhập" in refusal.value.facts["columns"]


def test_the_empty_form_has_the_headings_and_reads_back():
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(empty_form())).get_sheet_by_index(0)
    assert sheet.to_python() == [HEADINGS]
    assert read_rows(sheet.to_python()) == ([], [])


CELLS = st.none() | st.text(max_size=12) | st.integers() | st.floats() | st.booleans()


@given(st.lists(st.lists(CELLS, max_size=12), max_size=12))
def test_whatever_stands_in_the_cells_each_row_is_either_read_or_told(cells):
    rows, errors = read_rows([HEADINGS, *cells])
    told = {error.row for error in errors}
    assert len(rows) + len(told) <= len(cells)
    assert all(2 <= number <= len(cells) + 1 for number in told)
