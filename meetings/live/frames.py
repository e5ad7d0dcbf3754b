"""What goes over the socket. The client says where it stands, and casts ballots; the server says the rest."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from meetings.live.events import Logged
from meetings.live.snapshot import Snapshot
from meetings.live.views import View


class Said(BaseModel):
    """What a client says: known fields only, each of a pattern that leaves nothing to guard against."""

    model_config = ConfigDict(extra="forbid")


class Hello(Said):
    """Where the client stands: nothing yet (nulls), or the epoch and `seq` that it has applied."""

    type: Literal["hello"]
    epoch: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,64}$")] | None = None
    since: int | None = Field(None, ge=0)


class VoteCast(Said):
    """A ballot: the body of `POST .../ballots` and its idempotency key. A retry by either way gets the same receipt."""

    type: Literal["vote.cast"]
    poll_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")]
    choice: Literal["in_favour", "against", "abstaining"]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    replaces: Annotated[str, Field(pattern=r"^[a-f0-9]{0,64}$")] | None = None


class Receipt(View):
    """Proof that the ballot is in. The same for every retry, to the byte."""

    poll_id: str
    member_id: str
    turn: int
    choice: Literal["in_favour", "against", "abstaining"]
    cast_at: datetime
    receipt: str
    code: str


class VoteReceipt(View):
    """The ballot with this key is in, for good."""

    type: Literal["vote.receipt"] = "vote.receipt"
    key: str
    receipt: Receipt


class VoteRefused(View):
    """The same problem as over HTTP; a `status` of 500 and above decides nothing: the ballot may be in, and is sent again."""

    type: Literal["vote.refused"] = "vote.refused"
    key: str
    status: int
    code: str
    facts: dict[str, Any]


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
    """Members whose tablets are connected, to whichever process; for the desk only. Not part of the log.

    Who comes or goes at another process is told some seconds later; whom a process served that died, goes after 25 s.
    """

    type: Literal["presence"] = "presence"
    members: list[str]


class BridgeHealth(View):
    """How a bridge is heard, by all processes together."""

    online: int  # members
    relayed: int  # of them, those behind a relay
    delay: int | None  # median round trip of their sockets in ms; None: not yet measured
    seen_at: datetime | None  # when somebody was last heard
    unsteady: bool  # nobody at the moment, all too late, or members come and go


class BridgesFrame(View):
    """How the bridges are heard, every 5 s where something changed; for the desk only. Not part of the log.

    Bridges that nobody has been seen at for half an hour are left out.
    """

    type: Literal["bridges"] = "bridges"
    at: datetime
    bridges: dict[str, BridgeHealth]


class HeartbeatFrame(View):
    """Every 15 s. A client whose `seq` is behind `head` for a second beat says `hello` again."""

    type: Literal["heartbeat"] = "heartbeat"
    head: int


Frame = SnapshotFrame | EventsFrame | TurnoutFrame | PresenceFrame | BridgesFrame | HeartbeatFrame | VoteReceipt | VoteRefused
