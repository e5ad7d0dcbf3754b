"""Append a version, find one, choose which is current."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from docs_store.models import PAGE_BREAK, Document, DocumentVersion
from docs_store.problems import ArchivedDocument
from docs_store.store import Blob
from shared.db import lock
from shared.ids import new_id
from shared.problems import NotFound
from shared.words import fold, nfc


def create(tx: Session, now: datetime) -> Document:
    """A document without any version yet."""
    document = Document(id=new_id(), current=None, immutable=False, created_at=now)
    tx.add(document)
    tx.flush()
    return document


def append(
    tx: Session,
    document: Document,
    blob: Blob,
    now: datetime,
    *,
    name: str,
    added_by: str,
    pages: int = 0,
    text: Sequence[str] = (),
    warnings: Iterable[dict[str, Any]] = (),
    grown: bool = False,
) -> DocumentVersion:
    """Add the next version (1, 2, ...) and make it current; `text` is one string a page.

    `grown`: it is the current one with more proofs behind it, which an archived document takes too.
    """
    lock(tx, f"document:{document.id}")
    tx.refresh(document)
    if document.immutable and not grown:
        raise ArchivedDocument(document=document.id)
    last = tx.scalar(select(func.max(DocumentVersion.number)).where(DocumentVersion.document_id == document.id))
    joined = PAGE_BREAK.join(nfc(page).replace(PAGE_BREAK, " ") for page in text)
    version = DocumentVersion(
        document_id=document.id,
        number=(last or 0) + 1,
        sha256=blob.sha256,
        size=blob.size,
        pages=pages,
        name=nfc(name),
        added_by=added_by,
        added_at=now,
        text=joined,
        folded=fold(joined),
        warnings=list(warnings),
        state="held",
    )
    tx.add(version)
    document.current = version.number
    tx.flush()
    return version


def find(tx: Session, document_id: str, number: int | None = None) -> DocumentVersion:
    """The version `number`, or the current one; `NotFound` where there is none."""
    document = tx.get(Document, document_id)
    wanted = number if number is not None or document is None else document.current
    version = tx.get(DocumentVersion, (document_id, wanted)) if wanted else None
    if version is None:
        raise NotFound()
    return version


def withdraw(tx: Session, version: DocumentVersion) -> None:
    """Take a version back; the latest that is still held becomes current."""
    document = tx.get_one(Document, version.document_id)
    if document.immutable:
        raise ArchivedDocument(document=document.id)
    version.state = "withdrawn"
    tx.flush()
    held = select(func.max(DocumentVersion.number)).where(
        DocumentVersion.document_id == document.id, DocumentVersion.state == "held"
    )
    document.current = tx.scalar(held)


def archive(document: Document) -> None:
    """From now on no version is withdrawn, and none added but a grown one."""
    document.immutable = True


def pages_with(version: DocumentVersion, query: str) -> list[int]:
    """The pages (from 1) that have `query`; marks count only if the query has some."""
    wanted = nfc(query).casefold()
    plain = fold(wanted) == wanted
    pages = (version.folded if plain else version.text.casefold()).split(PAGE_BREAK)
    return [number for number, page in enumerate(pages, 1) if wanted in page]
