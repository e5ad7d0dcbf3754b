"""Documents and their versions. The tables live in the database of whoever imports them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Base

PAGE_BREAK = "\f"


class Document(Base):
    """One thing with versions; an immutable one takes no other version than itself with proofs added behind it."""

    __tablename__ = "document"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    current: Mapped[int | None]
    immutable: Mapped[bool] = mapped_column(default=False)
    keep_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class DocumentVersion(Base):
    """A version and what was read out of it; its bytes lie in the store under `sha256`."""

    __tablename__ = "document_version"

    document_id: Mapped[str] = mapped_column(ForeignKey("document.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int]
    pages: Mapped[int]
    name: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)  # NFC, pages parted by PAGE_BREAK
    folded: Mapped[str] = mapped_column(Text)  # the same for search without marks
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))  # held, withdrawn
