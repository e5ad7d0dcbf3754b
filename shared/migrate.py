"""Bring a database to the schema that the code expects; one version table a package."""

import time
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import OperationalError

from shared.db import Base

PATIENCE = "2s"  # for a table that is in use: whoever comes after us waits as long
TRIES, BETWEEN = 10, 3.0  # seconds
IN_USE = "55P03"  # lock_not_available


def _config(package: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / package / "migrations"))
    config.set_main_option("version_table", f"alembic_version_{package}")
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, package: str) -> None:
    """Run all missing migrations of `package`, in one transaction: whoever is killed half-way has changed nothing.

    Two processes at once wait for each other on PostgreSQL. A table that stays in use is waited for in short turns, so that
    a meeting that goes on meanwhile hardly notices; `OperationalError` if none of them succeeds.
    """
    for turn in range(TRIES):
        try:
            _upgrade(engine, package)
            break
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != IN_USE or turn == TRIES - 1:
                raise
            time.sleep(BETWEEN)


def _upgrade(engine: Engine, package: str) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(1284)"))
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
        command.upgrade(_config(package, connection), "head")


def pending(engine: Engine, package: str) -> list[tuple[str, str]]:
    """Migrations that `upgrade` would run, in order: number and what it does. `CommandError` where the database is newer."""
    with engine.begin() as connection:
        config = _config(package, connection)
        table = config.get_main_option("version_table")
        present = MigrationContext.configure(connection, opts={"version_table": table}).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    try:
        return [(one.revision, one.doc) for one in reversed([*scripts.iterate_revisions("head", present or "base")])]
    except ResolutionError:  # Alembic itself turns it into the other only where no step is asked for yet
        raise CommandError(f"The database is at {present}, which this release does not know.") from None


def draft(engine: Engine, package: str, message: str) -> None:
    """Write a new migration from the difference between the models that are imported and the database."""
    with engine.begin() as connection:
        command.revision(_config(package, connection), message, autogenerate=True)


def differences(engine: Engine, package: str) -> None:
    """Raise where the models that are imported and the migrated database differ."""
    with engine.begin() as connection:
        command.check(_config(package, connection))


def run_env(*owners: str) -> None:
    """The body of each package's `migrations/env.py`. `owners`: packages whose tables stand in this database, so that what
    else happens to be imported is left out of a comparison."""
    config = context.config
    own = {
        mapper.local_table.name
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.split(".")[0] in owners and isinstance(mapper.local_table, Table)
    }
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=Base.metadata,
        version_table=config.get_main_option("version_table"),
        render_as_batch=True,
        compare_type=False,
        include_name=lambda name, kind, _parents: kind != "table" or name in own,
        include_object=lambda _object, name, kind, _reflected, _other: kind != "table" or name in own,
        user_module_prefix="shared.db.",
    )
    with context.begin_transaction():
        context.run_migrations()
