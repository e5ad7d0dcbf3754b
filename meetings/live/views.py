"""The shapes in which a meeting's state goes over the wire: in snapshots, in events, in answers.

They stand in OpenAPI, so the web app gets its types from here. Times are UTC; ids are opaque.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Lead(View):
    """The page that the chair shows to all."""

    paper_id: str
    page: int  # 1-based


class MeetingView(View):
    id: str
    body_id: str
    body_name: str
    title: str
    kind: Literal["regular", "extraordinary", "thematic"]
    place: str
    starts_at: datetime
    stage: Literal["draft", "published", "open", "adjourned", "closed"]
    published_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    chair_id: str | None
    secretary_id: str | None
    current_item_id: str | None
    lead: Lead | None


class MemberView(View):
    id: str
    full_name: str
    honorific: str
    post: str
    group: str
    seat: str
    role: Literal["chair", "secretary", "member", "teller", "guest"]
    votes: bool
    place: int  # rank in the Vietnamese order of names
    bridge_id: str | None  # null: in the hall


class ItemView(View):
    id: str
    parent_id: str | None
    position: int
    number: str  # "3" or "3.1"
    title: str
    presenter: str
    minutes: int | None


class PaperView(View):
    id: str
    item_id: str
    title: str
    audience: Literal["all", "delegates", "desk"]
    version: int
    sha256: str
    pages: int
    size: int  # bytes
    published_at: datetime | None
    withdrawn: bool


class AttendanceView(View):
    member_id: str
    state: Literal["present", "excused", "absent"]
    how: Literal["tablet", "door", "roll_call"]
    at: datetime


class QuorumView(View):
    """`needed` of `total` members with a vote; `present` are here now."""

    total: int
    needed: int
    present: int
    reached: bool


class BridgeRoll(View):
    """The roll of a bridge as its lead closed it: members of the bridge who were there, of all its members."""

    present: int
    total: int
    at: datetime


class BridgeView(View):
    """A remote room of the body, and where it stands in this meeting.

    `waiting`: nobody has come online yet; `lost`: nobody has been online for half a minute. Whether its members count for the
    quorum while it is lost is the body's rule. Telephone and health are told beside the log, to the desk alone.
    """

    id: str
    name: str
    short: str
    cluster: str
    place: int  # rank: clusters as they were first named, the Vietnamese alphabet within each
    lead_id: str | None  # the member in charge
    state: Literal["waiting", "up", "lost"]
    since: datetime | None
    roll: BridgeRoll | None


class SpeechView(View):
    id: str
    member_id: str
    item_id: str | None
    kind: Literal["speech", "debate"]
    state: Literal["waiting", "speaking", "paused", "ended", "withdrawn"]
    position: int
    asked_at: datetime
    allotted: int  # seconds
    used: int  # seconds, up to `resumed_at`
    resumed_at: datetime | None  # the clock runs from here
    ended_at: datetime | None


class TallyView(View):
    """The four buckets of the law; `absent` tells how many of `not_voted` were not in the room."""

    in_favour: int
    against: int
    abstaining: int
    not_voted: int
    absent: int


class PollView(View):
    """`tally`, `outcome` and `check_code` are null until the poll is closed, and for all but the desk until it is declared."""

    id: str
    item_id: str
    number: str
    title: str
    kind: Literal["named"]
    majority: Literal["more_than_half", "two_thirds"]
    chair_breaks_tie: bool
    duration: int | None  # seconds
    stage: Literal["prepared", "open", "closed", "declared"]
    electorate: int  # all members with a vote, frozen at opening
    needed: int
    quorum: QuorumView | None  # as it was at opening
    opened_at: datetime | None
    closes_at: datetime | None
    closed_at: datetime | None
    tally: TallyView | None
    outcome: Literal["carried", "not_carried"] | None
    tie_decided_by_chair: bool
    check_code: str | None


class SignatureView(View):
    role: Literal["secretary", "chair"]
    member_id: str
    name: str
    signed_at: datetime
    timestamped: bool


class MinutesView(View):
    stage: Literal["draft", "frozen", "signed_by_secretary", "signed"]
    revision: int
    frozen_at: datetime | None
    sha256: str | None  # of the newest signed or frozen PDF
    signatures: list[SignatureView]


class State(View):
    """All that a participant's screen knows of a meeting; equal to the fold of its events."""

    meeting: MeetingView
    members: dict[str, MemberView]
    agenda: dict[str, ItemView]
    papers: dict[str, PaperView]
    attendance: dict[str, AttendanceView]
    bridges: dict[str, BridgeView]
    quorum: QuorumView
    speaking: dict[str, SpeechView]
    polls: dict[str, PollView]
    minutes: MinutesView | None
