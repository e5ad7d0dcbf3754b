from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from meetings.agenda import rules
from meetings.agenda.door import Seat
from meetings.agenda.models import AgendaItem, Meeting, agenda_view, items_of
from meetings.agenda.problems import AgendaEmpty, ItemInUse, MeetingChangedMeanwhile, NoQuorum
from meetings.agenda.rules import Node, Stage
from meetings.bodies.models import Member
from meetings.bodies.rules import Quorum, Role
from meetings.live import events, log
from shared import audit
from shared.ids import new_id
from shared.problems import NotFound
from shared.words import nfc


def create_meeting(
    tx: Session, now: datetime, *, body_id: str, actor: str, title: str, kind: str, place: str, starts_at: datetime
) -> Meeting:
    """A draft of a meeting, chaired by the body's chair and written up by its secretary."""
    posts = {role: tx.scalars(_holder(body_id, role)).first() for role in (Role.CHAIR, Role.SECRETARY)}
    meeting = Meeting(
        id=new_id(),
        body_id=body_id,
        title=nfc(title),
        kind=kind,
        place=nfc(place),
        starts_at=starts_at,
        stage=Stage.DRAFT,
        chair_id=posts[Role.CHAIR],
        secretary_id=posts[Role.SECRETARY],
    )
    tx.add(meeting)
    tx.flush()
    log.start(tx, meeting.id)
    audit.record(tx, now, "meeting.created", actor=actor, object=meeting.id)
    return meeting


def _holder(body_id: str, role: Role) -> Any:
    return select(Member.id).where(Member.body_id == body_id, Member.role == role, Member.active).order_by(Member.id)


def get_meeting(tx: Session, meeting_id: str) -> Meeting:
    """The meeting, its row locked until the transaction ends, so that two verbs cannot pass each other."""
    return tx.get_one(Meeting, meeting_id, with_for_update={"of": Meeting})


def get_unclosed(tx: Session, meeting_id: str) -> Meeting:
    """The same; refused of a meeting that is closed, since nothing of it changes any more but its minutes."""
    meeting = get_meeting(tx, meeting_id)
    rules.need_stage(Stage(meeting.stage), Stage.DRAFT, Stage.PUBLISHED, Stage.OPEN, Stage.ADJOURNED)
    return meeting


def change_meeting(tx: Session, now: datetime, seat: Seat, was: Mapping[str, Any] | None = None, **changes: Any) -> None:
    """Title, place, kind, starting time, chair or secretary; the last two must be members of the body.

    Refused where a field is by now another than it `was`.
    """
    meeting = get_meeting(tx, seat.meeting_id)
    rules.need_stage(Stage(meeting.stage), Stage.DRAFT, Stage.PUBLISHED)
    if any(getattr(meeting, name) != value for name, value in (was or {}).items()):
        raise MeetingChangedMeanwhile(meeting=meeting.view().model_dump(mode="json"))
    for name, value in changes.items():
        if name in ("chair_id", "secretary_id") and _member_of_body(tx, meeting, value) is None:
            raise NotFound()
        setattr(meeting, name, nfc(value) if name in ("title", "place") else value)
    log.drop_tickets(tx, meeting.id)
    _log(tx, now, seat, meeting, events.MeetingChanged(meeting=meeting.view()))


def _member_of_body(tx: Session, meeting: Meeting, member_id: str) -> Member | None:
    member = tx.get(Member, member_id)
    return member if member and member.active and member.body_id == meeting.body_id else None


def _log(tx: Session, now: datetime, seat: Seat, meeting: Meeting, event: events.AnyEvent) -> None:
    log.append(tx, now, meeting.id, event, actor=seat.actor, level=meeting.seen_from)


# --- the agenda ---


def add_item(
    tx: Session, now: datetime, seat: Seat, *, parent_id: str | None, title: str, presenter: str, minutes: int | None
) -> str:
    """Append an item under `parent_id` (None: first level); its id."""
    meeting = get_unclosed(tx, seat.meeting_id)
    if parent_id:
        get_item(tx, meeting.id, parent_id)
    nodes = [item.node for item in items_of(tx, meeting.id)]
    last = sum(node.parent_id == parent_id for node in nodes)
    new = AgendaItem(
        id=new_id(),
        meeting_id=meeting.id,
        parent_id=None,
        position=len(nodes),
        title=nfc(title),
        presenter=nfc(presenter),
        minutes=minutes,
    )
    _place(tx, [*nodes, new.node], new, parent_id, last)
    _log_agenda(tx, now, seat, meeting)
    return new.id


def _place(tx: Session, nodes: list[Node], item: AgendaItem, parent_id: str | None, position: int) -> None:
    moved = rules.move(nodes, item.id, parent_id, position)
    tx.add(item)
    tx.flush()
    for node in moved:
        row = tx.get_one(AgendaItem, node.id)
        row.parent_id, row.position = node.parent_id, node.position
    tx.flush()


def change_item(
    tx: Session, now: datetime, seat: Seat, item_id: str, *, title: str, presenter: str, minutes: int | None
) -> None:
    meeting = get_unclosed(tx, seat.meeting_id)
    item = get_item(tx, meeting.id, item_id)
    item.title, item.presenter, item.minutes = nfc(title), nfc(presenter), minutes
    _log_agenda(tx, now, seat, meeting)


