"""What is kept, and how long: the only way to let go of bytes."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from docs_store.models import Document, DocumentVersion
from docs_store.problems import StillKept
from docs_store.store import Store
from shared.db import after_commit


def forget_version(tx: Session, store: Store, version: DocumentVersion, now: datetime) -> None:
    """Let go of a version's bytes and text; the row stays as the record that it was there.

    The bytes go once this is committed, unless another version has the same ones. `StillKept` for what is archived
    or whose span has not ended.
    """
    document = tx.get_one(Document, version.document_id)
    if document.immutable or (document.keep_until and now < document.keep_until):
        raise StillKept(until=document.keep_until.isoformat() if document.keep_until else None)
    version.state, version.text, version.folded = "forgotten", "", ""
    if document.current == version.number:
        document.current = None
    tx.flush()
    others = select(func.count()).where(DocumentVersion.sha256 == version.sha256, DocumentVersion.state != "forgotten")
    if not tx.scalar(others):
        sha256 = version.sha256
        after_commit(tx, lambda: store.forget(sha256))
