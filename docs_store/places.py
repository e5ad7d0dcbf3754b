"""Where sealed blobs lie: a folder of this machine, or an S3-compatible service."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Protocol

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import MemoryStore, S3Store

from docs_store.problems import NoRoom
from shared.problems import Unavailable
from shared.turns import place

if TYPE_CHECKING:
    from obstore.store import ClientConfig

log = structlog.get_logger()

LEAST_FREE, LEAST_SHARE = 2 << 30, 0.10  # bytes, part of the disk: below either, no new paper is taken in
PATIENCE: "ClientConfig" = {"connect_timeout": "2s", "timeout": "8s"}  # of one request to a bucket, which is made twice at most
FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> tuple[int, bool]:
    """On the folder's disk; and whether what is left has to be kept for the votes, the log and the minutes."""
    usage = shutil.disk_usage(folder)
    return usage.free, usage.free < max(LEAST_FREE, LEAST_SHARE * usage.total)


class Place(Protocol):
    def write(self, path: str, chunks: Iterator[bytes]) -> None:
        """All or nothing; durable on return."""

    def read(self, path: str, start: int, end: int) -> bytes: ...

    def size(self, path: str) -> int | None:
        """None where there is nothing."""

    def delete(self, path: str) -> None: ...

    def free(self) -> tuple[int, bool]:
        """See `free_bytes`."""


class Folder:
    """Each object is written aside, flushed to the disk, then renamed; so is the folder's own entry."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, path: str, chunks: Iterator[bytes]) -> None:
        target = self._root / path
        aside = target.with_name(f".{secrets.token_hex(8)}")
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with open(aside, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except OSError as error:
            if error.errno in FULL:
                raise NoRoom() from None
            raise
        finally:
            aside.unlink(missing_ok=True)
        _flush_folder(target.parent)
        _flush_folder(self._root)

    def read(self, path: str, start: int, end: int) -> bytes:
        with (self._root / path).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self, path: str) -> int | None:
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._root / path).unlink()
            _flush_folder((self._root / path).parent)

    def free(self) -> tuple[int, bool]:
        return free_bytes(self._root)


class Bucket:
    """S3-compatible; address and keys come from the usual AWS_* variables. One that is away or silent is waited for in few
    threads, and not for long: the others conduct the meeting."""

    def __init__(self, store: S3Store | MemoryStore) -> None:
        self._store = store
        self._at_once = BoundedSemaphore(24)  # of 40 threads

    def write(self, path: str, chunks: Iterator[bytes]) -> None:
        with self._asked():
            obstore.put(self._store, path, chunks)

    def read(self, path: str, start: int, end: int) -> bytes:
        with self._asked():
            return bytes(obstore.get_range(self._store, path, start=start, end=end))

    def size(self, path: str) -> int | None:
        try:
            with self._asked():
                return int(obstore.head(self._store, path)["size"])
        except FileNotFoundError:
            return None

    def delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._asked():
            obstore.delete(self._store, path)

    def free(self) -> tuple[int, bool]:
        return 0, False  # its service says for itself when it is full

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        with place(self._at_once, 0.25):
            try:
                yield
            except FileNotFoundError:
                raise
            except BaseError as error:
                log.error("store.away", error=type(error).__name__, said=str(error)[:300])
                raise Unavailable() from error


def connect(url: str) -> Place:
    if url.startswith("s3://"):
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"  # read from there by itself only without options
        return Bucket(S3Store.from_url(url, client_options={**PATIENCE, "allow_http": plain}, retry_config={"max_retries": 1}))
    if url.startswith("memory://"):
        return Bucket(MemoryStore())
    if not url or "://" in url.removeprefix("file://"):
        raise ValueError(f"no store for {url!r}")
    return Folder(Path(url.removeprefix("file://")))


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
