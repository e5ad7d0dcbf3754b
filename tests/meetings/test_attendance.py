"""Who is here: the tablet, the code at the door, the roll, and what they make of the quorum."""

import pytest

from meetings.attendance.models import DoorCode
from tests.makers import make_house


@pytest.fixture
def door(web) -> str:
    """The secret of the QR code at the door."""
    assert web.call("secretary", "GET", "door.svg").status_code == 200
    with web.client.app.state.db.read() as tx:
        return tx.get_one(DoorCode, web.house.meeting_id).code


def state(web, who: str = "guest") -> dict:
    return web.call(who, "GET", "").json()["state"]


def here(web, name: str) -> tuple[str, str] | None:
    row = state(web)["attendance"].get(web.house.seats[name].member_id)
    return (row["state"], row["how"]) if row else None


def refused(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_member_checks_in_by_the_tablet_and_twice_changes_nothing(web):
    for _ in range(3):
        assert web.call("m3", "POST", "check-in", json={}).status_code == 204
    assert here(web, "m3") == ("present", "tablet")
    before = web.call("guest", "GET", "").json()["seq"]
    web.call("m3", "POST", "check-in", json={})
    assert web.call("guest", "GET", "").json()["seq"] == before


def test_the_code_at_the_door_must_be_the_right_one(web, door):
    for wrong in (door[:-1], door + "x", door.upper(), "", "x" * 64, "mã"):
        assert refused(web.call("m3", "POST", "check-in", json={"door_code": wrong})) == (403, "wrong-door-code")
    assert here(web, "m3") is None
    assert web.call("m3", "POST", "check-in", json={"door_code": door}).status_code == 204
    assert here(web, "m3") == ("present", "door")


def test_the_code_of_another_meeting_opens_nothing(web, door):
    other = make_house(web.client.app.state.db)
    for known in (door, "x"):
        path = f"/api/meetings/{other.meeting_id}/check-in"
        assert refused(web.call("m3", "POST", path, json={"door_code": known})) == (403, "wrong-door-code")


def test_the_door_has_one_code_that_stays_and_is_drawn_for_the_secretary(web, door):
    svgs = [web.call("secretary", "GET", "door.svg") for _ in range(2)]
    assert svgs[0].headers["content-type"] == "image/svg+xml"
    assert svgs[0].text == svgs[1].text
    assert "<svg " in svgs[0].text
    assert door not in svgs[0].text
    for name in ("chair", "m3", "guest"):
        assert refused(web.call(name, "GET", "door.svg")) == (403, "forbidden")


@pytest.mark.parametrize("mark", ["present", "excused", "absent"])
def test_the_secretary_calls_the_roll(web, mark):
    path = f"attendance/{web.house.seats['m3'].member_id}"
    assert web.call("secretary", "PUT", path, json={"state": mark, "reason": "ốm"}).status_code == 204
    assert here(web, "m3") == (mark, "roll_call")
    for name in ("chair", "m3", "teller"):
        assert refused(web.call(name, "PUT", path, json={"state": "present"})) == (403, "forbidden")


def test_quorum_counts_those_with_a_vote_who_are_here(web):
    assert state(web)["quorum"] == {"total": 6, "needed": 4, "present": 0, "reached": False}
    for place, name in enumerate(["teller", "chair", "m3", "m4", "secretary"]):
        web.call(name, "POST", "check-in", json={})
        assert state(web)["quorum"]["present"] == place
    assert state(web)["quorum"]["reached"]
    path = f"attendance/{web.house.seats['m4'].member_id}"
    web.call("secretary", "PUT", path, json={"state": "absent"})
    assert state(web)["quorum"] == {"total": 6, "needed": 4, "present": 3, "reached": False}


def test_a_meeting_opens_with_a_quorum_and_not_without(web):
    web.house.check_in(["chair", "secretary", "m3"])
    answer = web.call("chair", "POST", "open")
    assert refused(answer) == (409, "no-quorum")
    assert answer.json()["facts"] == {"needed": 4, "total": 6, "present": 3}
    assert state(web)["meeting"]["stage"] == "published"
    web.house.check_in(["m4"])
    assert web.call("chair", "POST", "open").status_code == 204


def test_a_guest_does_not_check_in_and_nobody_after_the_end(web):
    assert refused(web.call("guest", "POST", "check-in", json={})) == (403, "forbidden")
    web.house.open()
    web.call("chair", "POST", "close")
    for method, path, body in (
        ("POST", "check-in", {}),
        ("PUT", f"attendance/{web.house.seats['m3'].member_id}", {"state": "absent"}),
    ):
        assert refused(web.call("secretary", method, path, json=body)) == (409, "check-in-closed")
