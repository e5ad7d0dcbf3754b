"""The spreadsheet of bridges; read as that of members is."""

import re
from dataclasses import dataclass
from typing import Any

from meetings.bodies.sheet import USERNAME, RowError, Texts, read
from meetings.bodies.sheet import empty_form as form

COLUMNS = {
    "Điểm cầu": "name",
    "Tên ngắn": "short",
    "Cụm": "cluster",
    "Người phụ trách (tên đăng nhập)": "lead_username",
    "Điện thoại": "phone",
}
FEWER = re.compile(r"[1-9]\d{8,9}")  # a national number that a spreadsheet has kept as a number, without its first 0


@dataclass(frozen=True)
class BridgeRow:
    """`lead_username` need not be a member yet: the bridges come before who sits at them."""

    name: str
    short: str
    cluster: str
    lead_username: str
    phone: str


def read_rows(table: list[list[Any]]) -> tuple[list[BridgeRow], list[RowError]]:
    texts, errors = read(table, COLUMNS, ("name",), "name", _faults)
    return [_row(text) for text in texts], errors


def _faults(text: Texts) -> Texts:
    lead = text.get("lead_username")
    return {"lead_username": "not-a-username"} if lead and not USERNAME.fullmatch(lead) else {}


def _row(text: Texts) -> BridgeRow:
    row = {field: text.get(field, "") for field in COLUMNS.values()}
    phone = f"0{row['phone']}" if FEWER.fullmatch(row["phone"]) else row["phone"]
    return BridgeRow(**row | {"short": row["short"] or row["name"], "phone": phone})


def empty_form() -> bytes:
    return form(COLUMNS, "Điểm cầu")
