"""The one instant of a request."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends


def now() -> datetime:
    """The present instant, aware, in UTC. The only caller of `datetime.now` in the project."""
    return datetime.now(UTC)


Now = Annotated[datetime, Depends(now)]
