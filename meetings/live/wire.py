"""What every body of a request has in common."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

WORDS = r"[^\s\x1c-\x1f]"  # a pattern: something is left when Python has stripped it


class Wire(BaseModel):
    """A field that is not known is an error, not a silence. So is a NUL in a text: PostgreSQL keeps none, SQLite would."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_nul(cls, body: Any) -> Any:
        if any("\x00" in text for text in _texts(body)):
            raise ValueError("NUL in a text")
        return body


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict):
        for value in body.values():
            yield from _texts(value)
