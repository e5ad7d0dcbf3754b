"""Backups of the embedded default: SQLite by its online backup API, and the folder of documents.

`FOLDER/2026-11-22T01-45-06.123456Z` is one backup: `database.db`, `documents/` as they lie in the store (still sealed), and
`manifest.json` with the SHA-256 of each file. A document that an earlier backup has is linked to it, so each backup is whole,
and any may be removed.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from shared.clock import now

FORMAT = "dienhong-backup-1"
DATABASE, DOCUMENTS, MANIFEST, PARTIAL = "database.db", "documents", "manifest.json", ".partial"
BESIDE = ("", "-wal", "-shm", "-journal")  # files of one SQLite database


class Refused(Exception):
    """Nothing was done; the words say why."""


@dataclass(frozen=True)
class Manifest:
    """Hashes are those of the files as they lie in the backup; `documents` by path within the store."""

    service: str
    taken_at: str
    database: str
    documents: dict[str, str]
    format: str = FORMAT


def backup(service: str, database: Path, documents: Path | None, folder: Path) -> Path:
    """Make one backup while the service goes on; its folder. `Refused` where another one runs, or of another service."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(folder), _aside(folder / PARTIAL) as partial:
        earlier = backups(folder)
        if earlier and earlier[-1][1].service != service:
            raise Refused(f"{folder} holds backups of {earlier[-1][1].service}: a folder for each service")
        (partial / DOCUMENTS).mkdir(mode=0o700)
        known: dict[str, str] = {}
        # Before the database, for what may be let go of meanwhile, and after it, for what has come.
        _take_documents(documents, partial, earlier, known)
        taken_at = now()
        _take_database(database, partial / DATABASE)
        _take_documents(documents, partial, earlier, known)
        manifest = Manifest(service, taken_at.isoformat(), _hash(partial / DATABASE), known)
        _write(partial / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        for place in (*partial.glob(f"{DOCUMENTS}/*"), partial / DOCUMENTS, partial):
            flush(place)
        final = folder / f"{taken_at:%Y-%m-%dT%H-%M-%S.%fZ}"
        partial.rename(final)
        flush(folder)
        return final


def backups(folder: Path) -> list[tuple[Path, Manifest]]:
    """Every whole backup in the folder, oldest first; the folder may be one itself."""
    found = []
    for place in (folder, *folder.glob("[0-9]*")):
        if (place / MANIFEST).is_file():
            try:
                manifest = Manifest(**json.loads((place / MANIFEST).read_bytes()))
            except (ValueError, TypeError):
                manifest = None
            if manifest is None or manifest.format != FORMAT:
                raise Refused(f"{place}: not a backup of this kind")
            found.append((place, manifest))
    return sorted(found, key=lambda one: one[1].taken_at)


def remove_older(folder: Path, before: datetime) -> None:
    """Whole backups that were taken before then; one that is removed by half is no backup."""
    with alone(folder):
        for place, manifest in backups(folder):
            if datetime.fromisoformat(manifest.taken_at) < before:
                place.rename(folder / PARTIAL)
                shutil.rmtree(folder / PARTIAL)


def choose(folder: Path, to: datetime | None) -> tuple[Path, Manifest]:
    """The newest backup that is not later than `to`."""
    fitting = [one for one in backups(folder) if to is None or datetime.fromisoformat(one[1].taken_at) <= to]
    if not fitting:
        raise Refused(f"{folder}: no backup{f' from {to.isoformat()} or before' if to else ''}")
    return fitting[-1]


def need_empty(database: Path, documents: Path | None) -> None:
    """A restore never writes over anything."""
    taken = [path for end in BESIDE if (path := database.with_name(database.name + end)).exists()]
    if documents and documents.exists() and any(documents.iterdir()):
        taken.append(documents)
    if taken:
        raise Refused(f"not empty: {', '.join(map(str, taken))}; move it away first")


def damaged(place: Path, manifest: Manifest) -> list[str]:
    """Files of a backup that are not what was put there."""
    wanted = {DATABASE: manifest.database} | {f"{DOCUMENTS}/{name}": sha256 for name, sha256 in manifest.documents.items()}
    return [name for name, sha256 in wanted.items() if not (place / name).is_file() or _hash(place / name) != sha256]


def missing(place: Path, manifest: Manifest) -> list[str]:
    """Documents that the backup's database names, and that were not in the store: SHA-256 of each."""
    if manifest.service != "meetings":
        return []
    with closing(sqlite3.connect(f"{(place / DATABASE).resolve().as_uri()}?mode=ro", uri=True)) as copy:
        named = copy.execute("SELECT DISTINCT sha256 FROM document_version ORDER BY sha256")
        return [sha256 for (sha256,) in named if f"{sha256[:2]}/{sha256}" not in manifest.documents]


def unpack(place: Path, manifest: Manifest, database: Path, documents: Path | None) -> None:
    """Copy a backup's files to `database` and `documents`; durable on return."""
    for name in manifest.documents:
        if documents is None:
            raise Refused("the backup has documents: set STORAGE_URL to a folder")
        _copy(place / DOCUMENTS / name, documents / name)
        flush(documents)
    _copy(place / DATABASE, database)


def _take_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise Refused(f"{source}: {found}")
    os.chmod(target, 0o600)
    flush(target)


def _take_documents(source: Path | None, partial: Path, earlier: list[tuple[Path, Manifest]], known: dict[str, str]) -> None:
    for file in sorted(source.glob("[0-9a-f][0-9a-f]/[0-9a-f]*")) if source else ():
        name = f"{file.parent.name}/{file.name}"
        if name not in known:
            target = partial / DOCUMENTS / name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            if not (earlier and _linked(*earlier[-1], name, target)):
                _copy(file, target)
            known[name] = _hash(target)


def _linked(place: Path, manifest: Manifest, name: str, target: Path) -> bool:
    """The same document out of an earlier backup, if it is still what was put there."""
    if name not in manifest.documents or not (place / DOCUMENTS / name).is_file():
        return False
    try:
        os.link(place / DOCUMENTS / name, target)
    except OSError:  # a disk without links
        return False
    if _hash(target) != manifest.documents[name]:
        target.unlink()
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with source.open("rb") as read, open(target, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as written:
        shutil.copyfileobj(read, written)
    flush(target)
    flush(target.parent)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    flush(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Of a file, or of a folder's own entries: on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _aside(partial: Path) -> Iterator[Path]:
    """A fresh folder for its owner alone; what has no other name in the end goes, since it may have filled the disk."""
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """`Refused` where another backup or restore is at work in the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Refused(f"{folder}: another backup or restore is under way") from None
    finally:
        os.close(handle)
