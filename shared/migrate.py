"""Bring a database to the schema that the code expects; one version table a package."""

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

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


def run_env() -> None:
    """The body of each package's `migrations/env.py`."""
    config = context.config
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=Base.metadata,
        version_table=config.get_main_option("version_table"),
        render_as_batch=True,
        compare_type=False,
        user_module_prefix="shared.db.",
    )
    with context.begin_transaction():
        context.run_migrations()