def move_item(tx: Session, now: datetime, seat: Seat, item_id: str, *, parent_id: str | None, position: int) -> None:
    """Make the item the `position`-th child (from 0) of `parent_id`."""
    meeting = get_unclosed(tx, seat.meeting_id)
    item = get_item(tx, meeting.id, item_id)
    if parent_id:
        get_item(tx, meeting.id, parent_id)
    _place(tx, [row.node for row in items_of(tx, meeting.id)], item, parent_id, position)
    _log_agenda(tx, now, seat, meeting)


def remove_item(tx: Session, now: datetime, seat: Seat, item_id: str) -> None:
    """Take an item without sub-items out; refused when something hangs on it (papers, polls, speeches)."""
    meeting = get_unclosed(tx, seat.meeting_id)
    item = get_item(tx, meeting.id, item_id)
    refusal = ItemInUse(title=item.title)  # made now: after a failed flush nothing can be read any more
    rows = items_of(tx, meeting.id)
    if meeting.current_item_id == item_id or any(row.parent_id == item_id for row in rows):
        raise refusal
    later = [row for row in rows if row.parent_id == item.parent_id and row.position > item.position]
    tx.delete(item)
    try:
        tx.flush()
    except IntegrityError:  # a paper, poll or speech refers to it
        raise refusal from None
    for row in later:
        row.position -= 1
    tx.flush()
    _log_agenda(tx, now, seat, meeting)


def get_item(tx: Session, meeting_id: str, item_id: str) -> AgendaItem:
    item = tx.get(AgendaItem, item_id)
    if item is None or item.meeting_id != meeting_id:
        raise NotFound()
    return item


def _log_agenda(tx: Session, now: datetime, seat: Seat, meeting: Meeting) -> None:
    _log(tx, now, seat, meeting, events.AgendaChanged(agenda=agenda_view(tx, meeting.id)))


# --- the life of a meeting ---


def publish(tx: Session, now: datetime, seat: Seat) -> bool:
    """Let the members know of it; True the first time. Later calls leave the stage alone."""
    meeting = get_meeting(tx, seat.meeting_id)
    stage = rules.next_stage(Stage(meeting.stage), "publish")
    first = meeting.published_at is None
    if first:
        if not items_of(tx, meeting.id):
            raise AgendaEmpty()
        meeting.stage, meeting.published_at = stage, now
        _log(tx, now, seat, meeting, events.MeetingPublished(meeting=meeting.view()))
        audit.record(tx, now, "meeting.published", actor=seat.actor, object=meeting.id)
    return first


def open_meeting(tx: Session, now: datetime, seat: Seat, quorum: Quorum) -> None:
    """Open or reopen; refused without quorum."""
    meeting = get_meeting(tx, seat.meeting_id)
    stage = rules.next_stage(Stage(meeting.stage), "open")
    if not quorum.reached:
        raise NoQuorum(needed=quorum.needed, total=quorum.total, present=quorum.present)
    meeting.stage, meeting.opened_at = stage, meeting.opened_at or now
    meeting.lost_bridge = meeting.body.lost_bridge
    _log(tx, now, seat, meeting, events.MeetingOpened(meeting=meeting.view()))
    audit.record(tx, now, "meeting.opened", actor=seat.actor, object=meeting.id)


def enter_item(tx: Session, now: datetime, seat: Seat, item_id: str) -> None:
    """Turn the house to an item."""
    meeting = get_meeting(tx, seat.meeting_id)
    rules.need_stage(Stage(meeting.stage), Stage.OPEN)
    meeting.current_item_id = get_item(tx, meeting.id, item_id).id
    meeting.lead_paper_id = meeting.lead_page = None
    _log(tx, now, seat, meeting, events.ItemEntered(meeting=meeting.view()))


def lead_page(tx: Session, now: datetime, seat: Seat, paper_id: str | None, page: int | None) -> None:
    """Show a page of a paper to all, or (None) let go, which is possible also once the house has risen."""
    meeting = get_meeting(tx, seat.meeting_id)
    rules.need_stage(Stage(meeting.stage), Stage.OPEN, *([] if paper_id else [Stage.ADJOURNED]))
    meeting.lead_paper_id, meeting.lead_page = paper_id, page
    _log(tx, now, seat, meeting, events.PageLed(meeting=meeting.view()))


def adjourn(tx: Session, now: datetime, seat: Seat) -> None:
    meeting = get_meeting(tx, seat.meeting_id)
    meeting.stage = rules.next_stage(Stage(meeting.stage), "adjourn")
    _log(tx, now, seat, meeting, events.MeetingAdjourned(meeting=meeting.view()))
    audit.record(tx, now, "meeting.adjourned", actor=seat.actor, object=meeting.id)


def close(tx: Session, now: datetime, seat: Seat) -> None:
    """End it for good: from here on nothing but the minutes changes."""
    meeting = get_meeting(tx, seat.meeting_id)
    meeting.stage, meeting.closed_at = rules.next_stage(Stage(meeting.stage), "close"), now
    meeting.lead_paper_id = meeting.lead_page = None
    _log(tx, now, seat, meeting, events.MeetingClosed(meeting=meeting.view()))
    audit.record(tx, now, "meeting.closed", actor=seat.actor, object=meeting.id)
