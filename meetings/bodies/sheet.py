"""The spreadsheet of members: reading its rows, naming what is wrong with them, and the empty form."""

import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
    "Điểm cầu": "bridge",
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
EMAIL = re.compile(r"(?=[!-~]+\Z)[^@\s,;:<>()\[\]\"\\]{1,64}@[\w-]+(\.[\w-]+)+")  # letters go without SMTPUTF8 (RFC 6531)
BLANK = re.compile(r"[\s\x00-\x1f\x7f]+")
Cell = str | int | float | bool | None
Texts = dict[str, str]  # by field


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
    bridge: str | None = None  # its name, empty: the hall; None where the table has no such column


@dataclass(frozen=True)
class RowError:
    """`row` as the spreadsheet numbers it; `column` is the heading; `rule` a stable word."""

    row: int
    column: str
    rule: str


def read_rows(table: list[list[Any]], bridges: Collection[str] = ()) -> tuple[list[Row], list[RowError]]:
    """Rows that hold, and every fault of the others. `bridges`: the names that may stand in that column, in small letters."""
    texts, errors = read(table, COLUMNS, REQUIRED, "username", partial(_faults, bridges))
    return [_row(text) for text in texts], errors


def read(
    table: list[list[Any]],
    columns: Mapping[str, str],
    required: Sequence[str],
    unique: str,
    faults_of: Callable[[Texts], Texts],
) -> tuple[list[Texts], list[RowError]]:
    """The rows of any such table, by field, and every fault of those that do not hold. Empty rows are passed over.

    `columns`: heading to field; `faults_of`: the rules that a row breaks, by field, beside those of every table.
    """
    start, places = _headings(table, columns, required)
    headings = {field: heading for heading, field in columns.items()}
    rows: list[Texts] = []
    errors: list[RowError] = []
    seen: set[str] = set()
    for number, cells in enumerate(table[start + 1 :], start + 2):
        text = {field: _text(cells[place] if place < len(cells) else None) for field, place in places.items()}
        if not any(text.values()):
            continue
        faults = {field: "too-long" for field, value in text.items() if len(value) > LONGEST}
        faults |= {field: "missing" for field in required if not text[field]} | faults_of(text)
        key = text[unique].casefold()
        if key and key in seen:
            faults.setdefault(unique, "duplicate")
        seen.add(key)
        if faults:
            errors += [RowError(number, headings[field], rule) for field, rule in faults.items()]
        else:
            rows.append(text)
    return rows, errors


def _headings(table: list[list[Any]], columns: Mapping[str, str], required: Sequence[str]) -> tuple[int, dict[str, int]]:
    wanted = {fold(heading): field for heading, field in columns.items()}
    for number, cells in enumerate(table[:20]):
        places = {wanted[fold(_text(cell))]: place for place, cell in enumerate(cells) if fold(_text(cell)) in wanted}
        if all(field in places for field in required):
            return number, places
    raise HeadingsMissing(columns=", ".join(columns))


def _text(value: Cell) -> str:
    """A cell as one line of text; a whole number in a text column arrives as a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else nfc(BLANK.sub(" ", str(value)))


def _faults(bridges: Collection[str], text: Texts) -> Texts:
    faults = {}
    if text["full_name"] and not re.search(r"[^\W\d_]", text["full_name"]):
        faults["full_name"] = "not-a-name"
    if text["username"] and not USERNAME.fullmatch(text["username"]):
        faults["username"] = "not-a-username"
    if text.get("email") and not EMAIL.fullmatch(text["email"]):
        faults["email"] = "not-an-address"
    if text["role"] and fold(text["role"]) not in ROLES:
        faults["role"] = "unknown"
    if text.get("bridge") and text["bridge"].casefold() not in bridges:
        faults["bridge"] = "unknown"
    return faults


def _row(text: Texts) -> Row:
    values: dict[str, Any] = {field: text.get(field, "") for field in COLUMNS.values()}
    votes = fold(values["votes"]) in ("x", "co", "1", "true", "yes")
    return Row(**values | {"role": ROLES[fold(values["role"])], "votes": votes, "bridge": text.get("bridge")})


def empty_form(columns: Mapping[str, str] = COLUMNS, name: str = "Thành viên") -> bytes:
    """An .xlsx with the headings and nothing else, for the secretary to fill."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, list(columns), book.add_format({"bold": True, "bottom": 1}))
        sheet.set_column(0, len(columns) - 1, 22)
    return buffer.getvalue()
