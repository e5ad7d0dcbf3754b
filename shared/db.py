"""The database: base class, engine, and one transaction a request (`shared.transactions` gives it to routes).

Nobody else commits, rolls back or makes sessions: a test in tests/house greps for it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, text
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from shared.engine import BUSY, HURRIED, doubt, is_broken, make_engine
from shared.group_commit import Group, MustWait
from shared.problems import Unavailable
from shared.turns import HELD, Turns

T = TypeVar("T")
Memories = dict[str, tuple[float, Any]]  # name -> until when by the monotonic clock, value
MOST_KEPT = 10_000


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC on every engine (SQLite keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012


class Database:
    """One engine, two ways in: `write` and `read`."""

    def __init__(self, url: str, *, alone: bool = True, **info: Any) -> None:
        """`alone`: no other process serves from it, so that an SQLite file's lock is hardly ever taken.

        `info` goes to every session's `info`: what an action needs to reach after the commit.
        """
        self.engine: Engine = make_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.alone = alone and self.is_sqlite  # a server may serve another machine as well
        reading: dict[str, Any] = (
            {"sqlite_begin": "DEFERRED"}
            if self.is_sqlite
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        self._writer = sessionmaker(expire_on_commit=False, info={"db": self, **info})
        self._hurried = self.engine.execution_options(**{HURRIED: True})
        self._standing: dict[Engine, Connection] = {}  # to SQLite, one for each way to use it, for who has its turn
        self._turn, self._readers_turn = threading.Lock(), threading.Lock()
        self.wake = threading.Event()  # set when a job was added through this object
        self._reading = self.engine.execution_options(**reading)
        self._reader = sessionmaker(expire_on_commit=False, info={"db": self})
        self.in_loop = self.is_sqlite and alone
        self.commits = ThreadPoolExecutor(1, "commits")  # of transactions that were opened in the event loop
        self.turns = Turns(1 if self.is_sqlite else HELD, BUSY)
        self.writes = self.group("group-writes")  # for hot paths: one commit for many requests
        self.reads = Group(self.read, "group-reads", at_once=self.read if self.in_loop else None)
        self.kept: Memories = {}  # see `kept`
        self.kept_until_written: Memories = {}

    @property
    def folder(self) -> Path | None:
        """Where an embedded database lies."""
        return Path(self.engine.url.database or ".").resolve().parent if self.is_sqlite else None

    def group(self, name: str, *, pause: float = 0.0) -> Group:
        """A group of writers whose transactions are its own; who makes it closes it."""
        writes = partial(self.write, forgets=False)
        at_once = partial(writes, waits=False) if self.in_loop else None
        return Group(writes, name, at_once=at_once, ends_in=self.commits, pause=pause)

    @contextmanager
    def write(self, *, waits: bool = True, forgets: bool = True) -> Iterator[Session]:
        """A transaction that may write: committed on leaving, rolled back on any error.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a reader that turns writer would
        fail with BUSY_SNAPSHOT, which no timeout mends. What was given to `after_commit` runs last.
        Without `forgets`, who writes what others keep says so: `forget_written`.
        """
        with self._take_turn(waits), self._writing(waits) as connection, connection.begin() as transaction:
            with _session(self._writer, connection) as session:
                session.info["until_written"] = {}  # who writes sees no more than this transaction has read
                yield session
            if not transaction.is_active or is_broken(connection):
                raise RuntimeError("an error of the database was passed over, and nothing of this is kept")
            doubt.ful = False  # a route begins in one thread and may commit, on leaving this block, in another
        if forgets:
            self.kept_until_written = {}
        for deed in session.info.pop("after_commit", []):
            deed()
        if doubt.ful:
            raise Unavailable()

    def _writing(self, waits: bool) -> AbstractContextManager[Connection]:
        return self._stand(self.engine if waits else self._hurried) if self.is_sqlite else self.engine.connect()

    @contextmanager
    def _stand(self, engine: Engine) -> Iterator[Connection]:
        if engine not in self._standing:
            connection = self._standing[engine] = engine.connect()
            connection.detach()  # it takes no place in the pool
            if engine is self._hurried:
                connection.connection.dbapi_connection.execute("PRAGMA busy_timeout=0")  # type: ignore[union-attr]
        connection = self._standing[engine]
        driver: Any = connection.connection.dbapi_connection
        try:
            yield connection
        finally:
            if driver.in_transaction:  # as a COMMIT that fails leaves it, and no pool ends it
                driver.rollback()

    @contextmanager
    def _take_turn(self, waits: bool) -> Iterator[None]:
        """Writers of one process queue here; SQLite's own busy handler sleeps and polls, and can starve one of them."""
        if not self.is_sqlite:
            yield
        elif self._turn.acquire(timeout=BUSY if waits else 0):
            try:
                yield
            finally:
                self._turn.release()
        else:
            raise Unavailable() if waits else MustWait()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent snapshot; writing through it fails on PostgreSQL and is a bug on SQLite."""
        before = self.kept_until_written
        with self._connection() as connection, connection.begin(), _session(self._reader, connection) as session:
            session.info["until_written"] = before
            yield session

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """To read with: on SQLite the one that stands, while nobody else reads."""
        if not self.is_sqlite or not self._readers_turn.acquire(blocking=False):
            with self._reading.connect() as connection:
                yield connection
            return
        try:
            with self._stand(self._reading) as connection:
                yield connection
        finally:
            self._readers_turn.release()

    def memory(self) -> Session:
        """In place of a transaction, for work that may find all it needs among what is `kept`; else it ends in `NotKept`."""
        return cast(Session, _Memory({"db": self, "until_written": self.kept_until_written}))

    def durability(self) -> dict[str, str]:
        """The engine's own word on whether a commit survives a crash; see `weak_settings`."""
        with self._reading.connect() as connection:
            if self.is_sqlite:
                rows = {p: connection.execute(text(f"PRAGMA {p}")).scalar_one() for p in ("journal_mode", "synchronous")}
            else:
                names = ("fsync", "synchronous_commit", "full_page_writes")
                rows = {p: connection.execute(text(f"SHOW {p}")).scalar_one() for p in names}
            return {name: str(value) for name, value in rows.items()}

    def weak_settings(self) -> list[str]:
        """Settings under which an acknowledged ballot could be lost; empty means safe."""
        strong = {
            "journal_mode": ("wal", "delete", "truncate", "persist"),
            "synchronous": ("2", "3"),
            "fsync": ("on",),
            "synchronous_commit": ("on", "remote_write", "remote_apply", "local"),
            "full_page_writes": ("on",),
        }
        return [f"{name}={value}" for name, value in self.durability().items() if value not in strong[name]]

    def close(self) -> None:
        self.writes.close()
        self.reads.close()
        self.commits.shutdown()
        with self._take_turn(waits=True):
            self._readers_turn.acquire(timeout=BUSY)
            for connection in self._standing.values():
                connection.close()
            self._standing.clear()
        self.engine.dispose()


