"""The database that the migrations make is the one that the code expects."""

from contextlib import closing

import pytest
from alembic import command
from sqlalchemy import event, inspect, text

from meetings import app as wiring
from shared import migrate
from shared.db import Base, Database
from tests.conftest import new_database, servers


def test_models_and_migrations_agree(db):
    assert wiring  # all tables are known
    migrate.differences(db.engine, "meetings")
    assert {"meeting", "poll", "ballot", "note", "minutes", "audit_event", "job", "document"} <= set(Base.metadata.tables)


def test_migrating_again_changes_nothing(db):
    migrate.upgrade(db.engine, "meetings")
    migrate.upgrade(db.engine, "meetings")
    assert db.weak_settings() == []


def test_a_migration_waits_for_a_table_in_short_turns_and_changes_nothing_until_it_has_it(db, monkeypatch):
    """On SQLite writers queue anyway."""
    if db.is_sqlite:
        assert migrate.pending(db.engine, "meetings") == []
        return
    with db.engine.begin() as connection:
        command.downgrade(migrate._config("meetings", connection), "-1")
    [newest] = migrate.pending(db.engine, "meetings")
    reader, waited = db.engine.connect(), []
    reader.execute(text("LOCK TABLE alembic_version_meetings IN SHARE MODE"))

    def let_go(seconds: float) -> None:
        waited.append(seconds)
        assert migrate.pending(db.engine, "meetings") == [newest]
        if len(waited) == 2:
            reader.get_transaction().commit()

    monkeypatch.setattr(migrate, "PATIENCE", "20ms")
    monkeypatch.setattr(migrate.time, "sleep", let_go)
    migrate.upgrade(db.engine, "meetings")
    reader.close()
    assert waited == [migrate.BETWEEN] * 2
    migrate.differences(db.engine, "meetings")


@pytest.mark.parametrize("server", ["sqlite", *servers()])
def test_a_migration_that_dies_half_way_has_changed_nothing(server, tmp_path):
    url = f"sqlite:///{tmp_path}/fresh.db" if server == "sqlite" else new_database(server, "fresh")
    with closing(Database(url)) as db:
        statements = []

        def die(_connection, _cursor, statement, *_rest):
            statements.append(statement)
            if sum(one.lstrip().startswith("CREATE TABLE") for one in statements) == 20:
                raise LookupError("half way")

        event.listen(db.engine, "before_cursor_execute", die)
        with pytest.raises(LookupError):
            migrate.upgrade(db.engine, "meetings")
        event.remove(db.engine, "before_cursor_execute", die)
        assert inspect(db.engine).get_table_names() == []
        migrate.upgrade(db.engine, "meetings")
        migrate.differences(db.engine, "meetings")
