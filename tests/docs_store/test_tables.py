"""Spreadsheets as plain rows."""

import datetime
import io
import zipfile
from typing import Any

import pytest
import xlsxwriter

from docs_store.problems import NotATable
from docs_store.tables import read_table


def workbook(*rows: list[Any]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"default_date_format": "dd/mm/yyyy"}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return buffer.getvalue()


def test_cells_come_as_plain_values() -> None:
    day = datetime.date(2026, 12, 9)
    rows = [["Họ và tên", "Điện thoại", "Tỷ lệ"], ["Phạm Thị Ngọc Ánh", 912345678, 0.5], ["", None, day]]
    assert read_table(workbook(*rows)) == [rows[0], rows[1], [None, None, "2026-12-09"]]


def test_a_formula_is_never_more_than_its_value() -> None:
    assert read_table(workbook(["=cmd|' /C calc'!A0"])) in ([[0]], [[None]], [])


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        target.writestr("xl/sharedStrings.xml", bytes(201 << 20))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "format"),
        (b"%PDF-1.7", "format"),
        (b"PK\x03\x04" + b"x" * 100, "format"),
        (bytes(11 << 20), "size"),
        (workbook(*[["a"]] * 20_001), "rows"),
        (workbook(["a"] * 201), "rows"),
        (_bomb(), "expansion"),
    ],
    ids=["empty", "pdf", "broken", "too-large", "too-many-rows", "too-wide", "bomb"],
)
def test_what_is_no_fit_table_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(NotATable) as refused:
        read_table(data)
    assert refused.value.facts == {"reason": reason}
