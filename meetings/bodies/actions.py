from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from meetings.bodies.models import Body, Bridge, Member
from meetings.bodies.problems import RowsInvalid, UsernameTaken
from meetings.bodies.rules import LAWS, Kind, LostBridge, Role
from meetings.bodies.sheet import Row, RowError
from shared import audit
from shared.ids import new_id
from shared.problems import NotFound
from shared.words import nfc


def create_body(
    tx: Session, now: datetime, *, name: str, kind: Kind, actor: str, lost_bridge: LostBridge | None = None
) -> Body:
    """A council or committee, with the rules that the law gives its kind."""
    law = LAWS[kind]
    body = Body(
        id=new_id(),
        name=nfc(name),
        kind=kind,
        quorum=law.quorum,
        majority=law.majority,
        chair_breaks_tie=law.chair_breaks_tie,
        lost_bridge=lost_bridge or law.lost_bridge,
    )
    tx.add(body)
    tx.flush()
    audit.record(tx, now, "body.created", actor=actor, object=body.id)
    return body


def add_member(tx: Session, body_id: str, *, username: str, full_name: str, role: Role, votes: bool, **details: Any) -> Member:
    """`details`: honorific, email, post, group, seat, bridge_id."""
    if _by_username(tx, body_id, username):
        raise UsernameTaken(username=username)
    member = _new_member(body_id, username=username, full_name=full_name, role=role, votes=votes, **details)
    tx.add(member)
    tx.flush()
    return member


def _new_member(body_id: str, *, full_name: str, bridge_id: str | None = None, **values: Any) -> Member:
    text = {name: nfc(values.pop(name, "")) for name in ("honorific", "email", "post", "group", "seat")}
    return Member(id=new_id(), body_id=body_id, full_name=nfc(full_name), bridge_id=bridge_id, active=True, **values, **text)


def import_members(
    tx: Session, now: datetime, body_id: str, rows: list[Row], errors: list[RowError], actor: str
) -> tuple[int, int]:
    """Add new members and bring known ones (by user name) up to date; (added, changed). All rows or none."""
    if tx.get(Body, body_id, with_for_update=True) is None:  # locked: of two imports the second knows whom the first brought
        raise NotFound()
    if errors:
        raise RowsInvalid(errors=[error.__dict__ for error in errors])
    bridges = {bridge.name.casefold(): bridge.id for bridge in tx.scalars(select(Bridge).where(Bridge.body_id == body_id))}
    known = {member.username: member for member in tx.scalars(select(Member).where(Member.body_id == body_id))}
    added = 0
    for row in rows:
        values = {name: value for name, value in row.__dict__.items() if name != "bridge"}
        if row.bridge is not None:
            values["bridge_id"] = bridges.get(row.bridge.casefold())
        if member := known.get(row.username):
            for name, value in values.items():
                setattr(member, name, value)
            member.active = True
        else:
            tx.add(_new_member(body_id, **values))
            added += 1
    tx.flush()
    audit.record(tx, now, "members.imported", actor=actor, object=body_id, added=added, changed=len(rows) - added)
    return added, len(rows) - added


def bind_subject(tx: Session, member_id: str, subject: str) -> None:
    """The first sign-in ties the seat to the issuer's lasting id of the person."""
    member = tx.get_one(Member, member_id)
    member.subject = member.subject or subject


def _by_username(tx: Session, body_id: str, username: str) -> Member | None:
    return tx.scalars(select(Member).where(Member.body_id == body_id, Member.username == username)).first()
