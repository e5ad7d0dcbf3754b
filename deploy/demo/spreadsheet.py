"""The council's list of members as a spreadsheet: one to import, one with mistakes to be told about."""

from pathlib import Path

import xlsxwriter

from deploy.demo.province import COUNCIL, Role, members

COLUMNS = (
    ("STT", 5),
    ("Ông/Bà", 8),
    ("Họ và tên", 26),
    ("Tên đăng nhập", 15),
    ("Thư điện tử", 28),
    ("Chức vụ", 48),
    ("Tổ", 7),
    ("Ghế", 6),
    ("Vai trò", 12),
    ("Có quyền biểu quyết", 20),
)
ROLES: dict[Role, str] = {"chair": "chủ tọa", "secretary": "thư ký", "member": "thành viên", "teller": "kiểm phiếu"}

Row = list[str | int | float]


def member_rows() -> list[Row]:
    """The council's 60 members and 3 tellers, one row each, in the order of COLUMNS."""
    return [
        [
            number,
            person.honorific,
            person.name,
            person.username,
            person.email,
            person.post,
            membership.group,
            membership.seat,
            ROLES[membership.role],
            "x" if membership.votes else "",
        ]
        for number, (person, membership) in enumerate(members(COUNCIL), 1)
    ]


def write_members(path: Path) -> None:
    """The list that the import takes without a question."""
    _write(path, member_rows())


def write_flawed_members(path: Path) -> dict[int, str]:
    """The same list with five mistakes; returns the sheet's row (the head is row 1) and what is wrong there."""
    rows = member_rows()
    rows[4][3] = rows[3][3]
    rows[9][2] = ""
    rows[14][4] = "anhptn tại binhlam"
    rows[19][8] = "quan sát"
    rows[24][2] = 912345154.0  # a telephone number, which a spreadsheet keeps as a number
    _write(path, rows)
    return {6: "duplicate user name", 11: "missing name", 16: "bad email", 21: "unknown role", 26: "number instead of text"}


def _write(path: Path, rows: list[Row]) -> None:
    # Cells are written by type: a name that begins with `=` stays text.
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"title": "Danh sách đại biểu HĐND tỉnh Bình Lâm khóa XI"})
        sheet = book.add_worksheet("Đại biểu")
        font = {"font_name": "Times New Roman", "font_size": 12, "valign": "vcenter", "border": 1}
        head = book.add_format({**font, "bold": True, "text_wrap": True, "align": "center", "bg_color": "#DFECE8"})
        body, centred = book.add_format(font), book.add_format({**font, "align": "center"})
        for column, (name, width) in enumerate(COLUMNS):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, head)
        for place, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                sheet.write(place, column, value, centred if column in (0, 6, 7, 9) else body)
        sheet.freeze_panes(1, 3)
        sheet.autofilter(0, 0, len(rows), len(COLUMNS) - 1)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
