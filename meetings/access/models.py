from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Base


class EndedSession(Base):
    """A sign-in that the issuer ended by back-channel logout: its access tokens are refused until they expire."""

    __tablename__ = "ended_session"

    sid: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
    jti: Mapped[str] = mapped_column(unique=True)


class Administrator(Base):
    """Who may make bodies, import members and hand out rights; named by the issuer's user name."""

    __tablename__ = "administrator"

    username: Mapped[str] = mapped_column(primary_key=True)
