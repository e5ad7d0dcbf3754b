"""After a restore: nothing that was issued before counts any more. What was used, ended or revoked in the lost stretch is
unknown, and a code or a session of that time must not come back to life."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from idp.clients.models import InitialAccessToken
from idp.keys.actions import rotate_keys
from idp.login.factors import spend_codes
from idp.login.models import AuthorizationRequest, SignInSession
from idp.login.sessions import end_session
from idp.oidc.issuing import GRANTS
from idp.oidc.models import Artifact, SignOut
from idp.oidc.store import Kind
from shared import audit
from shared.db import lock
from shared.settings import Settings

AGAINST_REPLAY = (Kind.REVOKED, Kind.ASSERTION, Kind.PROOF)  # what is remembered, not given out


def begin_epoch(tx: Session, now: datetime, settings: Settings) -> None:
    """End every session, with notice to its applications, and every grant; forget what waits to be redeemed; sign with new
    keys, so that a token that nobody here knows of is refused everywhere."""
    lock(tx, "signing-keys")  # before the audit record, as who makes keys does
    audit.hold(tx)
    for session in tx.scalars(select(SignInSession).where(SignInSession.ended_at.is_(None), SignInSession.expires_at > now)):
        end_session(tx, now, session, reason="epoch")
    tx.execute(update(SignInSession).where(SignInSession.ended_at.is_(None)).values(ended_at=now))
    tx.connection().execute(update(GRANTS).where(GRANTS.c.revoked_at.is_(None)).values(revoked_at=now))
    tx.execute(delete(Artifact).where(Artifact.kind.not_in(AGAINST_REPLAY)))
    for table in (AuthorizationRequest, SignOut, InitialAccessToken):
        tx.execute(delete(table))
    spend_codes(tx, now)
    rotate_keys(tx, now, settings, compromised=True)
    audit.record(tx, now, "epoch.begun", actor="command")
