"""The whole state of a meeting at one `seq`: what a screen starts from, and returns to after a cut."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from meetings.live.log import Level, head
from meetings.live.views import State, View

# Each room puts its part here (in meetings/app.py); `live` itself knows no room.
Part = Callable[[Session, str, Level], Any]
parts: dict[str, Part] = {}


class Snapshot(View):
    epoch: str
    seq: int
    state: State


def take(tx: Session, meeting_id: str, level: Level) -> Snapshot:
    """Must run in one reading transaction (`Database.read`), so that state and `seq` belong together."""
    log = head(tx, meeting_id)
    state = {name: part(tx, meeting_id, level) for name, part in parts.items()}
    return Snapshot(epoch=log.epoch, seq=log.seq, state=State(**state))
