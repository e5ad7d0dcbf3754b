"""The spreadsheet of members: reading its rows, naming what is wrong with them, and the empty form."""

import io
import re
from dataclasses import dataclass
from typing import Any

import xlsxwriter

from meetings.bodies.problems import HeadingsMissing
from meetings.bodies.rules import Role
from shared.words import fold, nfc

# Column heading (folded) -> field. The order is that of the form.
COLUMNS = {
    "Ông/Bà": "honorific",
    "Họ và tên": "full_name",
    "Tên đăng nhập": "username",
    "Thư điện tử": "email",
    "Chức vụ": "post",
    "Tổ": "group",
    "Ghế": "seat",
    "Vai trò": "role",
    "Có quyền biểu quyết": "votes",
}
REQUIRED = ("full_name", "username", "role")
ROLES = {
    "chu toa": Role.CHAIR,
    "thu ky": Role.SECRETARY,
    "thanh vien": Role.MEMBER,
    "kiem phieu": Role.TELLER,
    "khach moi": Role.GUEST,
}
LONGEST = 200
USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
EMAIL = re.compile(r"[^@\s,;:<>()\[\]\"\\]{1,64}@[\w-]+(\.[\w-]+)+")
BLANK = re.compile(r"[\s\x00-\x1f\x7f]+")
Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Row:
    honorific: str
    full_name: str
    username: str
    email: str
    post: str
    group: str
    seat: str
    role: Role
    votes: bool


@dataclass(frozen=True)
class RowError:
    """`row` as the spreadsheet numbers it; `column` is the heading; `rule` a stable word."""

    row: int
    column: str
    rule: str


def read_rows(table: list[list[Any]]) -> tuple[list[Row], list[RowError]]:
    """Rows that hold, and every fault of the others. Empty rows are passed over."""
    start, places = _headings(table)
    rows: list[Row] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(table[start + 1 :], start + 2):
        raw = {field: cells[place] if place < len(cells) else None for field, place in places.items()}
        if not any(_text(value) for value in raw.values()):
            continue
        faults = _faults(raw)
        username = _text(raw.get("username"))
        if username in seen:
            faults["username"] = "duplicate"
        seen.setdefault(username, number)
        if faults:
            headings = {field: heading for heading, field in COLUMNS.items()}
            errors += [RowError(number, headings[field], rule) for field, rule in faults.items()]
        else:
            rows.append(_row(raw))
    return rows, errors


def _headings(table: list[list[Any]]) -> tuple[int, dict[str, int]]:
    wanted = {fold(heading): field for heading, field in COLUMNS.items()}
    for number, cells in enumerate(table[:20]):
        places = {wanted[fold(_text(cell))]: place for place, cell in enumerate(cells) if fold(_text(cell)) in wanted}
        if all(field in places for field in REQUIRED):
            return number, places
    raise HeadingsMissing(columns=", ".join(COLUMNS))


def _text(value: Cell) -> str:
    """A cell as one line of text; a whole number in a text column arrives as a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else nfc(BLANK.sub(" ", str(value)))


def _faults(raw: dict[str, Any]) -> dict[str, str]:
    text = {field: _text(value) for field, value in raw.items()}
    faults = {field: "too-long" for field, value in text.items() if len(value) > LONGEST}
    faults |= {field: "missing" for field in REQUIRED if not text.get(field)}
    if text.get("full_name") and not re.search(r"[^\W\d_]", text["full_name"]):
        faults["full_name"] = "not-a-name"
    if text.get("username") and not USERNAME.fullmatch(text["username"]):
        faults["username"] = "not-a-username"
    if text.get("email") and not EMAIL.fullmatch(text["email"]):
        faults["email"] = "not-an-address"
    if text.get("role") and fold(text["role"]) not in ROLES:
        faults["role"] = "unknown"
    return faults


def _row(raw: dict[str, Any]) -> Row:
    text = {field: _text(raw.get(field)) for field in COLUMNS.values()}
    votes = fold(text.pop("votes")) in ("x", "co", "1", "true", "yes")
    return Row(role=ROLES[fold(text.pop("role"))], votes=votes, **text)


def empty_form() -> bytes:
    """An .xlsx with the headings and nothing else, for the secretary to fill."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("Thành viên")
        sheet.write_row(0, 0, list(COLUMNS), book.add_format({"bold": True, "bottom": 1}))
        sheet.set_column(0, len(COLUMNS) - 1, 22)
    return buffer.getvalue()
