from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Base


class StoredKey(Base):
    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)
    algorithm: Mapped[str]
    sealed: Mapped[str]  # the private JWK, encrypted under a key derived from the service's secret
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]  # signs no more from then on, still published
