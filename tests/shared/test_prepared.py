"""Prepared statements give what SQLAlchemy would, on each database, whatever has happened to the connection before."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from sqlalchemy import Table, bindparam, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from shared.audit import AuditEvent
from shared.db import Database
from shared.engine import UNASKED
from shared.prepared import Prepared

TABLE = cast(Table, AuditEvent.__table__)
PUT = Prepared(insert(TABLE), *TABLE.c.keys())
ALL = Prepared(select(*TABLE.c).where(TABLE.c.actor == bindparam("actor_")).order_by(TABLE.c.seq))
MOVE = Prepared(update(TABLE).where(TABLE.c.seq > bindparam("least")).values(actor=bindparam("to")))
AT = datetime(2026, 11, 22, 3, 4, 5, 600, tzinfo=timezone(timedelta(hours=7)))


def row(seq: int, **changes: Any) -> dict[str, Any]:
    given = {"seq": seq, "at": AT, "actor": "ai", "act": "x", "object": "100 % 'đủ'", "facts": {"a": [1, "đ", None, True]}}
    return given | {"previous": "", "hash": str(seq)} | changes


def test_what_is_written_is_read_and_is_as_others_write_and_read_it(db: Database) -> None:
    with db.write() as tx:
        PUT.run(tx, **row(1))
        PUT.run(tx, **row(2))  # on PostgreSQL the first statement of a transaction goes another way
        tx.add(AuditEvent(**row(3)))
        tx.flush()
        prepared = ALL.all(tx, actor_="ai")
        assert [tuple(one) for one in tx.execute(select(*TABLE.c).order_by(TABLE.c.seq))] == prepared
    assert [one[:2] for one in prepared] == [(seq, AT.astimezone(UTC)) for seq in (1, 2, 3)]
    assert prepared[1][5] == {"a": [1, "đ", None, True]}
    with db.write() as tx:
        assert [MOVE.run(tx, least=least, to="be") for least in (1, 2, 9)] == [2, 1, 0]


def test_a_text_is_never_kept_in_part(db: Database) -> None:
    with db.write() as tx:
        PUT.run(tx, **row(1))
        if db.is_sqlite:
            PUT.run(tx, **row(2, actor="a\0b"))
            assert len(ALL.all(tx, actor_="a\0b")) == 1
        else:
            with pytest.raises(DataError):
                PUT.run(tx, **row(2, actor="a\0b"))


def test_they_outlive_failures(db: Database) -> None:
    def twice(**changes: Any) -> None:
        with db.write() as tx:
            PUT.run(tx, **row(1))
            assert len(ALL.all(tx, actor_="ai")) == 1
            PUT.run(tx, **row(2) | changes)

    for _ in range(3):
        with pytest.raises(IntegrityError):
            twice(seq=1)
        with pytest.raises(ValueError, match=r"zone|parameter"):
            twice(at=AT.replace(tzinfo=None))
    twice()
    with db.read() as tx:
        assert len(ALL.all(tx, actor_="ai")) == 2


def test_a_connection_that_was_cut_while_it_was_idle_is_replaced(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    if db.is_sqlite:
        pytest.skip("a file is never cut")
    with db.write() as tx:
        PUT.run(tx, **row(1))
        mine = tx.scalar(text("SELECT pg_backend_pid()"))
    other = Database(db.engine.url.render_as_string(hide_password=False))
    with other.write() as tx:
        tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
    other.close()
    monkeypatch.setattr("shared.engine.UNASKED", -UNASKED)
    with db.write() as tx:
        assert len(ALL.all(tx, actor_="ai")) == 1


@pytest.mark.parametrize("by_sqlalchemy", [True, False])
def test_a_connection_that_is_cut_in_a_transaction_is_told_as_such_and_the_next_is_served(
    db: Database, by_sqlalchemy: bool
) -> None:
    if db.is_sqlite:
        pytest.skip("a file is never cut")

    def cut() -> None:
        with db.write() as tx:
            PUT.run(tx, **row(1))
            mine = tx.scalar(text("SELECT pg_backend_pid()"))
            with db.write() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
            if by_sqlalchemy:
                tx.scalar(select(TABLE.c.seq))
            ALL.all(tx, actor_="ai")

    with pytest.raises(OperationalError):
        cut()
    with db.read() as tx:
        assert ALL.all(tx, actor_="ai") == []
