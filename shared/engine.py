"""Connections to the two databases, and what is kept true of each of them."""

import threading
import time
from sqlite3 import SQLITE_BUSY, Error
from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from shared.group_commit import MustWait

BUSY = 10  # seconds that a writer waits for its turn on SQLite
HURRIED = "sqlite_hurried"  # an option of connections that do not wait for another process
UNASKED = 1  # seconds since a connection was used: then it is asked whether it still holds
PREPARED = "prepared"  # in the `info` of a connection: names of statements, see `shared.libpq`
UNSURE = b""  # among them: they are to be counted again
# For libpq: without these, who waits for a server that has gone silent waits for a quarter of an hour.
SILENCE = {
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 8000,  # ms
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
# The same for the server: a node that is cut off must not hold its locks, for which a closing chair waits, for two hours.
CUT_OFF = "SELECT " + ", ".join(
    f"set_config('tcp_{name}', '{value}', false)"
    for name, value in (
        ("keepalives_idle", 5),
        ("keepalives_interval", 5),
        ("keepalives_count", 3),
        ("user_timeout", 20_000),  # ms
    )
)
POOL = 40  # equals the thread pool that serves plain `def` routes

doubt = threading.local()  # `ful`: this thread's transaction was committed, but perhaps not where it has to be


def _hear(notice: Any) -> None:
    """A wait for the synchronous standby that is cut off ends as a commit, with this warning and nothing else."""
    if notice.sqlstate == "01000":
        doubt.ful = True


def make_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        unsaid = {name: value for name, value in SILENCE.items() if name not in make_url(url).query}
        engine = create_engine(url, pool_size=POOL, max_overflow=0, pool_timeout=2, connect_args=unsaid)
        _watch(engine)
        return engine
    engine = create_engine(url, pool_size=POOL, max_overflow=8, connect_args={"check_same_thread": False, "timeout": BUSY})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY * 1000}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        options = connection.get_execution_options()
        statement = f"BEGIN {options.get('sqlite_begin', 'IMMEDIATE')}"
        try:  # past SQLAlchemy, whose own way takes ten times as long
            connection.connection.dbapi_connection.execute(statement)
        except Error as error:
            if HURRIED in options and error.sqlite_errorcode == SQLITE_BUSY:
                raise MustWait() from None
            raise DBAPIError.instance(statement, None, error, Error, dialect=engine.dialect) from error

    return engine


def is_broken(connection: Connection) -> bool:
    """Whether a statement has failed in PostgreSQL's transaction: its COMMIT would be a quiet ROLLBACK."""
    driver: Any = connection.connection.dbapi_connection
    return connection.dialect.name == "postgresql" and driver.pgconn.transaction_status == TransactionStatus.INERROR


def _watch(engine: Engine) -> None:
    """Connections to PostgreSQL."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.add_notice_handler(_hear)
        connection.autocommit = True
        connection.execute(CUT_OFF)
        connection.autocommit = False

    @event.listens_for(engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, record: Any, _fairy: Any) -> None:
        """SQLAlchemy's own `pool_pre_ping` asks each time, at the cost of a statement."""
        if time.monotonic() - record.info.get("used_at", 0) > UNASKED:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError() from error

    @event.listens_for(engine, "rollback")
    def on_rollback(connection: Any) -> None:
        # One that is lost has nothing to be asked for any more, and says so by another error than the one that matters.
        if not connection.invalidated and (known := connection.info.get(PREPARED)):
            known.clear()
            known.add(UNSURE)
