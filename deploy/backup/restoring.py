"""Bring a backup back: checked first, put beside, brought to the present schema and a new epoch, and only then in place."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

from deploy.backup import embedded, epoch
from deploy.backup.embedded import Manifest, Refused
from deploy.backup.verify import faults
from shared import audit, migrate
from shared.clock import now
from shared.db import Database
from shared.settings import Settings


def bring_back(
    settings: Settings, database: Path, documents: Path | None, folder: Path, to: datetime | None
) -> tuple[Path, Manifest, list[str]]:
    """The backup that was taken, and what does not hold in it. `Refused` before anything is written.

    No service can start on it too early: the database has its name only when the new epoch is in it.
    """
    place, manifest = embedded.choose(folder, to)
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with embedded.alone(database.parent):
        embedded.need_empty(database, documents)
        return place, manifest, _put_back(settings, database, documents, place, manifest)


def _put_back(settings: Settings, database: Path, documents: Path | None, place: Path, manifest: Manifest) -> list[str]:
    if wrong := embedded.damaged(place, manifest):
        raise Refused(f"{place} is damaged: {', '.join(wrong[:10])}")
    aside = database.with_name(f".{database.name}.restoring")
    for end in embedded.BESIDE:
        aside.with_name(aside.name + end).unlink(missing_ok=True)
    embedded.unpack(place, manifest, aside, documents)
    with closing(Database(f"sqlite:///{aside}")) as db:
        service = epoch.service_of(db)
        migrate.upgrade(db.engine, service)
        found = list(faults(db, service, settings))  # while the keys of before are there, for which SECRET has to be theirs
        with db.write() as tx:
            at = now()
            audit.record(tx, at, "database.restored", actor="command", object=service, taken_at=manifest.taken_at)
            epoch.begin(tx, at, service, settings)
    aside.rename(database)
    embedded.flush(database.parent)
    return found
