"""Two requests in the same instant, on a database that lets both in: none is a fault, and the log tells what holds."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from docs_store.pdf import Inspected
from docs_store.store import Blob
from meetings.agenda import actions as agenda
from meetings.agenda.models import Meeting
from meetings.agenda.problems import MeetingChangedMeanwhile
from meetings.attendance import actions as attendance
from meetings.bodies.models import Bridge, Member
from meetings.bodies.rules import Role
from meetings.bodies.sheet import Row
from meetings.bridges import actions as bridges
from meetings.bridges.door import Post
from meetings.bridges.health import Health
from meetings.bridges.routes import read_bridge
from meetings.bridges.sheet import BridgeRow
from meetings.live.log import tail
from meetings.papers import actions as papers
from meetings.papers.models import Opened
from shared import clock
from shared.problems import NotFound
from tests.makers import House

Both = Callable[..., None]


@pytest.fixture
def paper(house: House) -> str:
    """One that everybody may open, once it is published."""
    blob, found = Blob("0" * 64, 1), Inspected(b"", "0" * 64, 1, ((595, 842),), ("",), (), signed=False)
    with house.db.write() as tx:
        plan = {"item_id": house.item_id, "name": "a.pdf", "title": "Tờ trình", "audience": "all"}
        made = papers.add_paper(tx, clock.now(), house.seats["secretary"], **plan, blob=blob, found=found)
        return made[0].id


def publish(house: House) -> Callable[[Session], Any]:
    return lambda tx: papers.publish(tx, clock.now(), house.seats["secretary"])


def test_two_pages_ask_for_the_code_of_the_door(house: House, both: Both) -> None:
    codes: list[str] = []
    both(*2 * [lambda tx: codes.append(attendance.door_code(tx, house.seats["secretary"]))])
    assert codes == codes[:1] * 2


def test_two_secretaries_rename_the_meeting(house: House, both: Both) -> None:
    with house.db.read() as tx:
        was = {"title": tx.get_one(Meeting, house.meeting_id).title}

    def rename(title: str) -> Callable[[Session], Any]:
        return lambda tx: agenda.change_meeting(tx, clock.now(), house.seats["secretary"], was, title=title)

    with pytest.raises(MeetingChangedMeanwhile):
        both(rename("Kỳ họp thứ 5"), rename("Kỳ họp thứ 6"))


def test_two_tablets_of_a_member_open_a_paper(house: House, both: Both, paper: str) -> None:
    with house.db.write() as tx:
        publish(house)(tx)
    both(*2 * [lambda tx: papers.note_opened(tx, clock.now(), house.seats["m3"], paper, 1)])
    with house.db.read() as tx:
        assert tx.scalars(select(Opened.member_id)).all() == [house.seats["m3"].member_id]


def test_two_imports_bring_the_same_new_member(house: House, both: Both) -> None:
    row = Row("Bà", "Lê Mới", "moi", "", "", "", "", Role.MEMBER, votes=True)
    with house.db.read() as tx:
        body_id = tx.get_one(Meeting, house.meeting_id).body_id
    done: list[tuple[int, int]] = []
    both(*2 * [lambda tx: done.append(attendance.import_members(tx, clock.now(), body_id, [row], [], "-"))])
    assert done == [(1, 0), (0, 1)]
    with house.db.read() as tx:
        assert len(tx.scalars(select(Member.id).where(Member.username == "moi")).all()) == 1


def test_a_paper_that_is_withdrawn_while_it_is_published_is_told_as_withdrawn(house: House, both: Both, paper: str) -> None:
    both(publish(house), lambda tx: papers.withdraw_paper(tx, clock.now(), house.seats["secretary"], paper))
    with house.db.read() as tx:
        told = [line.body for line in tail(tx, house.meeting_id, 0) if line.body["type"].startswith("paper.")]
    assert [event["paper"]["withdrawn"] for event in told] == [False, True]


def test_a_paper_is_told_to_nobody_from_whom_it_is_kept_meanwhile(house: House, both: Both, paper: str) -> None:
    both(
        lambda tx: papers.change_paper(tx, clock.now(), house.seats["secretary"], paper, None, "desk"),
        publish(house),
    )
    with house.db.read() as tx:
        told = [line.level for line in tail(tx, house.meeting_id, 0) if line.body["type"].startswith("paper.")]
    assert told == [2]


def test_no_page_is_shown_of_a_paper_that_is_withdrawn_meanwhile(house: House, both: Both, paper: str) -> None:
    with house.open().db.write() as tx:
        publish(house)(tx)
    with pytest.raises(NotFound):
        both(
            lambda tx: papers.withdraw_paper(tx, clock.now(), house.seats["secretary"], paper),
            lambda tx: papers.lead_page(tx, clock.now(), house.seats["chair"], paper, 1),
        )


def test_a_bridge_that_is_closed_while_somebody_asks_for_it_is_not_found(house: House) -> None:
    bridge_id, seat, now = house.bridge("Suối Ngang", "m3"), house.seats["secretary"], clock.now()
    with house.db.read() as tx:
        post = Post(seat, tx.get_one(Bridge, bridge_id))
    with house.db.write() as tx:
        row = BridgeRow("Xã Suối Ngang", "", "", "", "")
        bridges.change_bridge(tx, now, post.bridge.body_id, bridge_id, row, "-", active=False)
    health = Health(house.db)
    request = Request({"type": "http", "app": FastAPI()})
    request.app.state.health = health
    with house.db.read() as tx, pytest.raises(NotFound):
        read_bridge(request, post, tx, now)
    health.close()
