"""Whose tablets are connected, where several processes serve one meeting: two applications on one database, without a bus."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from meetings import app as meetings_app
from meetings.live import hub, presence
from meetings.live.models import Connected
from meetings.live.presence import AGAIN, FRESH, HINT, PAUSE, Present
from meetings.live.socket import issue_ticket
from shared import clock
from tests.meetings.conftest import PUBLIC_URL, Web, make_settings
from tests.meetings.lines import Line, line


@pytest.fixture
def quickly(monkeypatch) -> None:
    for name, seconds in {"COALESCE": 0.01, "TICK": 0.05, "NET": 0.1, "BEAT": 0.2}.items():
        monkeypatch.setattr(hub, name, seconds)
    monkeypatch.setattr(presence, "PAUSE", 0.05)
    monkeypatch.setattr(presence, "AGAIN", 0.1)


@pytest.fixture
def nodes(house, tmp_path, issuer, quickly) -> Iterator[list[Web]]:
    settings = make_settings(house.db.engine.url.render_as_string(hide_password=False), tmp_path, issuer)
    settings = settings.model_copy(update={"workers": 2 if house.db.is_sqlite else 1})  # or two machines, of one each
    with ExitStack() as stack:
        clients = [stack.enter_context(TestClient(meetings_app.build(settings), base_url=PUBLIC_URL)) for _ in range(2)]
        yield [Web(client, issuer, house) for client in clients]
        for client in clients:
            if hasattr(client.app.state, "stop"):
                client.app.state.stop()


@contextmanager
def tablet(node: Web, who: str) -> Iterator[Line]:
    seat = node.house.seats[who]
    with node.house.db.write() as tx:
        entry = issue_ticket(tx, clock.now(), node.house.meeting_id, f"sid of {who}", seat.member_id, seat.level)
    with line(node, entry=entry) as it:
        it.hello()
        yield it


def told(desk: Line, house, *names: str) -> bool:
    """As soon as the last that the desk was told is that these and no others are connected."""
    wanted = {house.seats[name].member_id for name in names}
    while [set(frame["members"]) for frame in desk.heard if frame["type"] == "presence"][-1:] != [wanted]:
        desk.until("presence")
    return True


def rows(house) -> dict[str, list[str]]:
    with house.db.read() as tx:
        return {row.node: row.members for row in tx.scalars(select(Connected))}


def test_the_desk_is_told_who_is_connected_to_any_process_and_who_has_gone(nodes, house):
    one, other = nodes
    with tablet(one, "chair") as desk, tablet(one, "m3"), tablet(other, "guest"):
        with tablet(other, "m4"):
            assert told(desk, house, "chair", "m3", "m4")
            with tablet(other, "secretary") as late:
                assert told(late, house, "chair", "m3", "m4", "secretary")
                assert told(desk, house, "chair", "m3", "m4", "secretary")
                assert len(rows(house)) == 2, "one for each process, however long it goes on"
        assert told(desk, house, "chair", "m3")
        assert len(rows(house)) == 1, "and none where nobody is"


@pytest.mark.usefixtures("quickly")
def test_a_process_that_serves_alone_knows_who_is_connected_and_writes_nothing_down(web):
    with tablet(web, "chair") as desk, tablet(web, "m3"):
        assert told(desk, web.house, "chair", "m3")
        for _ in range(2):
            desk.until("heartbeat")
        assert rows(web.house) == {}


def test_whom_a_process_served_that_died_are_gone_when_its_row_is_old(nodes, house):
    dead, m5 = (house.meeting_id, "dead"), house.seats["m5"].member_id
    with house.db.write() as tx:
        tx.add(Connected(meeting_id=house.meeting_id, node="dead", at=clock.now() + timedelta(hours=1), members=[m5]))
    with tablet(nodes[0], "chair") as desk:
        assert told(desk, house, "chair", "m5")
        with house.db.write() as tx:
            tx.get_one(Connected, dead).at = clock.now() - FRESH
        assert told(desk, house, "chair")
        with tablet(nodes[0], "m3"):
            assert told(desk, house, "chair", "m3")
            while rows(house).get("dead"):  # swept when one's own is written anew
                desk.until("heartbeat")


def test_a_hint_brings_the_news_before_its_time(nodes, house, monkeypatch):
    monkeypatch.setattr(presence, "AGAIN", 1000.0)
    one, other = nodes
    with tablet(one, "chair") as desk:
        assert told(desk, house, "chair")
        with tablet(other, "secretary") as there, tablet(other, "m3"):
            assert told(there, house, "chair", "secretary", "m3")
            while not any(house.seats["m3"].member_id in members for members in rows(house).values()):
                there.until("heartbeat")
            one.client.portal.call(one.client.app.state.hub.heard, HINT + house.meeting_id)
            assert told(desk, house, "chair", "secretary", "m3")


@pytest.mark.parametrize(
    ("present", "after", "due"),
    [
        (Present(), 0, True),
        (Present(here={"a"}, kept={"a"}, kept_at=0), PAUSE, False),
        (Present(here={"a"}, kept={"a"}, kept_at=0), AGAIN, True),
        (Present(here={"a", "b"}, kept={"a"}, kept_at=0), PAUSE / 2, False),
        (Present(here={"a", "b"}, kept={"a"}, kept_at=0), PAUSE, True),
        (Present(here={"a"}, kept={"a"}, kept_at=0, asked=True), PAUSE, True),
        (Present(here={"a", "b"}, kept={"a"}, kept_at=0, busy=True), AGAIN, False),
    ],
)
def test_nothing_is_written_while_nobody_comes_or_goes_but_the_sign_of_life(present, after, due):
    assert present.is_due(after) is due
