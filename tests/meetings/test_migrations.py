"""The database that the migrations make is the one that the code expects."""

from sqlalchemy import text

from meetings import app as wiring
from shared import migrate
from shared.db import Base


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
        connection.execute(text("DROP TABLE epoch"))
        connection.execute(text("UPDATE alembic_version_meetings SET version_num = '0004'"))
        connection.execute(text("CREATE TABLE epoch (stands_in_the_way integer)"))
    reader, waited = db.engine.connect(), []
    reader.execute(text("LOCK TABLE alembic_version_meetings IN ACCESS EXCLUSIVE MODE"))

    def let_go(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            reader.execute(text("DROP TABLE epoch"))
            reader.get_transaction().commit()

    monkeypatch.setattr(migrate, "PATIENCE", "20ms")
    monkeypatch.setattr(migrate.time, "sleep", let_go)
    migrate.upgrade(db.engine, "meetings")
    reader.close()
    assert waited == [migrate.BETWEEN] * 2
    migrate.differences(db.engine, "meetings")
