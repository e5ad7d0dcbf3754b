from datetime import datetime
from functools import partial

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from meetings.access.models import Administrator, EndedSession, Epoch, is_known
from meetings.access.problems import InvalidLogoutToken, LastAdministrator, NotAnAdministrator
from meetings.live import log
from meetings.live.models import Ticket
from shared import audit
from shared.db import after_commit, forget, lock


def end_session(tx: Session, now: datetime, sid: str, jti: str) -> None:
    """Refuse the sign-in's tokens and tickets and cut its sockets from now on; a repeated token changes nothing."""
    lock(tx, f"session:{sid}")
    if tx.get(EndedSession, sid):
        return
    if is_known(tx, jti):
        raise InvalidLogoutToken(reason="jti")
    tx.add(EndedSession(sid=sid, jti=jti, ended_at=now))
    tx.execute(delete(Ticket).where(Ticket.sid == sid))
    audit.record(tx, now, "session.ended", object=sid)
    if bus := tx.info.get("bus"):
        after_commit(tx, partial(bus.publish, f"ended:{sid}"))


def begin_epoch(tx: Session, now: datetime) -> None:
    """After a restore: every log goes on in a new epoch, and tokens and tickets of the time before are dead."""
    log.renew_epochs(tx)
    tx.execute(delete(Ticket))
    tx.merge(Epoch(began_at=now))
    forget(tx, "epoch")
    audit.record(tx, now, "epoch.begun", actor="command")


def name_administrator(tx: Session, now: datetime, username: str) -> None:
    """Give an official the right to make bodies and import members; named again, whoever then has the user name."""
    tx.merge(Administrator(username=username, subject=None))
    audit.record(tx, now, "administrator.named", object=username)


def remove_administrator(tx: Session, now: datetime, username: str) -> None:
    """Take the right away, from the next request on; of the last one never."""
    lock(tx, "administrators")  # two who take it from each other at once would leave none
    named = {row.username: row for row in tx.scalars(select(Administrator))}
    if username not in named:
        raise NotAnAdministrator(username=username)
    if len(named) == 1:
        raise LastAdministrator(username=username)
    tx.delete(named[username])
    audit.record(tx, now, "administrator.removed", object=username)


def bind_administrator(tx: Session, username: str, subject: str) -> bool:
    """The first sign-in ties the right to the issuer's lasting id of the person; whether it is this one's."""
    row = tx.get(Administrator, username, with_for_update=True)
    if row is None:  # taken away meanwhile
        return False
    row.subject = row.subject or subject
    return row.subject == subject
