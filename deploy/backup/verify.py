"""Is everything in a database and its store what was put there? Names each thing that is not."""

from collections.abc import Iterator

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from shared import audit
from shared.db import Database
from shared.settings import Settings


def faults(db: Database, service: str, settings: Settings) -> Iterator[str]:
    """A line for each."""
    if db.is_sqlite:
        with db.engine.connect() as connection:
            yield from (f"database: {row[0]}" for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok")
    with db.read() as tx:
        yield from (f"audit event {seq}: {what}" for seq, what in audit.faults(tx))
        if service == "idp":
            yield from _faults_of_sealed(tx, settings)
        else:
            yield from _faults_of_meetings(tx)
            yield from _faults_of_documents(tx, settings)


def _faults_of_sealed(tx: Session, settings: Settings) -> Iterator[str]:
    """What idp cannot open with this `SECRET`."""
    from cryptography.exceptions import InvalidTag

    from idp.keys import actions as keys
    from idp.keys.models import StoredKey
    from idp.keys.sealing import unseal
    from idp.login import factors
    from idp.login.models import SecondFactor

    sealed = [(f"signing key {one.kid}", keys.PURPOSE, one.sealed) for one in tx.scalars(select(StoredKey))]
    sealed += [(f"second factor of {one.account_id}", factors.PURPOSE, one.sealed) for one in tx.scalars(select(SecondFactor))]
    for which, purpose, text_ in sealed:
        try:
            unseal(settings.secret.get_secret_value(), purpose, text_)
        except (InvalidTag, ValueError):
            yield f"{which}: does not open with this SECRET"


def _faults_of_meetings(tx: Session) -> Iterator[str]:
    from meetings.live import log
    from meetings.live.models import MeetingLog
    from meetings.minutes.evidence import collect
    from meetings.minutes.recount import recount
    from meetings.voting.check import altered
    from shared.problems import Problem

    for meeting_id in tx.scalars(select(MeetingLog.meeting_id).order_by(MeetingLog.meeting_id)).all():
        yield from (f"meeting {meeting_id}, {ballot}" for ballot in altered(tx, meeting_id))
        broken = log.faults(tx, meeting_id)
        yield from (f"meeting {meeting_id}, event {seq}: {what}" for seq, what in broken)
        if broken:
            continue  # its votes cannot be counted against it
        try:
            counted = recount(collect(tx, meeting_id))
        except (Problem, ValueError, LookupError) as error:
            yield f"meeting {meeting_id}: votes cannot be counted: {type(error).__name__}"
            continue
        for code, facts in counted.faults:
            yield f"meeting {meeting_id}: {code} {' '.join(map(str, facts.values()))}".rstrip()


def _faults_of_documents(tx: Session, settings: Settings) -> Iterator[str]:
    from docs_store.models import DocumentVersion
    from docs_store.problems import DamagedBlob, MissingBlob
    from docs_store.store import derive_key, open_store

    versions = tx.scalars(select(DocumentVersion).order_by(DocumentVersion.document_id, DocumentVersion.number)).all()
    if not versions:
        return
    store = open_store(settings.storage_url, derive_key(settings.secret.get_secret_value(), "documents"))
    for version in versions:
        which = f"document {version.document_id}, version {version.number} ({version.name}), {version.sha256}"
        try:
            size = store.check(version.sha256)
        except MissingBlob:
            yield f"{which}: missing"
        except DamagedBlob:
            yield f"{which}: damaged"
        else:
            if size != version.size:
                yield f"{which}: {size} bytes instead of {version.size}"
