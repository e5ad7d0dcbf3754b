"""Every event of a meeting, one class each.

An event carries the whole new view of what it changed, so applying it twice or to an older snapshot does no harm.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from meetings.live.views import (
    AttendanceView,
    BridgeView,
    ItemView,
    MeetingView,
    MemberView,
    MinutesView,
    PaperView,
    PollView,
    QuorumView,
    SpeechView,
    View,
)


class MeetingPublished(View):
    type: Literal["meeting.published"] = "meeting.published"
    meeting: MeetingView


class MeetingChanged(View):
    type: Literal["meeting.changed"] = "meeting.changed"
    meeting: MeetingView


class MeetingOpened(View):
    type: Literal["meeting.opened"] = "meeting.opened"
    meeting: MeetingView


class MeetingAdjourned(View):
    type: Literal["meeting.adjourned"] = "meeting.adjourned"
    meeting: MeetingView


class MeetingClosed(View):
    type: Literal["meeting.closed"] = "meeting.closed"
    meeting: MeetingView


class ItemEntered(View):
    """The house turned to another item of the agenda."""

    type: Literal["item.entered"] = "item.entered"
    meeting: MeetingView


class PageLed(View):
    """The chair shows a page to all, or (lead null) lets go."""

    type: Literal["page.led"] = "page.led"
    meeting: MeetingView


class MembersChanged(View):
    type: Literal["members.changed"] = "members.changed"
    members: dict[str, MemberView]
    quorum: QuorumView


class AgendaChanged(View):
    type: Literal["agenda.changed"] = "agenda.changed"
    agenda: dict[str, ItemView]


class PaperPublished(View):
    type: Literal["paper.published"] = "paper.published"
    paper: PaperView


class PaperWithdrawn(View):
    type: Literal["paper.withdrawn"] = "paper.withdrawn"
    paper: PaperView


class NoteShared(View):
    """A shared note is new, changed or gone; the reader of that paper fetches its notes anew."""

    type: Literal["note.shared"] = "note.shared"
    paper_id: str
    note_id: str


class MemberCheckedIn(View):
    type: Literal["member.checked_in"] = "member.checked_in"
    attendance: AttendanceView
    quorum: QuorumView


class MemberMarked(View):
    """The secretary called the roll, or noted an absence or a departure."""

    type: Literal["member.marked"] = "member.marked"
    attendance: AttendanceView
    quorum: QuorumView
    reason: str


class BridgeStands(View):
    """Somebody is online there for the first time, nobody is any more, somebody is again, or its roll was closed."""

    type: Literal["bridge.joined", "bridge.lost", "bridge.returned", "bridge.rolled"]
    bridge: BridgeView
    quorum: QuorumView


class BridgesChanged(View):
    """The list of bridges, or who sits at which."""

    type: Literal["bridges.changed"] = "bridges.changed"
    bridges: dict[str, BridgeView]
    members: dict[str, MemberView]
    quorum: QuorumView


class BridgeNoted(View):
    """The desk wrote something down about a bridge."""

    type: Literal["bridge.noted"] = "bridge.noted"
    bridge_id: str
    text: str


class SpeechRequested(View):
    type: Literal["speech.requested"] = "speech.requested"
    speech: SpeechView


class SpeechWithdrawn(View):
    type: Literal["speech.withdrawn"] = "speech.withdrawn"
    speech: SpeechView


class SpeechMoved(View):
    type: Literal["speech.moved"] = "speech.moved"
    speeches: dict[str, SpeechView]


class FloorGiven(View):
    type: Literal["floor.given"] = "floor.given"
    speech: SpeechView


class FloorPaused(View):
    type: Literal["floor.paused"] = "floor.paused"
    speech: SpeechView


class FloorResumed(View):
    type: Literal["floor.resumed"] = "floor.resumed"
    speech: SpeechView


class FloorExtended(View):
    type: Literal["floor.extended"] = "floor.extended"
    speech: SpeechView


class SpeechEnded(View):
    type: Literal["speech.ended"] = "speech.ended"
    speech: SpeechView


class PollPrepared(View):
    type: Literal["poll.prepared"] = "poll.prepared"
    poll: PollView


class PollOpened(View):
    type: Literal["poll.opened"] = "poll.opened"
    poll: PollView


class PollExtended(View):
    type: Literal["poll.extended"] = "poll.extended"
    poll: PollView


class PollClosed(View):
    """Told to all without its result, which comes with `OutcomeDeclared`."""

    type: Literal["poll.closed"] = "poll.closed"
    poll: PollView


class PollCounted(View):
    """The result, for the desk alone until the chair declares it."""

    type: Literal["poll.counted"] = "poll.counted"
    poll: PollView


class OutcomeDeclared(View):
    type: Literal["outcome.declared"] = "outcome.declared"
    poll: PollView


class MinutesDrafted(View):
    type: Literal["minutes.drafted"] = "minutes.drafted"
    minutes: MinutesView


class MinutesFrozen(View):
    type: Literal["minutes.frozen"] = "minutes.frozen"
    minutes: MinutesView


class MinutesSigned(View):
    type: Literal["minutes.signed"] = "minutes.signed"
    minutes: MinutesView


class MinutesProved(View):
    """The proofs that could not be had when they were signed stand in them now."""

    type: Literal["minutes.proved"] = "minutes.proved"
    minutes: MinutesView


class MinutesReturned(View):
    """The chair sent the frozen minutes back; the reason stands in the log."""

    type: Literal["minutes.returned"] = "minutes.returned"
    minutes: MinutesView
    reason: str


AnyEvent = Annotated[
    MeetingPublished
    | MeetingChanged
    | MeetingOpened
    | MeetingAdjourned
    | MeetingClosed
    | ItemEntered
    | PageLed
    | MembersChanged
    | AgendaChanged
    | PaperPublished
    | PaperWithdrawn
    | NoteShared
    | MemberCheckedIn
    | MemberMarked
    | BridgeStands
    | BridgesChanged
    | BridgeNoted
    | SpeechRequested
    | SpeechWithdrawn
    | SpeechMoved
    | FloorGiven
    | FloorPaused
    | FloorResumed
    | FloorExtended
    | SpeechEnded
    | PollPrepared
    | PollOpened
    | PollExtended
    | PollClosed
    | PollCounted
    | OutcomeDeclared
    | MinutesDrafted
    | MinutesFrozen
    | MinutesSigned
    | MinutesProved
    | MinutesReturned,
    Field(discriminator="type"),
]
event_adapter: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


class Logged(View):
    """An event with its place in the log."""

    seq: int
    at: datetime
    event: AnyEvent
