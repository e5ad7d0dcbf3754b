"""A grant with its session and its person, as one read gives them; and whether it still lives."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.login.models import SignInSession
from idp.login.rules import is_fresh
from idp.oidc.models import Artifact, Grant
from idp.oidc.store import Kind
from idp.settings import IdpSettings
from idp.units.models import Unit
from shared.ids import digest
from shared.prepared import Prepared


class Living(NamedTuple):
    grant_id: str
    client_id: str
    account_id: str
    session_id: str
    scopes: list[str]
    nonce: str | None
    asked: dict[str, Any]
    key: dict[str, str]
    acr: str
    amr: list[str]
    auth_time: datetime
    offline: bool
    expires_at: datetime | None
    revoked_at: datetime | None
    session_seen_at: datetime
    session_expires_at: datetime
    session_ended_at: datetime | None
    active: bool
    username: str
    full_name: str
    honorific: str
    email: str
    email_verified: bool
    phone: str
    phone_verified: bool
    address: str
    post: str
    updated_at: datetime
    unit_code: str | None
    unit_name: str | None

    def is_living(self, now: datetime, settings: IdpSettings) -> bool:
        """Not revoked, its account open, and its session alive; one with `offline` outlives its session (Core, 11)."""
        if self.revoked_at is not None or not self.active or (self.expires_at is not None and now >= self.expires_at):
            return False
        fresh = is_fresh(now, self.session_seen_at, self.session_expires_at, settings.session_idle)
        return self.offline or (self.session_ended_at is None and fresh)


_g, _s, _a, _u = Grant, SignInSession, Account, Unit
_alone_revoked = exists().where(Artifact.kind == Kind.REVOKED, Artifact.digest == bindparam("jti"))
_READ = Prepared(
    select(
        *(
            _g.id,
            _g.client_id,
            _g.account_id,
            _g.session_id,
            _g.scopes,
            _g.nonce,
            _g.asked,
            _g.key,
            _g.acr,
            _g.amr,
            _g.auth_time,
        ),
        *(_g.offline, _g.expires_at, _g.revoked_at, _s.last_seen_at, _s.expires_at, _s.ended_at),
        *(_a.active, _a.username, _a.full_name, _a.honorific, _a.email, _a.email_verified, _a.phone, _a.phone_verified),
        *(_a.address, _a.post, _a.updated_at, _u.code, _u.name),
    )
    .select_from(_g)
    .join(_s, _s.id == _g.session_id)
    .join(_a, _a.id == _g.account_id)
    .outerjoin(_u, _u.id == _a.unit_id)
    .where(_g.id == bindparam("id"), ~_alone_revoked)
)


def read_grant(tx: Session, grant_id: str, jti: str = "") -> Living | None:
    """None as well where the token `jti` was revoked by itself."""
    row = _READ.one(tx, id=grant_id, jti=digest(jti) if jti else "")
    return Living._make(row) if row else None
