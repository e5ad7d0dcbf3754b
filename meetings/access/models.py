from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.db import Base, kept
from shared.prepared import Prepared


class EndedSession(Base):
    """A sign-in that the issuer ended by back-channel logout: its access tokens are refused until they expire."""

    __tablename__ = "ended_session"

    sid: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(index=True)
    jti: Mapped[str] = mapped_column(unique=True)


def is_known(tx: Session, jti: str) -> bool:
    return tx.scalar(select(EndedSession.sid).where(EndedSession.jti == jti)) is not None


_ENDED = Prepared(select(EndedSession.sid).where(EndedSession.ended_at >= bindparam("since")))
_HAS_ENDED = Prepared(select(EndedSession.sid).where(EndedSession.sid == bindparam("sid")))


def has_ended(tx: Session, sid: str) -> bool:
    return _HAS_ENDED.one(tx, sid=sid) is not None


def ended_since(tx: Session, since: datetime) -> set[str]:
    return {sid for (sid,) in _ENDED.all(tx, since=since)}


class Epoch(Base):
    """One row a restore: tokens of the time before are refused, since what ended or was used in the lost stretch is unknown."""

    __tablename__ = "epoch"

    began_at: Mapped[datetime] = mapped_column(primary_key=True)


_LAST_EPOCH = Prepared(select(Epoch.began_at).order_by(Epoch.began_at.desc()).limit(1))


def epoch_began_at(tx: Session) -> datetime | None:
    return kept(tx, "epoch", lambda: next((began_at for (began_at,) in _LAST_EPOCH.all(tx)), None))


class Administrator(Base):
    """Who may make bodies, import members and hand out rights; named by the issuer's user name. `subject` is bound at the first
    sign-in and must agree ever after."""

    __tablename__ = "administrator"

    username: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str | None]
