from datetime import datetime
from functools import partial

from sqlalchemy import delete
from sqlalchemy.orm import Session

from meetings.access.models import Administrator, EndedSession, is_known
from meetings.access.problems import InvalidLogoutToken
from meetings.live.models import Ticket
from shared import audit
from shared.db import after_commit, lock


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


def name_administrator(tx: Session, now: datetime, username: str) -> None:
    """Give an official the right to make bodies and import members."""
    tx.merge(Administrator(username=username))
    audit.record(tx, now, "administrator.named", object=username)
