"""The one instant of a request."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request


def now() -> datetime:
    """The present instant, aware, in UTC. The only caller of `datetime.now` in the project."""
    return datetime.now(UTC)


async def instant(request: Request) -> datetime:
    """The same for a route; `async`, since a plain dependency costs a turn of the thread pool."""
    instant: datetime = request.app.dependency_overrides.get(now, now)()
    return instant


Now = Annotated[datetime, Depends(instant)]
