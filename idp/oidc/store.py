"""What the protocol keeps: `put`, `find`, `change`, `use` and `give_back`, `keep`, `remember`, `sweep`.

Kinds never mix: a code is no PAR id.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from idp.oidc.models import Artifact
from shared.ids import digest
from shared.prepared import Prepared

TABLE = cast(Table, Artifact.__table__)
_COLUMNS = (TABLE.c.grant_id, TABLE.c.body, TABLE.c.expires_at, TABLE.c.used_at)
_THIS = (TABLE.c.kind == bindparam("kind_"), TABLE.c.digest == bindparam("secret"))
_CHANGE = update(TABLE).where(*_THIS)
MOST_SWEPT = 2000
LONGEST_ACCESS = timedelta(hours=1)  # of an access token: see IdpSettings

_PUT = Prepared(insert(TABLE), "kind", "digest", "grant_id", "body", "expires_at")
_FIND = Prepared(select(*_COLUMNS).where(*_THIS))
_USE = Prepared(_CHANGE.where(TABLE.c.used_at.is_(None)).values(used_at=bindparam("now")).returning(*_COLUMNS))
_GIVE_BACK = Prepared(_CHANGE.values(used_at=bindparam("before")))
_KEEP = _CHANGE.values(expires_at=bindparam("until"))
_ANSWER = Prepared(_CHANGE.values(body=bindparam("body_"), grant_id=bindparam("grant_id_")))


class Kind(StrEnum):
    CODE = "code"
    REFRESH_TOKEN = "refresh-token"  # noqa: S105
    PUSHED = "pushed-request"
    DEVICE_CODE = "device-code"
    USER_CODE = "user-code"
    CIBA = "backchannel-request"
    REVOKED = "revoked-token"  # by `jti`
    ASSERTION = "client-assertion"  # by client and `jti`, against replay
    PROOF = "dpop-proof"  # by key and `jti`, against replay


@dataclass(frozen=True, slots=True)
class Found:
    grant_id: str | None
    body: dict[str, Any]
    expires_at: datetime
    used_at: datetime | None


def put(
    tx: Session,
    kind: str,
    secret: str,
    expires_at: datetime,
    *,
    grant_id: str | None = None,
    body: dict[str, Any] | None = None,
) -> None:
    _PUT.run(tx, kind=kind, digest=digest(secret), grant_id=grant_id, body=body or {}, expires_at=expires_at)


def find(tx: Session, kind: Kind, secret: str) -> Found | None:
    """Used or not, expired or not: the caller judges."""
    row = _FIND.one(tx, kind_=kind, secret=digest(secret))
    return Found(*row) if row else None


def use(tx: Session, kind: Kind, secret: str, now: datetime) -> Found | None:
    """Mark as used, once: of any number of callers at once, one alone gets it with `used_at` None; the others see when."""
    row = _USE.one(tx, kind_=kind, secret=digest(secret), now=now)
    return Found(row[0], row[1], row[2], None) if row else find(tx, kind, secret)


def give_back(tx: Session, kind: Kind, secret: str, found: Found) -> None:
    """Undo a `use` of this transaction."""
    _GIVE_BACK.run(tx, kind_=kind, secret=digest(secret), before=found.used_at)


def change(tx: Session, kind: Kind, secret: str, *, grant_id: str | None = None, **body: Any) -> None:
    """Add members to the body of one that is waiting (a device code that its person has answered)."""
    if known := find(tx, kind, secret):
        grant_id = grant_id or known.grant_id
        _ANSWER.run(tx, kind_=kind, secret=digest(secret), body_=known.body | body, grant_id_=grant_id)


def keep(tx: Session, kind: Kind, secret: str, until: datetime) -> None:
    """One that is used more than once lives on until then."""
    tx.connection().execute(_KEEP, {"kind_": kind, "secret": digest(secret), "until": until})


def remember(tx: Session, kind: Kind, secret: str, until: datetime) -> bool:
    """True the first time, False ever after (until it is swept): the memory against replay."""
    into = postgresql.insert if tx.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"kind": kind, "digest": digest(secret), "body": {}, "expires_at": until}
    done = tx.connection().execute(into(TABLE).on_conflict_do_nothing().returning(TABLE.c.kind), row)
    return done.one_or_none() is not None


def sweep(tx: Session, before: datetime) -> int:
    """Remove some of what expired before then; how many. In bites, so that no one waits long for the table.

    A code is kept for an hour longer, in which its second use still ends what came of the first.
    """
    key = tuple_(TABLE.c.kind, TABLE.c.digest)
    forgotten = or_(TABLE.c.kind != Kind.CODE, TABLE.c.expires_at < before - LONGEST_ACCESS)
    old = select(TABLE.c.kind, TABLE.c.digest).where(TABLE.c.expires_at < before, forgotten).limit(MOST_SWEPT)
    return tx.connection().execute(delete(TABLE).where(key.in_(old))).rowcount
