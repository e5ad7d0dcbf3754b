"""What the commands read of the environment, and how one says that it could not do what it was asked for."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from shared.db import Database

REFUSED = 2  # a command's exit code


class Told(TyperGroup):
    """A refusal is a line and no traceback. What is none of those below is a bug, and shown whole."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not (words := _refusal(error)):
                raise
            typer.echo(words, err=True)
            raise typer.Exit(REFUSED) from None


def _refusal(error: Exception) -> str:
    from alembic.util import CommandError
    from pydantic import ValidationError
    from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError

    from shared.problems import Problem
    from shared.words import say

    if isinstance(error, ValidationError):  # of settings
        return "\n".join(
            f"{'.'.join(map(str, one['loc'])).upper() or 'settings'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
    if isinstance(error, Problem):
        return say("en", (type(error).__module__.partition(".")[0],), f"problem.{error.code}", **error.facts)
    if isinstance(error, DatabaseError | InterfaceError | ArgumentError | CommandError):
        return f"DATABASE_URL: {getattr(error, 'orig', None) or error}".splitlines()[0]
    if isinstance(error, OSError) and error.errno != errno.EPIPE:  # who reads may leave
        return str(error)
    return ""


def settings_of(service: str) -> Any:
    """Of `idp` or `meetings`."""
    from idp.settings import IdpSettings
    from meetings.settings import MeetingsSettings

    return IdpSettings() if service == "idp" else MeetingsSettings()


def database() -> "Database":
    """That of `DATABASE_URL`, for a command that needs no other setting."""
    from shared.db import Database
    from shared.settings import FromEnvironment

    class Place(FromEnvironment):
        database_url: str

    return Database(Place().database_url)


@contextmanager
def writing() -> Iterator[tuple["Session", datetime]]:
    """One transaction in the database of `DATABASE_URL`, and its instant."""
    from shared.clock import now

    db = database()
    try:
        with db.write() as tx:
            yield tx, now()
    finally:
        db.close()
