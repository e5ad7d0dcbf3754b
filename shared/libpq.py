"""A prepared statement on PostgreSQL, straight through libpq: psycopg's own way to it costs seven times as much CPU, and twice
the time until the rows are there; measured by `make bench-idp`.

With a ROLLBACK psycopg may give up all prepared statements of a connection: `shared.db` takes note of it, and they are counted
again.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from json import JSONDecoder, JSONEncoder
from typing import Any

from psycopg import Connection, DataError, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import JSON, Boolean, Enum, Integer, String
from sqlalchemy.types import TypeEngine

from shared.db import UtcDateTime
from shared.engine import UNSURE

DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_NAMED = re.compile(r"%\((\w+)\)s")
_json = JSONEncoder(check_circular=False).encode
_parse = JSONDecoder().raw_decode

_READERS: dict[type[TypeEngine[Any]], Callable[[bytes], Any]] = {
    UtcDateTime: lambda sent: datetime.fromisoformat(sent.decode()).astimezone(UTC),
    JSON: lambda sent: _parse(sent.decode())[0],
    Boolean: lambda sent: sent == b"t",
    Integer: int,
    String: bytes.decode,
}


class LibpqStatement:
    """One statement; `types` are those of its columns."""

    def __init__(self, text: str, parameters: dict[str, TypeEngine[Any]], types: list[TypeEngine[Any]]) -> None:
        self._places: list[tuple[str, bool]] = []  # of the parameters: name, and whether it is JSON
        self._text = _NAMED.sub(lambda found: self._place(found[1], parameters), text).replace("%%", "%").encode()
        self._name = f"straight_{sha256(self._text).hexdigest()[:20]}".encode()
        self._readers = [_reader(kind) for kind in types]

    def _place(self, name: str, parameters: dict[str, TypeEngine[Any]]) -> str:
        this = name, isinstance(parameters[name], JSON)
        if this not in self._places:
            self._places.append(this)
        return f"${self._places.index(this) + 1}"

    def rows(self, connection: Connection[Any], known: set[bytes], values: dict[str, Any]) -> list[tuple[Any, ...]]:
        result = self._execute(connection, known, values)
        columns, value = list(enumerate(self._readers)), result.get_value
        return [
            tuple([None if (sent := value(row, place)) is None else read(sent) for place, read in columns])
            for row in range(result.ntuples)
        ]

    def changed(self, connection: Connection[Any], known: set[bytes], values: dict[str, Any]) -> int:
        return self._execute(connection, known, values).command_tuples or 0

    def _execute(self, connection: Connection[Any], known: set[bytes], values: dict[str, Any]) -> PGresult:
        link = connection.pgconn
        if self._name not in known:
            if UNSURE in known:
                known.remove(UNSURE)
                known.update(_prepared(link))
            if self._name not in known:
                _check(link, link.prepare(self._name, self._text))
                known.add(self._name)
        sent: list[Any] = [
            _json(values[name]).encode() if is_json else _written(values[name]) for name, is_json in self._places
        ]
        return _check(link, link.exec_prepared(self._name, sent))


def is_open(connection: Connection[Any]) -> bool:
    """Whether the transaction has begun; psycopg begins it with the first statement that goes its own way."""
    return connection.pgconn.transaction_status == TransactionStatus.INTRANS


def can_read(types: list[TypeEngine[Any]]) -> bool:
    return not any(isinstance(kind, Enum) for kind in types) and all(_kinds(kind) for kind in types)


def _kinds(kind: TypeEngine[Any]) -> list[type[TypeEngine[Any]]]:
    return [known for known in _READERS if isinstance(kind, known)]


def _reader(kind: TypeEngine[Any]) -> Callable[[bytes], Any]:
    return _READERS[_kinds(kind)[0]]


def _prepared(link: PGconn) -> list[bytes]:
    listed = _check(link, link.exec_(b"SELECT name FROM pg_prepared_statements WHERE name LIKE 'straight%'"))
    return [listed.get_value(row, 0) or b"" for row in range(listed.ntuples)]


def _check(link: PGconn, result: PGresult) -> PGresult:
    if link.status == ConnStatus.BAD:
        raise OperationalError(link.get_error_message())
    if result.status not in DONE:
        raise error_from_result(result)
    return result


def _written(value: Any) -> bytes | None:
    if isinstance(value, str):
        if "\0" in value:  # libpq would take what stands before it for the whole
            raise DataError("PostgreSQL keeps no NUL")
        return value.encode()
    if value is None:
        return None
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, datetime) and value.tzinfo:
        return value.isoformat().encode()
    raise ValueError(f"no parameter of a statement: {type(value).__name__}")
