from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from idp.accounts.rules import normal_username
from idp.units.models import Unit
from shared.db import Base


class Account(Base):
    """A person. `id` is the `sub` of every token; it never changes and is never used again."""

    __tablename__ = "account"

    id: Mapped[str] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    honorific: Mapped[str]  # one of rules.Honorific
    email: Mapped[str]
    email_verified: Mapped[bool]
    phone: Mapped[str]  # E.164, or empty
    phone_verified: Mapped[bool]
    address: Mapped[str]
    post: Mapped[str]
    unit_id: Mapped[str | None] = mapped_column(ForeignKey("unit.id"), index=True)
    active: Mapped[bool]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    unit: Mapped[Unit | None] = relationship(lazy="joined")

    @property
    def initials(self) -> str:
        """Of the middle and the given name, as on a name plate: Phạm Thị Ngọc Ánh is NA."""
        return "".join(word[0] for word in self.full_name.split()[-2:]).upper()


def find_by_username(tx: Session, typed: str) -> Account | None:
    return tx.scalars(select(Account).where(Account.username == normal_username(typed))).first()
