from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.db import Base


class EndedSession(Base):
    """A sign-in that the issuer ended by back-channel logout: its access tokens are refused until they expire."""

    __tablename__ = "ended_session"

    sid: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
    jti: Mapped[str] = mapped_column(unique=True)


def is_known(tx: Session, jti: str) -> bool:
    return tx.scalar(select(EndedSession.sid).where(EndedSession.jti == jti)) is not None


def ended_among(tx: Session, sids: Collection[str]) -> set[str]:
    return set(tx.scalars(select(EndedSession.sid).where(EndedSession.sid.in_(sids))))


class Administrator(Base):
    """Who may make bodies, import members and hand out rights; named by the issuer's user name."""

    __tablename__ = "administrator"

    username: Mapped[str] = mapped_column(primary_key=True)
