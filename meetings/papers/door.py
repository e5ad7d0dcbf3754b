"""The store of this process, and an uploaded file that has been inspected and stored before any transaction begins."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, UploadFile

from docs_store import pdf
from docs_store.pdf import Inspected
from docs_store.store import Blob, Store
from meetings.agenda.door import Preparing


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


Shelf = Annotated[Store, Depends(_store)]


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    blob: Blob
    found: Inspected


def _take_in(_seat: Preparing, store: Shelf, file: UploadFile) -> Upload:
    name = (file.filename or "tai-lieu.pdf")[:200]
    found = pdf.intake(file.file.read(), name)
    return Upload(name=name, blob=store.put(found.data), found=found)


TakenIn = Annotated[Upload, Depends(_take_in)]
