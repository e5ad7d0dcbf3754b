"""The store of this process, and an uploaded file that has been inspected and stored before any transaction begins."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, UploadFile

from docs_store import pdf
from docs_store.pdf import Inspected
from docs_store.places import free_bytes
from docs_store.problems import NoRoom
from docs_store.store import Blob, Store
from meetings.agenda.door import Preparing
from shared.db import Database


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


Shelf = Annotated[Store, Depends(_store)]


def is_nearly_full(db: Database, store: Store) -> bool:
    """The disk under the documents, or that under an embedded database."""
    return store.free()[1] or (db.folder is not None and free_bytes(db.folder)[1])


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    blob: Blob
    found: Inspected


def _take_in(request: Request, _seat: Preparing, store: Shelf, file: UploadFile) -> Upload:
    if is_nearly_full(request.app.state.db, store):
        raise NoRoom()
    name = (file.filename or "tai-lieu.pdf")[:200]
    found = pdf.intake(file.file.read(), name)
    return Upload(name=name, blob=store.put(found.data), found=found)


TakenIn = Annotated[Upload, Depends(_take_in)]
