"""Statements of the hot paths: compiled once a dialect, then handed to the driver as they are.

SQLAlchemy's own way costs some 70 us of CPU a statement, five times what SQLite needs to run it; measured by `make bench-idp`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json import JSONDecoder, JSONEncoder
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import JSON, Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import Select
from sqlalchemy.types import TypeEngine

from shared.db import UtcDateTime
from shared.engine import PREPARED
from shared.libpq import LibpqStatement, can_read, is_open

Processor = Callable[[Any], Any]
Readers = tuple[tuple[int, Processor], ...]  # of the columns that the driver does not give as Python has them
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    in_order: Callable[[dict[str, Any]], Any] | None  # of the parameters, for a driver that takes them by position
    constants: dict[str, Any]
    into: dict[str, Processor]
    out_of: Readers
    libpq: LibpqStatement | None  # on PostgreSQL, where its types are known


def _read(row: Row, out_of: Readers) -> Row:
    values = list(row)
    for place, read in out_of:
        values[place] = read(values[place])
    return tuple(values)


def _driver(tx: Session) -> tuple[Dialect, Any, set[bytes] | None]:
    """Asked for once a transaction; sessions are not used again after it."""
    connection = cast(Connection, tx.bind)
    known = connection.info.setdefault(PREPARED, set()) if connection.dialect.driver == "psycopg" else None
    tx.info["driver"] = driver = connection.dialect, connection.connection.dbapi_connection, known
    return driver


def _writer(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    if dialect.name == "sqlite" and isinstance(kind, UtcDateTime | JSON):
        return _instant_out if isinstance(kind, UtcDateTime) else _json_out
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    if dialect.name == "sqlite" and isinstance(kind, UtcDateTime | JSON):
        return _instant_in if isinstance(kind, UtcDateTime) else _json_in
    return kind.dialect_impl(dialect).result_processor(dialect, None)


# The same forms as SQLAlchemy's own, at a third of their cost.
_json_out = JSONEncoder(check_circular=False).encode
_parse = JSONDecoder().raw_decode


def _json_in(text: str | None) -> Any:
    return None if text is None else _parse(text)[0]


@lru_cache(maxsize=64)  # a request's own instant is written many times
def _instant_out(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("an instant without a zone")
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def _instant_in(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")


class Prepared:
    """A Core statement with bound parameters. An INSERT names its columns; nothing else is filled in."""

    def __init__(self, statement: "Select[*tuple[Any, ...]] | UpdateBase", *columns: str) -> None:
        self._statement, self._columns = statement, columns
        self._on: dict[str, _Compiled] = {}

    def all(self, tx: Session, **values: Any) -> list[Row]:
        """Its rows, as tuples in the order of its columns."""
        dialect, connection, known = tx.info.get("driver") or _driver(tx)
        this = self._on.get(dialect.name) or self._compile(dialect)
        try:
            if this.libpq and known is not None and is_open(connection):
                return this.libpq.rows(connection, known, values | this.constants)
            cursor = _executed(this, connection, values)
        except dialect.loaded_dbapi.Error as error:
            raise _told(this, dialect, error) from error
        rows: list[Row] = cursor.fetchall()
        cursor.close()
        return [_read(row, this.out_of) for row in rows] if this.out_of else rows

    def one(self, tx: Session, **values: Any) -> Row | None:
        """Its first row, or None."""
        return next(iter(self.all(tx, **values)), None)

    def run(self, tx: Session, **values: Any) -> int:
        """The number of rows that it changed."""
        dialect, connection, known = tx.info.get("driver") or _driver(tx)
        this = self._on.get(dialect.name) or self._compile(dialect)
        try:
            if this.libpq and known is not None and is_open(connection):
                return this.libpq.changed(connection, known, values | this.constants)
            cursor = _executed(this, connection, values)
        except dialect.loaded_dbapi.Error as error:
            raise _told(this, dialect, error) from error
        changed: int = cursor.rowcount
        cursor.close()
        return changed

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
        constants = {name: one.value for name, one in compiled.binds.items() if not one.required}
        into: dict[str, Processor] = {
            name: write
            for name, parameter in compiled.binds.items()
            if name not in constants and (write := _writer(parameter.type, dialect))
        }
        if isinstance(self._statement, Select):
            types = [column.type for column in self._statement.selected_columns]
        else:
            types = [column["type"] for column in self._statement.returning_column_descriptions]
        readers = enumerate(_reader(kind, dialect) for kind in types)
        names = tuple(getattr(compiled, "positiontup", None) or ()) if compiled.positional else None
        parameters = {name: one.type for name, one in compiled.binds.items()}
        on_libpq = dialect.driver == "psycopg" and can_read(types)
        known = _Compiled(
            str(compiled),
            _in_order(names) if names is not None else None,
            constants,
            into,
            tuple((place, read) for place, read in readers if read),
            LibpqStatement(str(compiled), parameters, types) if on_libpq else None,
        )
        self._on[dialect.name] = known
        return known


def _executed(this: _Compiled, connection: Any, values: dict[str, Any]) -> Any:
    for name, write in this.into.items():
        values[name] = write(values[name])
    values.update(this.constants)
    cursor = connection.cursor()
    cursor.execute(this.text, this.in_order(values) if this.in_order else values)
    return cursor


def _in_order(names: tuple[str, ...]) -> Callable[[dict[str, Any]], Any]:
    return itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]


def _told(this: _Compiled, dialect: Dialect, error: Exception) -> Exception:
    """As the rest of the house knows it: a database that is away is a 503."""
    return DBAPIError.instance(this.text, None, error, dialect.loaded_dbapi.Error, dialect=dialect)
