"""A new epoch: what was issued before it is dead."""

import importlib
from datetime import datetime

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from shared.db import Database
from shared.settings import Settings

SERVICES = ("idp", "meetings")


def service_of(db: Database) -> str:
    """Whose database it is; its models are known after that. `ValueError` for one that was never migrated."""
    tables = inspect(db.engine).get_table_names()
    for service in SERVICES:
        if f"alembic_version_{service}" in tables:
            importlib.import_module(f"{service}.app")
            return service
    raise ValueError("not a database of idp or meetings: run `dienhong migrate` first")


def begin(tx: Session, now: datetime, service: str, settings: Settings) -> None:
    """Both say what dies: `idp.oidc.epoch.begin_epoch` and `meetings.access.actions.begin_epoch`."""
    if service == "idp":
        from idp.oidc import epoch

        epoch.begin_epoch(tx, now, settings)
    else:
        from meetings.access import actions

        actions.begin_epoch(tx, now)
