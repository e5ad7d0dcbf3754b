"""Every ten minutes: forget what can no longer be used. Accounts, clients and consents stay."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from idp.keys.models import StoredKey
from idp.login.cookies import DEVICE_SECONDS
from idp.login.models import AuthorizationRequest, Remembered, SignInFailure
from idp.login.rules import FORGOTTEN_AFTER
from idp.oidc import store
from idp.oidc.issuing import GRANTS, SESSIONS
from idp.oidc.models import LogoutNotice, SignOut
from idp.oidc.store import TABLE
from shared import clock
from shared.db import Database
from shared.jobs import MAX_TRIES, Job, enqueue

SWEEP = "sweep"
KEPT = timedelta(days=2)  # no session lasts longer than one
EVERY = timedelta(minutes=10)


def plan_sweep(tx: Session, at: datetime) -> None:
    """One each ten minutes, however many processes ask for it."""
    enqueue(tx, SWEEP, {}, at, unique_key=f"{SWEEP}:{at:%Y-%m-%d %H:%M}"[:-1])


def sweep(db: Database, _body: dict[str, Any]) -> None:
    now = clock.now()
    with db.write() as tx:
        tx.execute(delete(AuthorizationRequest).where(AuthorizationRequest.expires_at < now))
        tx.execute(delete(SignOut).where(SignOut.at < now - KEPT))
        tx.execute(delete(SignInFailure).where(SignInFailure.last_at < now - FORGOTTEN_AFTER))
        # By then the device has lost its cookie.
        tx.execute(delete(Remembered).where(Remembered.at < now - timedelta(seconds=DEVICE_SECONDS)))
        tx.execute(delete(StoredKey).where(StoredKey.retired_at < now - KEPT))
        given_up = and_(Job.tries >= MAX_TRIES, Job.run_at < now - KEPT)
        tx.execute(delete(Job).where(or_(Job.done_at < now - KEPT, given_up)))
        plan_sweep(tx, now + EVERY)
    for bite in (store.sweep, _sweep_grants, _sweep_sessions):
        while _in_one_transaction(db, bite, now):
            pass  # others get their turn between two bites


def _in_one_transaction(db: Database, bite: Callable[[Session, datetime], int], now: datetime) -> int:
    with db.write() as tx:
        return bite(tx, now)


def _sweep_grants(tx: Session, now: datetime) -> int:
    """Grants that ended long ago, and on which nothing hangs any more; the audit record keeps their ids."""
    session_over = SESSIONS.c.expires_at < now - KEPT
    over = or_(GRANTS.c.revoked_at < now - KEPT, GRANTS.c.expires_at < now - KEPT, and_(~GRANTS.c.offline, session_over))
    hanging = exists().where(TABLE.c.grant_id == GRANTS.c.id)
    old = select(GRANTS.c.id).join(SESSIONS, SESSIONS.c.id == GRANTS.c.session_id).where(over, ~hanging).limit(store.MOST_SWEPT)
    return _gone(tx, delete(GRANTS).where(GRANTS.c.id.in_(old)))


def _sweep_sessions(tx: Session, now: datetime) -> int:
    hanging = exists().where(GRANTS.c.session_id == SESSIONS.c.id)
    old = select(SESSIONS.c.id).where(SESSIONS.c.expires_at < now - KEPT, ~hanging).limit(store.MOST_SWEPT)
    ids = tx.scalars(old).all()
    for table in (SignOut, LogoutNotice):
        tx.execute(delete(table).where(table.session_id.in_(ids)))
    return _gone(tx, delete(SESSIONS).where(SESSIONS.c.id.in_(ids)))


def _gone(tx: Session, statement: Delete) -> int:
    return tx.connection().execute(statement).rowcount
