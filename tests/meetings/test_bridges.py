"""The list of bridges and what their leads do, over HTTP: who may, what is refused, and what the minutes tell of it."""

import io
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import select

from meetings.attendance import actions as attendance
from meetings.bodies.models import Member
from meetings.bodies.sheet import COLUMNS as MEMBER_COLUMNS
from meetings.bridges import actions
from meetings.bridges.rules import BridgeState
from meetings.bridges.sheet import COLUMNS
from meetings.live import log
from meetings.live.log import Level
from shared import clock
from shared.audit import AuditEvent
from tests.makers import make_house

BRIDGE = {
    "name": "Xã Suối Ngang",
    "short": "Suối Ngang",
    "cluster": "Cụm 2 · Lâm",
    "lead_username": "m3",
    "phone": "0912345154",
}


def state(web, who: str = "guest") -> dict[str, Any]:
    return web.call(who, "GET", "").json()["state"]


def refused(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def table(columns, *rows: list[Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([list(columns), *rows]):
            sheet.write_row(number, 0, row)
    return {"files": {"file": ("a.xlsx", buffer.getvalue(), "application/octet-stream")}}


@pytest.fixture
def body(web) -> str:
    return f"/api/bodies/{state(web)['meeting']['body_id']}"


@pytest.fixture
def far(web) -> str:
    """A bridge led by m3, at which m3 and m4 sit."""
    return web.house.bridge("Suối Ngang", "m3", "m4", lead="m3")


def seat(web, name: str) -> str:
    return web.house.seats[name].member_id


# --- the list ---


def test_a_bridge_is_added_changed_and_closed_and_the_meetings_of_the_body_know(web, body):
    made = web.call("secretary", "POST", f"{body}/bridges", json=BRIDGE).json()["id"]
    known = state(web)["bridges"][made]
    assert known == {
        "id": made, "name": "Xã Suối Ngang", "short": "Suối Ngang", "cluster": "Cụm 2 · Lâm", "place": 0,
        "lead_id": seat(web, "m3"), "state": "waiting", "since": None, "roll": None,
    }  # fmt: skip
    change = BRIDGE | {"short": "", "lead_username": "nobody"}
    assert web.call("secretary", "PUT", f"{body}/bridges/{made}", json=change).status_code == 204
    assert {state(web)["bridges"][made][name] for name in ("short", "lead_id")} == {"Xã Suối Ngang", None}
    [row] = web.call("secretary", "GET", f"{body}/bridges").json()
    assert (row["phone"], row["lead_username"], row["members"]) == ("0912345154", "nobody", 0)
    assert web.call("secretary", "PUT", f"{body}/bridges/{made}", json=BRIDGE | {"active": False}).status_code == 204
    assert state(web)["bridges"] == {}
    assert web.call("secretary", "GET", f"{body}/bridges").json() == []


def test_a_name_stands_once_in_a_body_and_is_free_in_another(web, body):
    for name, expected in (("Lộc An", 201), ("  lộc an ", 409), ("Đạ Hòa", 201)):
        answer = web.call("secretary", "POST", f"{body}/bridges", json={"name": name})
        assert answer.status_code == expected
    assert refused(web.call("secretary", "POST", f"{body}/bridges", json={"name": "LỘC AN"})) == (409, "bridge-name-taken")
    [first, second] = web.call("secretary", "GET", f"{body}/bridges").json()
    assert refused(web.call("secretary", "PUT", f"{body}/bridges/{first['id']}", json={"name": second["name"]}))[0] == 409
    assert web.call("secretary", "PUT", f"{body}/bridges/{first['id']}", json={"name": first["name"]}).status_code == 204
    make_house(web.client.app.state.db).bridge("Lộc An")


def test_places_follow_the_clusters_and_the_alphabet_and_stay_when_a_bridge_is_closed(web, body):
    house = web.house
    for name in ("Tân An", "Đạ Hòa", "Ea Lâm", "Đắk Som", "Âu Lâu", "An Sơn"):
        house.bridge(name)
    web.call("secretary", "POST", f"{body}/bridges", json=BRIDGE | {"cluster": "A, named last"})
    order = sorted(state(web)["bridges"].values(), key=lambda bridge: bridge["place"])
    assert [one["short"] for one in order] == ["An Sơn", "Âu Lâu", "Đạ Hòa", "Đắk Som", "Ea Lâm", "Tân An", "Suối Ngang"]
    closed = {"name": "Xã Âu Lâu", "short": "Âu Lâu", "cluster": order[1]["cluster"], "active": False}
    web.call("secretary", "PUT", f"{body}/bridges/{order[1]['id']}", json=closed)
    assert {one["short"]: one["place"] for one in state(web)["bridges"].values()}["Ea Lâm"] == 4


def test_a_spreadsheet_is_shown_first_and_taken_whole_or_not_at_all(web, body, far):
    good = table(COLUMNS, ["Xã Suối Ngang", "S. Ngang", "Cụm 1", "m4", 912345155], ["Lộc An", "", "Cụm 1", "", ""])
    preview = web.call("secretary", "POST", f"{body}/bridges/preview", **good).json()
    assert (preview["new"], preview["known"], preview["errors"]) == (1, 1, [])
    assert preview["rows"][0]["phone"] == "0912345155"
    assert web.call("secretary", "POST", f"{body}/bridges/import", **good).json() == {"added": 1, "changed": 1}
    assert state(web)["bridges"][far]["lead_id"] == seat(web, "m4")
    flawed = table(COLUMNS, ["Đạ Hòa", "", "", "", ""], ["", "Nâm Đir", "", "", ""], ["đạ hòa", "", "", "Ma Văn", ""])
    answer = web.call("secretary", "POST", f"{body}/bridges/import", **flawed)
    assert refused(answer) == (422, "rows-invalid")
    assert [(one["row"], one["rule"]) for one in answer.json()["facts"]["errors"]] == [
        (3, "missing"), (4, "not-a-username"), (4, "duplicate"),
    ]  # fmt: skip
    assert len(state(web)["bridges"]) == 2


def test_the_form_has_the_headings(web, body):
    answer = web.call("secretary", "GET", f"{body}/bridges.xlsx")
    assert answer.headers["content-disposition"] == 'attachment; filename="diem-cau.xlsx"'
    assert (
        web.call("secretary", "POST", f"{body}/bridges/preview", files={"file": ("a.xlsx", answer.content)}).json()["rows"]
        == []
    )


def test_the_sheet_of_members_may_say_who_sits_where(web, body, far):
    person = ["Ông", "Nguyễn Văn M6", "m6", "", "", "", "", "Thành viên", "x", "xã suối ngang"]
    stranger = [*person[:2], "moi", *person[3:9], "Xã Nâm Đir"]
    answer = web.call("secretary", "POST", f"{body}/members/import", **table(MEMBER_COLUMNS, person, stranger))
    assert answer.json()["facts"]["errors"] == [{"row": 3, "column": "Điểm cầu", "rule": "unknown"}]
    assert web.call("secretary", "POST", f"{body}/members/import", **table(MEMBER_COLUMNS, person)).status_code == 200
    assert state(web)["members"][seat(web, "m6")]["bridge_id"] == far
    short = table(list(MEMBER_COLUMNS)[:-1], person[:-1])  # a table without that column leaves everybody where they sit
    assert web.call("secretary", "POST", f"{body}/members/import", **short).status_code == 200
    assert state(web)["members"][seat(web, "m6")]["bridge_id"] == far
    hall = table(MEMBER_COLUMNS, [*person[:-1], ""])
    assert web.call("secretary", "POST", f"{body}/members/import", **hall).status_code == 200
    assert state(web)["members"][seat(web, "m6")]["bridge_id"] is None


# --- the lead, and the desk ---


def test_a_lead_calls_the_roll_of_their_own_bridge_and_nobody_elses(web, far):
    other = web.house.bridge("Lộc An", "m5", lead="m5")
    path = f"bridges/{far}/attendance/{seat(web, 'm4')}"
    for who in ("m3", "secretary"):
        assert web.call(who, "PUT", path, json={"state": "excused", "reason": "ốm"}).status_code == 204
    assert state(web)["attendance"][seat(web, "m4")]["state"] == "excused"
    for who in ("m4", "m5", "chair", "teller", "guest"):
        assert refused(web.call(who, "PUT", path, json={"state": "present"})) == (403, "forbidden")
    for member in ("m5", "m6", "chair"):  # another bridge's, and the hall's
        answer = web.call("m3", "PUT", f"bridges/{far}/attendance/{seat(web, member)}", json={"state": "present"})
        assert refused(answer) == (404, "not-found")
    assert refused(web.call("m3", "PUT", f"attendance/{seat(web, 'm4')}", json={"state": "present"})) == (403, "forbidden")
    assert refused(web.call("m3", "POST", f"bridges/{other}/roll")) == (403, "forbidden")


def test_the_roll_is_closed_with_its_sums_and_again_when_somebody_comes_late(web, far):
    web.call("m3", "PUT", f"bridges/{far}/attendance/{seat(web, 'm3')}", json={"state": "present"})
    for present in (1, 2):
        assert web.call("m3", "POST", f"bridges/{far}/roll").status_code == 204
        roll = state(web)["bridges"][far]["roll"]
        assert (roll["present"], roll["total"]) == (present, 2)
        web.call("m4", "POST", "check-in", json={})
    assert state(web)["bridges"][far]["state"] == "waiting"  # that is for the line to say


def test_nothing_is_marked_and_no_roll_closed_after_the_end(web, far):
    web.house.open()
    web.call("chair", "POST", "close")
    assert refused(web.call("m3", "POST", f"bridges/{far}/roll")) == (409, "check-in-closed")
    answer = web.call("m3", "PUT", f"bridges/{far}/attendance/{seat(web, 'm4')}", json={"state": "absent"})
    assert refused(answer) == (409, "check-in-closed")


def test_telephone_and_notes_are_for_the_desk_alone(web, far):
    assert web.call("chair", "POST", f"bridges/{far}/notes", json={"text": " Mất điện "}).status_code == 204
    seen = {who: web.call(who, "GET", f"bridges/{far}").json() for who in ("chair", "secretary", "m3")}
    assert {who: (one["phone"], [note["text"] for note in one["notes"]]) for who, one in seen.items()} == {
        "chair": ("0912345154", ["Mất điện"]), "secretary": ("0912345154", ["Mất điện"]), "m3": (None, []),
    }  # fmt: skip
    assert seen["chair"]["notes"][0]["by"] == "Nguyễn Văn Chair"
    for who in ("m4", "teller", "guest"):
        assert refused(web.call(who, "GET", f"bridges/{far}")) == (403, "forbidden")
    for who in ("m3", "guest"):
        assert refused(web.call(who, "POST", f"bridges/{far}/notes", json={"text": "x"})) == (403, "forbidden")
    with web.client.app.state.db.read() as tx:
        levels = {event.level for event in log.tail(tx, web.house.meeting_id, 0) if event.body["type"] == "bridge.noted"}
    assert levels == {Level.DESK}
    for who in ("guest", "m3", "chair"):
        assert "0912345154" not in web.call(who, "GET", "").text


def test_a_bridge_of_another_body_and_a_closed_one_do_not_exist(web, body, far):
    elsewhere = make_house(web.client.app.state.db).bridge("Lộc An", lead="secretary")
    for bridge_id in (elsewhere, "unknown"):
        assert refused(web.call("secretary", "GET", f"bridges/{bridge_id}")) == (404, "not-found")
        assert refused(web.call("secretary", "PUT", f"{body}/bridges/{bridge_id}", json=BRIDGE)) == (404, "not-found")
    web.call("secretary", "PUT", f"{body}/bridges/{far}", json=BRIDGE | {"active": False})
    assert refused(web.call("m3", "POST", f"bridges/{far}/roll")) == (404, "not-found")


def test_the_code_at_a_bridges_door_lets_in_its_members_and_nobody_else(web, far):
    svg = web.call("m3", "GET", f"bridges/{far}/door.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert svg.text != web.call("secretary", "GET", "door.svg").text
    with web.client.app.state.db.write() as tx:
        hall, code = (attendance.door_code(tx, web.house.seats["m3"], bridge_id) for bridge_id in (None, far))
    for who in ("m5", "chair"):
        assert refused(web.call(who, "POST", "check-in", json={"door_code": code})) == (403, "wrong-door-code")
    assert web.call("m4", "POST", "check-in", json={"door_code": code}).status_code == 204
    assert web.call("m3", "POST", "check-in", json={"door_code": hall}).status_code == 204
    assert refused(web.call("m4", "GET", f"bridges/{far}/door.svg")) == (403, "forbidden")


def test_who_leads_is_found_by_user_name_and_may_be_a_guest(web, body):
    guests = web.house.bridge("Lộc An", "guest", lead="guest")
    assert web.call("guest", "POST", f"bridges/{guests}/roll").status_code == 204
    assert state(web)["bridges"][guests]["roll"]["total"] == 1


def test_a_lead_is_who_signs_in_by_that_name_however_it_was_typed(web, body):
    made = web.call("secretary", "POST", f"{body}/bridges", json=BRIDGE | {"lead_username": " M3"}).json()["id"]
    assert state(web)["bridges"][made]["lead_id"] == seat(web, "m3")
    assert web.call("m3", "POST", f"bridges/{made}/roll").status_code == 204


def test_the_minutes_name_the_bridges_their_rolls_and_when_they_were_lost(web, far):
    web.house.bridge("Lộc An", "m5")
    web.house.open()
    web.call("m3", "POST", f"bridges/{far}/roll")
    for moved in (BridgeState.UP, BridgeState.LOST):
        with web.client.app.state.db.write() as tx:
            actions.settle(tx, clock.now(), web.house.meeting_id, {far: moved})
    web.call("chair", "POST", "close")
    sections = {one["key"]: one["paragraphs"] for one in web.call("secretary", "GET", "minutes").json()["sections"]}
    told = "\n".join(sections["attendance"])
    assert "Họp tại hội trường và 2 điểm cầu, trong đó 1 điểm cầu đã chốt điểm danh." in told
    assert "Có mặt tại các điểm cầu: Xã Suối Ngang 2/2." in told
    assert "Điểm cầu Xã Suối Ngang mất kết nối từ " in told
    assert "không tính là có mặt" in told
    assert web.call("secretary", "GET", "minutes.pdf").content[:5] == b"%PDF-"


def test_members_of_a_bridge_that_is_closed_are_in_the_hall(web, body, far):
    web.call("secretary", "PUT", f"{body}/bridges/{far}", json=BRIDGE | {"active": False})
    with web.client.app.state.db.read() as tx:
        assert set(tx.scalars(select(Member.bridge_id))) == {None}
    assert {member["bridge_id"] for member in state(web)["members"].values()} == {None}


# --- what a lost bridge does to the quorum ---


def lose(web, far: str) -> int:
    """Everybody is here but the bridge is lost; how many are counted as present."""
    web.house.check_in(web.house.names)
    for moved in (BridgeState.UP, BridgeState.LOST):
        with web.client.app.state.db.write() as tx:
            actions.settle(tx, clock.now(), web.house.meeting_id, {far: moved})
    return state(web)["quorum"]["present"]


def change_rule(web, body: str, rule: str = "counts"):
    return web.call("secretary", "PUT", f"{body}/lost-bridge", json={"lost_bridge": rule})


def test_the_rule_is_changed_between_meetings_and_counts_at_once(web, body, far):
    assert lose(web, far) == 4
    assert change_rule(web, body).status_code == 204
    assert state(web)["quorum"]["present"] == 6
    [known] = web.call("secretary", "GET", "/api/bodies").json()
    assert known["lost_bridge"] == "counts"
    with web.client.app.state.db.read() as tx:
        last = tx.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc())).first()
        told = log.tail(tx, web.house.meeting_id, 0)[-1].body
    assert (last.act, last.facts) == ("body.rule-changed", {"lost_bridge": "counts"})
    assert (told["type"], told["quorum"]["present"]) == ("bridges.changed", 6)
    assert change_rule(web, body, "never").status_code == 422


def test_the_rule_stays_while_a_meeting_of_the_body_sits_or_rests(web, body, far):
    web.house.open()
    assert refused(change_rule(web, body)) == (409, "body-is-sitting")
    assert web.call("chair", "POST", "adjourn").status_code == 204
    assert refused(change_rule(web, body)) == (409, "body-is-sitting")
    assert web.call("chair", "POST", "close").status_code == 204
    assert change_rule(web, body).status_code == 204


def test_the_minutes_know_the_rule_under_which_the_meeting_sat(web, body, far):
    web.house.open()
    lose(web, far)
    web.call("chair", "POST", "close")
    assert change_rule(web, body).status_code == 204
    sections = {one["key"]: one["paragraphs"] for one in web.call("secretary", "GET", "minutes").json()["sections"]}
    assert "không tính là có mặt" in "\n".join(sections["attendance"])
