"""Once a day: forget what can no longer be used. Sessions, grants and consents stay, since the audit record names them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from idp.keys.models import StoredKey
from idp.login.models import AuthorizationRequest, SignInFailure
from idp.oidc.models import AuthorizationCode, RefreshToken
from shared import clock
from shared.db import Database
from shared.jobs import enqueue

SWEEP = "sweep"
KEPT = timedelta(days=2)  # no session lasts longer than one


def plan_sweep(tx: Session, at: datetime) -> None:
    """One a day, however many processes ask for it."""
    enqueue(tx, SWEEP, {}, at, unique_key=f"{SWEEP}:{at:%Y-%m-%d}")


def sweep(db: Database, _body: dict[str, Any]) -> None:
    now = clock.now()
    with db.write() as tx:
        tx.execute(delete(AuthorizationRequest).where(AuthorizationRequest.expires_at < now - KEPT))
        tx.execute(delete(AuthorizationCode).where(AuthorizationCode.expires_at < now - KEPT))
        tx.execute(delete(RefreshToken).where(RefreshToken.issued_at < now - KEPT))
        tx.execute(delete(SignInFailure).where(SignInFailure.last_at < now - KEPT))
        tx.execute(delete(StoredKey).where(StoredKey.retired_at < now - KEPT))
        plan_sweep(tx, now + timedelta(days=1))
