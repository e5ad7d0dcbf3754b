"""Server-side sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from sqlalchemy import Table, bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.login.cookies import session_token
from idp.login.models import Remembered, SignInSession
from idp.login.rules import PASSWORD, is_fresh
from idp.settings import IdpSettings
from shared import audit
from shared.clock import Now
from shared.db import Database, forget_written
from shared.ids import digest, new_id, new_token
from shared.jobs import enqueue
from shared.prepared import Prepared
from shared.transactions import Tx

ENDED = "session-ended"  # the job that tells the applications
JOB_AFTER = timedelta(seconds=5)  # the page that follows a sign-out tells them itself, and needs to know what they answered
TOUCH_EVERY = timedelta(minutes=1)
AT_ONCE = 100  # sessions that are ended in one transaction


def start_session(
    tx: Session,
    now: datetime,
    settings: IdpSettings,
    account_id: str,
    before: "Seen | None",
    *,
    device: str,
    user_agent: str,
    acr: str = PASSWORD,
    amr: Sequence[str] = ("pwd",),
) -> str:
    """Sign in after the right password; the new secret for the cookie, whatever the browser held `before` (session fixation).

    The same person proving again who they are keeps the session, so their other applications stay signed in;
    another person's session in this browser ends.
    """
    audit.hold(tx)
    token = new_token()
    if before and before.account_id != account_id:
        end_session(tx, now, tx.get_one(SignInSession, before.id), reason="replaced")
        before = None
    proof: dict[str, Any] = {"digest": digest(token), "auth_time": now, "last_seen_at": now, "acr": acr, "amr": list(amr)}
    proof["expires_at"] = now + settings.session_absolute
    session_id = before.id if before else new_id()
    if before:
        _RENEW.run(tx, id_=session_id, **proof)
    else:
        _START.run(tx, id=session_id, account_id=account_id, user_agent=user_agent[:300], **proof)
    _remember(tx, now, device, account_id)
    audit.record(tx, now, "session.renewed" if before else "session.started", actor=account_id, object=session_id)
    return token


def _remember(tx: Session, now: datetime, device: str, account_id: str) -> None:
    _REMEMBER[tx.get_bind().dialect.name].run(tx, device=device, account_id=account_id, at=now)


def is_alive(session: SignInSession, now: datetime, settings: IdpSettings) -> bool:
    """Not ended, not idle for too long, not too old, and its account is still open."""
    fresh = is_fresh(now, session.last_seen_at, session.expires_at, settings.session_idle)
    return session.ended_at is None and fresh and session.account.active


def touch(tx: Session, session: SignInSession, now: datetime) -> None:
    """Use keeps a session from going idle; written at most once a minute."""
    if now - session.last_seen_at > TOUCH_EVERY:
        audit.hold(tx)
        session.last_seen_at = now


def end_session(tx: Session, now: datetime, session: SignInSession, *, reason: str) -> None:
    """End it; every grant given in it is dead from this instant, since a grant lives no longer than its session."""
    audit.hold(tx)
    tx.refresh(session, ["ended_at"])  # of two who end it at once, one does
    if session.ended_at is None:
        session.ended_at = now
        forget_written(tx)
        audit.record(tx, now, "session.ended", actor=session.account_id, object=session.id, reason=reason)
        enqueue(tx, ENDED, {"session": session.id}, now + JOB_AFTER, unique_key=f"{ENDED}:{session.id}")


def end_expired(db: Database, now: datetime, settings: IdpSettings) -> int:
    """End sessions that have run out, some at once, so that the applications hear of it as of a sign-out; how many."""
    over = or_(SignInSession.expires_at <= now, SignInSession.last_seen_at < now - settings.session_idle)
    # Who has idled that long began no later; and in order, for else PostgreSQL expects more of them and reads the whole table.
    near = SignInSession.expires_at <= now + max(settings.session_absolute - settings.session_idle, timedelta(0))
    found = select(SignInSession.id).where(SignInSession.ended_at.is_(None), near, over).order_by(SignInSession.expires_at)
    with db.read() as tx:
        if not (ids := tx.scalars(found.limit(AT_ONCE)).all()):
            return 0
    with db.write() as tx:
        audit.hold(tx)
        rows = select(SignInSession).where(SignInSession.id.in_(ids), SignInSession.ended_at.is_(None), over)
        sessions = list(tx.scalars(rows.with_for_update(of=SignInSession, skip_locked=True)))
        for session in sessions:
            end_session(tx, now, session, reason="expired")
    return len(sessions)


def living_sessions(tx: Session, now: datetime, settings: IdpSettings, account_id: str) -> list[SignInSession]:
    """Of one account, newest use first."""
    rows = select(SignInSession).where(SignInSession.account_id == account_id, SignInSession.ended_at.is_(None))
    found = tx.scalars(rows.order_by(SignInSession.last_seen_at.desc()))
    return [session for session in found if is_alive(session, now, settings)]


@dataclass(frozen=True, slots=True)
class Seen:
    """The living session of a browser, as much of it as a grant needs."""

    id: str
    account_id: str
    auth_time: datetime
    acr: str
    amr: list[str]


_s = SignInSession
_TABLE = cast(Table, SignInSession.__table__)
_SEEN = Prepared(
    select(_s.id, _s.account_id, _s.auth_time, _s.acr, _s.amr, _s.last_seen_at, _s.expires_at)
    .join(Account, Account.id == _s.account_id)
    .where(_s.digest == bindparam("digest_"), _s.ended_at.is_(None), Account.active)
)
_PROOF = ("digest", "auth_time", "last_seen_at", "acr", "amr", "expires_at")
_START = Prepared(insert(_TABLE), "id", "account_id", "user_agent", *_PROOF)
_KEY = ["device", "account_id"]
_REMEMBER = {
    name: Prepared(here.on_conflict_do_update(index_elements=_KEY, set_={"at": here.excluded.at}), *_KEY, "at")
    for name, here in (("postgresql", postgresql.insert(Remembered)), ("sqlite", sqlite.insert(Remembered)))
}
_RENEW = Prepared(update(_TABLE).where(_TABLE.c.id == bindparam("id_")), *_PROOF)


def seen_session(tx: Session, request: Request, now: datetime, settings: IdpSettings, *, use: bool = True) -> Seen | None:
    """What `Current` gives a page, in one short read for the endpoints that every sign-in passes; `use`: it does not idle."""
    token = session_token(request)
    row = _SEEN.one(tx, digest_=digest(token)) if token else None
    if row is None:
        return None
    seen, last_seen_at, expires_at = Seen(*row[:5]), row[5], row[6]
    if not is_fresh(now, last_seen_at, expires_at, settings.session_idle):
        return None
    if use and now - last_seen_at > TOUCH_EVERY:
        audit.hold(tx)
        tx.connection().execute(update(SignInSession).where(_s.id == seen.id).values(last_seen_at=now))
    return seen


def _current(request: Request, tx: Tx, now: Now) -> SignInSession | None:
    token = session_token(request)
    if not token:
        return None
    session = tx.scalars(select(SignInSession).where(SignInSession.digest == digest(token))).first()
    if session is None or not is_alive(session, now, request.app.state.settings):
        return None
    touch(tx, session, now)
    return session


Current = Annotated[SignInSession | None, Depends(_current)]
