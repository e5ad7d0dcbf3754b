"""Spreadsheets (.xlsx, .xls, .ods) as rows of plain values; parsed in the confined process."""

import datetime
import zipfile
from pathlib import Path
from typing import Any

from docs_store import sandbox
from docs_store.problems import NotATable

Cell = str | int | float | None
MAX_SIZE = 10 << 20
MAX_UNPACKED = 200 << 20
MAX_ROWS = 20_000
MAX_COLUMNS = 200


def read_table(data: bytes) -> list[list[Cell]]:
    """The first sheet. Dates come as ISO 8601, whole numbers as int (Excel keeps telephone numbers as 9.1e8), text as it is."""
    if len(data) > MAX_SIZE:
        raise NotATable(reason="size")
    try:
        outcome = sandbox.run("table", data)
    except sandbox.ProcessDied as died:
        raise NotATable(reason=died.reason) from None
    rows: list[list[Cell]] = outcome.result["rows"]
    return rows


def read(source: Path, output: Path) -> dict[str, Any]:  # noqa: ARG001
    """The task of the confined process."""
    import python_calamine

    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED:
                raise NotATable(reason="expansion")
    try:
        sheet = python_calamine.CalamineWorkbook.from_path(source).get_sheet_by_index(0)
    except (python_calamine.CalamineError, OSError, IndexError):
        raise NotATable(reason="format") from None
    if sheet.height > MAX_ROWS or sheet.width > MAX_COLUMNS:
        raise NotATable(reason="rows")
    return {"rows": [[_plain(cell) for cell in row] for row in sheet.iter_rows()]}


def _plain(cell: object) -> Cell:
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return cell if isinstance(cell, int | float) and not isinstance(cell, bool) else str(cell)
