"""The one instant of a request."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends


def now() -> datetime:
    """The present instant, aware, in UTC. The only caller of `datetime.now` in the project."""
    return datetime.now(UTC)


async def instant() -> datetime:
    """The same for a route; `async`, since a plain dependency costs a turn of the thread pool."""
    return now()


Now = Annotated[datetime, Depends(instant)]
