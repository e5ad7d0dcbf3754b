"""Bring a database to the schema that the code expects; one version table a package."""

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, text

from shared.db import Base


def _config(package: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / package / "migrations"))
    config.set_main_option("version_table", f"alembic_version_{package}")
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, package: str) -> None:
    """Run all missing migrations of `package`; two processes at once wait for each other on PostgreSQL."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(1284)"))
        command.upgrade(_config(package, connection), "head")


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
