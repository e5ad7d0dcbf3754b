"""What goes over the socket. The server speaks; the client says only `hello`."""

from typing import Literal

from pydantic import Field

from meetings.live.events import Logged
from meetings.live.snapshot import Snapshot
from meetings.live.views import View
from meetings.live.wire import Wire


class Hello(Wire):
    """Where the client stands: nothing yet (nulls), or the epoch and `seq` that it has applied."""

    type: Literal["hello"]
    epoch: str | None = Field(None, max_length=64)
    since: int | None = Field(None, ge=0)


class SnapshotFrame(View):
    type: Literal["snapshot"] = "snapshot"
    snapshot: Snapshot


class EventsFrame(View):
    """The visible events in (after, up_to]; what is hidden from this reader shows only as numbers that pass."""

    type: Literal["events"] = "events"
    after: int
    up_to: int
    events: list[Logged]


class TurnoutFrame(View):
    """How many have voted in the open poll; never which way. Not part of the log."""

    type: Literal["turnout"] = "turnout"
    poll_id: str
    cast: int
    missing: list[str]  # members present who have not voted; for the desk only, else empty


class PresenceFrame(View):
    """Members whose tablets are connected; for the desk only. Not part of the log."""

    type: Literal["presence"] = "presence"
    members: list[str]


class HeartbeatFrame(View):
    """Every 15 s. A client whose `seq` is behind `head` for a second beat says `hello` again."""

    type: Literal["heartbeat"] = "heartbeat"
    head: int


Frame = SnapshotFrame | EventsFrame | TurnoutFrame | PresenceFrame | HeartbeatFrame
