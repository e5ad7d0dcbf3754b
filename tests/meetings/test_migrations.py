"""The database that the migrations make is the one that the code expects."""

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
