"""How bridges are heard, as their sockets tell it: measured from pings, told to the desk alone, beside the log."""

import time
from datetime import timedelta

import pytest

from meetings.bridges import actions, health, rules
from meetings.live import hub
from tests.meetings.lines import PATIENCE, line


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nobody waits for the beats of the clock."""
    for name, seconds in {"COALESCE": 0.01, "TICK": 0.05, "NET": 0.1, "BEAT": 0.2}.items():
        monkeypatch.setattr(hub, name, seconds)
    monkeypatch.setattr(health, "LOOK", 0.1)


def test_the_desk_is_told_how_a_bridge_is_heard_and_others_only_that_it_has_come(web, quick):
    far = web.house.bridge("Suối Ngang", "m3", "m4", lead="m3")
    with line(web, "chair") as desk, line(web, "m3") as tablet, line(web, "m4") as other:
        for one in (desk, tablet, other):
            one.hello()
        online, delay = 0, None
        while online < 2 or delay is None:
            health = desk.until("bridges")["bridges"].get(far, {"online": 0, "delay": None})
            online, delay = health["online"], health["delay"]
        assert 0 <= delay < 20_000
        assert health["seen_at"]
        assert (health["relayed"], health["unsteady"]) == (0, False)
        assert tablet.hello()["snapshot"]["state"]["bridges"][far]["state"] == "up"
        with line(web, "secretary") as late:  # who comes later is told at once, for it stands in no snapshot
            late.hello()
            assert far in late.until("bridges")["bridges"]
        detail = web.call("m3", "GET", f"bridges/{far}").json()
        assert set(detail["online"]) == {web.house.seats[name].member_id for name in ("m3", "m4")}
        assert [reading["online"] for reading in detail["readings"]]
        tablet.until("heartbeat")
        assert "bridges" not in {frame["type"] for frame in tablet.heard + other.heard}


def test_where_there_are_no_bridges_nothing_is_told(web, quick):
    with line(web, "chair") as desk:
        desk.hello()
        for _ in range(3):
            desk.until("heartbeat")
        assert "bridges" not in {frame["type"] for frame in desk.heard}


def test_a_bridge_is_lost_though_nobody_at_all_is_left_to_be_told(web, quick, monkeypatch):
    """The whole province loses its line: the quorum must not count who went with it."""
    monkeypatch.setattr(health, "EVERY", timedelta(seconds=0.1))
    for module in (rules, health, actions):
        monkeypatch.setattr(module, "LOST_AFTER", timedelta(seconds=1))
    far = web.house.bridge("Suối Ngang", "m3")
    with line(web, "m3") as tablet:
        tablet.hello()
        while state_of(web, far) != "up":
            tablet.until("heartbeat")
    rooms = web.client.app.state.hub._rooms
    until(lambda: state_of(web, far) == "lost")
    monkeypatch.setattr(hub, "LINGER", 0.0)
    until(lambda: not rooms)
    assert rooms == {}, "after a while nobody follows it any more"


def state_of(web, bridge_id: str) -> str:
    state: str = web.call("chair", "GET", "").json()["state"]["bridges"][bridge_id]["state"]
    return state


def until(holds) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
