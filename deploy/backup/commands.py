"""`dienhong backup`, `restore` and `epoch bump`; each reads the settings that its service reads."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deploy.environment import REFUSED

if TYPE_CHECKING:
    from shared.settings import Settings

epochs = typer.Typer(no_args_is_help=True, help="What was issued before is dead: part of every restore.")


def join(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)
    app.add_typer(epochs, name="epoch")


def backup(
    folder: Annotated[Path, typer.Argument(help="Holds the backups of one service.")],
    keep_days: Annotated[int | None, typer.Option(min=1, help="Then remove older ones, if this one lacks nothing.")] = None,
) -> None:
    """Copy a SQLite database and the documents beside it while the service goes on, and check what was copied."""
    from deploy.backup import embedded
    from deploy.backup.epoch import service_of
    from shared.clock import now
    from shared.db import Database

    settings = _settings()
    database, documents = _places(settings)
    if not database.is_file():
        _refuse(f"{database}: no such file")
    db = Database(settings.database_url)
    try:
        place = embedded.backup(service_of(db), database, documents, folder)
    except (embedded.Refused, ValueError) as refused:
        _refuse(str(refused))
    finally:
        db.close()
    [(_, manifest)] = embedded.backups(place)
    missing = embedded.missing(place, manifest)
    for sha256 in missing:
        typer.echo(f"✗ document {sha256}: missing", err=True)
    typer.echo(f"{place}: {manifest.service}, {len(manifest.documents)} documents")
    if missing:
        raise typer.Exit(1)
    if keep_days:
        embedded.remove_older(folder, now() - timedelta(days=keep_days))


def restore(
    folder: Annotated[Path, typer.Argument(help="Backups, or one of them.")],
    to: Annotated[str, typer.Option(help="The newest backup that is not later, as 2026-11-22T08:30:00+07:00.")] = "",
) -> None:
    """Bring back a SQLite database and its documents to where there is none, in a new epoch, and check everything."""
    from deploy.backup import embedded
    from deploy.backup.restoring import bring_back

    settings = _settings()
    database, documents = _places(settings)
    try:
        place, manifest, found = bring_back(settings, database, documents, folder, _instant(to))
    except (embedded.Refused, ValueError) as refused:
        _refuse(str(refused))
    for line in found:
        typer.echo(f"✗ {line}")
    typer.echo(f"{manifest.service}: as of {manifest.taken_at}, from {place}; a new epoch has begun")
    raise typer.Exit(1 if found else 0)


@epochs.command()
def bump() -> None:
    """Begin a new epoch in the database of `DATABASE_URL`: sessions, codes, tokens, tickets and links of before are dead."""
    from deploy.backup import epoch
    from shared.clock import now
    from shared.db import Database

    settings = _settings()
    db = Database(settings.database_url)
    try:
        service = epoch.service_of(db)
        with db.write() as tx:
            epoch.begin(tx, now(), service, settings)
    except ValueError as refused:
        _refuse(str(refused))
    finally:
        db.close()
    typer.echo(f"{service}: a new epoch has begun")


def verify_service() -> int:
    """Say what in the database and its documents is not what was put there; the command's exit code."""
    from deploy.backup.epoch import service_of
    from deploy.backup.verify import faults
    from shared.db import Database

    settings = _settings()
    db = Database(settings.database_url)
    try:
        service = service_of(db)
        found = 0
        for line in faults(db, service, settings):
            found = 1
            typer.echo(f"✗ {line}")
    except ValueError as refused:
        _refuse(str(refused))
    finally:
        db.close()
    if not found:
        typer.echo(f"✓ {service}: everything is what was put there")
    return found


def _settings() -> "Settings":
    """What both services need of the environment."""
    from shared.settings import Settings

    return Settings()


def _places(settings: "Settings") -> tuple[Path, Path | None]:
    """The database's file and the documents' folder."""
    if not settings.database_url.startswith("sqlite:///"):
        _refuse("not SQLite: docs/operate.md says how PostgreSQL is backed up")
    if settings.storage_url.startswith("s3://"):
        _refuse("documents in S3 are kept by its own versioning: see docs/operate.md")
    storage = settings.storage_url.removeprefix("file://")
    return Path(settings.database_url.removeprefix("sqlite:///")), Path(storage) if storage else None


def _instant(given: str) -> datetime | None:
    if not given:
        return None
    with suppress(ValueError):
        if (at := datetime.fromisoformat(given)).tzinfo:
            return at.astimezone(UTC)
    raise typer.BadParameter("not an instant with its zone, as 2026-11-22T08:30:00+07:00")


def _refuse(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(REFUSED)
