"""How bridges are heard, as their sockets tell it: measured from pings, told to the desk alone, beside the log."""

import pytest

from meetings.bridges import health
from meetings.live import hub
from tests.meetings.lines import line


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
            online, delay, seen_at = desk.until("bridges")["bridges"].get(far, (0, None, None))
        assert 0 <= delay < 20_000
        assert seen_at
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