@contextmanager
def _session(made: sessionmaker[Session], connection: Connection) -> Iterator[Session]:
    """In the connection's transaction, which it never ends itself: so a work that does without the ORM does not pay for it."""
    session = made(bind=connection, join_transaction_mode="rollback_only")
    try:
        yield session
        session.flush()
    finally:
        session.close()


class NotKept(Exception):
    """A transaction is needed after all."""


@dataclass(frozen=True, slots=True)
class _Memory:
    info: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        raise NotKept()


def after_commit(tx: Session, deed: Callable[[], None]) -> None:
    """Do something once this transaction is durable, and never if it fails. Must not raise."""
    tx.info.setdefault("after_commit", []).append(deed)


def kept(tx: Session, name: str, load: Callable[[], T], *, until_written: bool = False) -> T:
    """What `load` gives, asked for at most once a second in this process: for rows that every request needs and that
    seldom change. A change elsewhere is seen within that second; one in this process at once, by `forget`.

    `until_written`: forgotten as soon as anything is written in this process, see `forget_written`.
    """
    memory: Memories = tx.info["until_written"] if until_written else tx.info["db"].kept
    until, value = memory.get(name, (0.0, None))
    if time.monotonic() >= until:
        value = load()
        if len(memory) > MOST_KEPT:
            memory.clear()
        memory[name] = (time.monotonic() + 1, value)
    known: T = value
    return known


def forget(tx: Session, name: str) -> None:
    """Ask for it anew, now and once more when this transaction is durable."""
    memory: Memories = tx.info["db"].kept
    memory.pop(name, None)
    after_commit(tx, lambda: memory.pop(name, None) and None)


def forget_written(tx: Session) -> None:
    """Ask anew for all that was kept until written, now and once this transaction is durable."""
    db: Database = tx.info["db"]
    tx.info["until_written"].clear()

    def deed() -> None:
        db.kept_until_written = {}

    after_commit(tx, deed)


def lock(tx: Session, name: str, *, shared: bool = False) -> None:
    """Hold a named lock until the transaction ends (PostgreSQL advisory lock).

    On SQLite every writer already holds the one lock there is.
    """
    if tx.get_bind().dialect.name == "postgresql":
        verb = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        tx.execute(text(f"SELECT {verb}(hashtextextended(:name, 0))"), {"name": name})
