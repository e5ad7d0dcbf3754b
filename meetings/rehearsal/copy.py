"""The copy of a meeting: a body and a meeting of its own, so that whatever is done in it touches no row of the true one."""

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Table, delete, insert, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from meetings.agenda.models import Meeting, items_of
from meetings.agenda.rules import Stage
from meetings.bodies.models import Body, Bridge, Member, members_of
from meetings.bodies.rules import REHEARSAL, Role, Share, needed
from meetings.live import log
from meetings.papers.models import Release, papers_of, versions_of
from meetings.voting.models import Poll, polls_of
from meetings.voting.rules import PollStage
from shared.db import Base, Database
from shared.ids import new_id, new_token
from shared.jobs import Job
from shared.words import say

LOCALES = ("meetings",)
Row = TypeVar("Row", bound=Base)


def person(copy_id: str, place: int) -> tuple[str, str]:
    """User name and subject of a simulated member. No account can have them: the copy's id is known to nobody outside."""
    return f"{copy_id}:{place}", f"rehearsal:{copy_id}:{place}"


def make_copy(tx: Session, now: datetime, meeting_id: str, delegates: int) -> str:
    """A published meeting with the agenda, the newest papers and the prepared polls of the true one, of a body with its rules
    and `delegates` simulated members with a vote, the first of whom is the chair. Its id, which is also that of the body."""
    true, copy_id = tx.get_one(Meeting, meeting_id), new_id()
    tx.add(_like(true.body, id=copy_id, name=_words("body", name=true.body.name), kind=REHEARSAL))
    tx.flush()
    chair_id = _add_members(tx, true.body_id, copy_id, delegates)
    names = {"id": copy_id, "body_id": copy_id, "chair_id": chair_id, "secretary_id": None}
    fresh = dict.fromkeys(("opened_at", "closed_at", "current_item_id", "lead_paper_id", "lead_page"))
    copy = _like(true, **names, **fresh, stage=Stage.PUBLISHED, published_at=now)
    tx.add(copy)
    tx.flush()
    log.start(tx, copy.id)
    items = _add_items(tx, true.id, copy.id)
    _add_papers(tx, now, true.id, copy.id, items)
    _add_polls(tx, true, copy, items, delegates)
    return copy.id


def _words(key: str, **facts: object) -> str:
    return say("vi", LOCALES, f"rehearsal.{key}", **facts)


def _like(row: Row, **changes: object) -> Row:
    """A row with an id of its own, and all else as in `row` but for the changes."""
    kept = {name: getattr(row, name) for name in row.__mapper__.column_attrs.keys()}  # noqa: SIM118
    return type(row)(**kept | {"id": new_id()} | changes)


def _add_members(tx: Session, true_id: str, copy_id: str, count: int) -> str:
    """The id of the first."""
    bridges = {}
    for bridge in tx.scalars(select(Bridge).where(Bridge.body_id == true_id)):
        bridges[bridge.id] = _like(bridge, body_id=copy_id, lead_username="", phone="")
    tx.add_all(bridges.values())
    tx.flush()
    rooms = [bridges[one.bridge_id].id if one.bridge_id else None for one in members_of(tx, true_id) if one.votes] or [None]
    plain = {
        "body_id": copy_id,
        "honorific": "",
        "email": "",
        "post": "",
        "group": "",
        "seat": "",
        "votes": True,
        "active": True,
    }
    rows = []
    for place in range(count):
        username, subject = person(copy_id, place)
        role = Role.MEMBER if place else Role.CHAIR
        name = _words("member", number=f"{place + 1:04}")
        own = {"id": new_id(), "username": username, "subject": subject, "full_name": name, "role": role}
        rows.append(plain | own | {"bridge_id": rooms[place % len(rooms)]})
    tx.execute(insert(Member), rows)
    return str(rows[0]["id"])


def _add_items(tx: Session, true_id: str, copy_id: str) -> dict[str, str]:
    """The ids of the copied items by those of the true ones."""
    true = items_of(tx, true_id)
    copies = {item.id: _like(item, meeting_id=copy_id, parent_id=None) for item in true}
    tx.add_all(copies.values())
    tx.flush()
    for item in true:
        copies[item.id].parent_id = copies[item.parent_id].id if item.parent_id else None
    tx.flush()
    return {true_item: copied.id for true_item, copied in copies.items()}


def _add_papers(tx: Session, now: datetime, true_id: str, copy_id: str, items: dict[str, str]) -> None:
    """What will have gone out by then: of each paper the newest version, waiting or not. The documents are the true ones."""
    for paper in papers_of(tx, true_id):
        if not paper.withdrawn:
            copied = _like(paper, meeting_id=copy_id, item_id=items[paper.item_id])
            tx.add(copied)
            tx.flush()
            tx.add(Release(paper_id=copied.id, version=versions_of(tx, paper)[-1].number, published_at=now))


def _add_polls(tx: Session, true: Meeting, copy: Meeting, items: dict[str, str], voters: int) -> None:
    """A meeting without any poll gets one: what is to be known above all is whether ballots arrive."""
    prepared = [poll for poll in polls_of(tx, true.id) if poll.stage == PollStage.PREPARED]
    for poll in prepared:
        of_copy = {"meeting_id": copy.id, "item_id": items[poll.item_id], "secret": new_token(), "electorate": voters}
        tx.add(_like(poll, **of_copy, needed=needed(Share(poll.majority), voters)))
    if not prepared:
        majority = Share(true.body.majority)
        trial = Poll(id=new_id(), meeting_id=copy.id, item_id=next(iter(items.values())), place=1, number="1.1")
        trial.title, trial.majority, trial.chair_breaks_tie = _words("poll"), majority, true.body.chair_breaks_tie
        trial.stage, trial.secret = PollStage.PREPARED, new_token()
        trial.electorate, trial.needed = voters, needed(majority, voters)
        tx.add(trial)
    tx.flush()


# --- removal ---


def remove_copy(db: Database, copy_id: str) -> None:
    """Delete all rows of a copy; what is left of it is its result, and the audit record of what was done.

    A meeting's log is append-only because people acted and others rely on it. In a copy nobody acted, and no minutes, receipt
    or checkpoint of it is ever given out: what is deleted here was made to be measured, and was never a record of anything.
    The one place where rows of a log are deleted; it takes the rows of a body that is marked as a rehearsal's, or none.
    """
    with db.read() as tx:
        body = tx.get(Body, copy_id)
    if body is None or body.kind != REHEARSAL:
        return
    # A table at a time, so that nobody waits long for SQLite's one write lock; the body, by which the rest is found, at last.
    for table, those in _hanging_on(copy_id):
        with db.write() as tx:
            tx.execute(delete(table).where(those))


def _hanging_on(copy_id: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Every table with rows of the copy, and which; those that refer come before those that are referred to."""
    body, job = (Base.metadata.tables[row.__tablename__] for row in (Body, Job))
    found = {body: body.c.id == copy_id}
    for table in Base.metadata.sorted_tables:
        if "meeting_id" in table.c:
            found[table] = table.c.meeting_id == copy_id
        elif those := [
            key.parent.in_(select(key.column).where(found[key.column.table]))
            for key in table.foreign_keys
            if key.column.table in found and key.column.table is not table
        ]:
            found[table] = or_(*those)
    found[job] = job.c.body["meeting_id"].as_string() == copy_id
    yield from reversed(found.items())
