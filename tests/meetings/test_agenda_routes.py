"""A meeting from its first draft to its end, as the secretary and the chair lead it."""

import pytest

from meetings.agenda import actions
from meetings.bodies.models import Member
from shared import clock
from tests.makers import make_body
from tests.meetings.scene import PLAN, upload


@pytest.fixture
def draft(web):
    """A draft of the house's body; its path."""
    with web.client.app.state.db.read() as tx:
        body_id = tx.get_one(actions.Meeting, web.house.meeting_id).body_id
    answer = web.call("secretary", "POST", "/api/meetings", json=PLAN | {"body_id": body_id})
    assert answer.status_code == 201
    return f"/api/meetings/{answer.json()['id']}"


def agenda(web, meeting: str) -> list[str]:
    """`1 a`, `1.1 b` ... in order."""
    items = web.call("secretary", "GET", meeting).json()["state"]["agenda"].values()
    return sorted(f"{item['number']} {item['title']}" for item in items)


def add(web, meeting: str, title: str, parent_id: str | None = None) -> str:
    answer = web.call("secretary", "POST", f"{meeting}/items", json={"title": title, "parent_id": parent_id})
    assert answer.status_code == 201
    return answer.json()["id"]


def refused(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_draft_is_known_to_its_desk_alone(web, draft):
    add(web, draft, "Dự toán")
    for name in ("chair", "secretary"):
        assert web.call(name, "GET", draft).json()["state"]["meeting"]["stage"] == "draft"
        assert draft.rsplit("/", 1)[1] in {meeting["id"] for meeting in web.call(name, "GET", "/api/meetings").json()}
    for name in ("m3", "teller", "guest", "stranger"):
        assert refused(web.call(name, "GET", draft)) == (404, "not-found")
        assert draft.rsplit("/", 1)[1] not in {meeting["id"] for meeting in web.call(name, "GET", "/api/meetings").json()}
    assert web.call("secretary", "POST", f"{draft}/publish").json() == {"first": True, "papers": 0, "notices": 6}
    assert web.call("guest", "GET", draft).json()["state"]["meeting"]["stage"] == "published"


def test_only_a_secretary_makes_a_meeting_and_only_of_an_own_body(web):
    with web.client.app.state.db.write() as tx:
        body_id, other = tx.get_one(actions.Meeting, web.house.meeting_id).body_id, make_body(tx)
        tx.query(Member).filter_by(body_id=other).delete()
    for name, body, answer in (
        ("chair", body_id, (403, "forbidden")),
        ("secretary", other, (404, "not-found")),
        ("secretary", "unknown", (404, "not-found")),
    ):
        assert refused(web.call(name, "POST", "/api/meetings", json=PLAN | {"body_id": body})) == answer


def test_items_are_added_moved_changed_and_taken_out(web, draft):
    first, second = add(web, draft, "Một"), add(web, draft, "Hai")
    below = add(web, draft, "Ba", second)
    assert agenda(web, draft) == ["1 Một", "2 Hai", "2.1 Ba"]
    assert (
        web.call("secretary", "POST", f"{draft}/items/{below}/move", json={"parent_id": None, "position": 0}).status_code == 204
    )
    assert (
        web.call("secretary", "POST", f"{draft}/items/{first}/move", json={"parent_id": second, "position": 0}).status_code
        == 204
    )
    assert agenda(web, draft) == ["1 Ba", "2 Hai", "2.1 Một"]
    change = {"title": "  Bo\u0302\u0301n ", "presenter": "Sở Nội vụ", "minutes": 15}
    assert web.call("secretary", "PUT", f"{draft}/items/{first}", json=change).status_code == 204
    assert web.call("secretary", "DELETE", f"{draft}/items/{below}").status_code == 204
    assert agenda(web, draft) == ["1 Hai", "1.1 Bốn"]


def test_an_agenda_has_three_levels(web, draft):
    parent = None
    for level in range(3):
        parent = add(web, draft, str(level), parent)
    answer = web.call("secretary", "POST", f"{draft}/items", json={"title": "Quá sâu", "parent_id": parent})
    assert refused(answer) == (422, "agenda-too-deep")
    assert agenda(web, draft) == ["1 0", "1.1 1", "1.1.1 2"]


def test_an_item_on_which_something_hangs_stays(web):
    house = web.house.open()
    other = add(web, f"/api/meetings/{house.meeting_id}", "Có tài liệu")
    assert web.call("secretary", "POST", f"items/{other}/papers", **upload()).status_code == 201
    with_poll = add(web, f"/api/meetings/{house.meeting_id}", "Có biểu quyết")
    house.prepare_poll(item_id=with_poll)
    with_child = add(web, f"/api/meetings/{house.meeting_id}", "Có mục con")
    add(web, f"/api/meetings/{house.meeting_id}", "con", with_child)
    spoken = add(web, f"/api/meetings/{house.meeting_id}", "Có phát biểu")
    web.call("chair", "POST", "enter", json={"item_id": spoken})
    assert web.call("m3", "POST", "speeches", json={}).status_code == 201
    web.call("chair", "POST", "enter", json={"item_id": house.item_id})
    before = agenda(web, f"/api/meetings/{house.meeting_id}")
    for item_id in (house.item_id, other, with_poll, with_child, spoken):
        assert refused(web.call("secretary", "DELETE", f"items/{item_id}")) == (409, "item-in-use")
    assert agenda(web, f"/api/meetings/{house.meeting_id}") == before


def test_nothing_is_published_without_an_agenda_or_without_news(web, draft):
    assert refused(web.call("secretary", "POST", f"{draft}/publish")) == (409, "agenda-empty")
    assert web.call("secretary", "GET", draft).json()["state"]["meeting"]["stage"] == "draft"
    add(web, draft, "Dự toán")
    assert web.call("secretary", "POST", f"{draft}/publish").status_code == 200
    assert refused(web.call("secretary", "POST", f"{draft}/publish")) == (409, "nothing-to-publish")


def test_chair_and_secretary_are_members_of_the_body(web, draft):
    state = web.call("secretary", "GET", draft).json()["state"]
    members = {one["full_name"].split()[-1].lower(): one["id"] for one in state["members"].values()}
    with web.client.app.state.db.write() as tx:
        stranger = tx.query(Member).filter_by(body_id=make_body(tx), username="m3").one().id
    for change in ({"chair_id": stranger}, {"secretary_id": stranger}, {"chair_id": "unknown"}):
        assert refused(web.call("secretary", "PATCH", draft, json={"title": "Mới"} | change)) == (404, "not-found")
    assert web.call("secretary", "GET", draft).json()["state"]["meeting"]["title"] == PLAN["title"]
    assert web.call("secretary", "PATCH", draft, json={"chair_id": members["m3"], "place": "Hội trường B"}).status_code == 204
    changed = web.call("m3", "GET", f"{draft}/seat").json()
    assert (changed["is_chair"], changed["is_secretary"]) == (True, False)
    assert refused(web.call("chair", "GET", f"{draft}/seat")) == (404, "not-found")  # no longer of the desk


def test_of_two_secretaries_who_change_the_same_the_second_is_told(web, draft):
    def change(**fields):
        return web.call("secretary", "PATCH", draft, json=fields | {"was": {name: PLAN[name] for name in fields}})

    assert change(title="Kỳ họp thứ 5").status_code == 204
    late = change(title="Kỳ họp thứ 6", place="Hội trường B")
    assert refused(late) == (409, "meeting-changed")
    now = late.json()["facts"]["meeting"]
    assert (now["title"], now["place"]) == ("Kỳ họp thứ 5", PLAN["place"])
    assert change(place="Hội trường B", starts_at="2026-12-10T01:00:00Z").status_code == 204, "another field is no conflict"
    assert web.call("secretary", "GET", draft).json()["state"]["meeting"]["title"] == "Kỳ họp thứ 5"


@pytest.mark.parametrize(
    ("stage", "method", "path", "body", "code"),
    [
        ("draft", "POST", "open", None, "meeting-not-in-stage"),
        ("draft", "POST", "adjourn", None, "meeting-not-in-stage"),
        ("draft", "POST", "close", None, "meeting-not-in-stage"),
        ("draft", "POST", "enter", {"item_id": "{item}"}, "meeting-not-in-stage"),
        ("draft", "POST", "lead", {"paper_id": None}, "meeting-not-in-stage"),
        ("draft", "POST", "check-in", {}, "check-in-closed"),
        ("draft", "POST", "speeches", {}, "meeting-not-in-stage"),
        ("published", "POST", "open", None, "no-quorum"),
        ("published", "POST", "close", None, "meeting-not-in-stage"),
        ("open", "POST", "open", None, "meeting-not-in-stage"),
        ("open", "PATCH", "", {"title": "Khác"}, "meeting-not-in-stage"),
        ("adjourned", "POST", "adjourn", None, "meeting-not-in-stage"),
        ("adjourned", "POST", "enter", {"item_id": "{item}"}, "meeting-not-in-stage"),
        ("closed", "POST", "open", None, "meeting-not-in-stage"),
        ("closed", "POST", "close", None, "meeting-not-in-stage"),
        ("closed", "POST", "publish", None, "meeting-not-in-stage"),
        ("closed", "POST", "items", {"title": "Thêm"}, "meeting-not-in-stage"),
        ("closed", "PUT", "items/{item}", {"title": "Khác"}, "meeting-not-in-stage"),
        ("closed", "DELETE", "items/{item}", None, "meeting-not-in-stage"),
        ("closed", "POST", "polls", {"item_id": "{item}", "title": "Thêm"}, "meeting-not-in-stage"),
        ("closed", "POST", "check-in", {}, "check-in-closed"),
        ("closed", "PUT", "invitations/mine", {"reply": "accepted"}, "meeting-not-in-stage"),
    ],
)
def test_each_act_has_its_stage(web, draft, stage, method, path, body, code):
    meeting = f"/api/meetings/{web.house.meeting_id}"
    item_id = web.house.item_id
    if stage == "draft":
        meeting, item_id = draft, add(web, draft, "Dự toán")
    elif stage != "published":
        web.house.open()
        if stage != "open":
            verb = {"adjourned": "adjourn", "closed": "close"}[stage]
            assert web.call("chair", "POST", verb).status_code == 204
    before = web.call("secretary", "GET", meeting).json()
    assert before["state"]["meeting"]["stage"] == stage
    sent = body and {key: value.format(item=item_id) if isinstance(value, str) else value for key, value in body.items()}
    answer = web.call("secretary", method, f"{meeting}/{path.format(item=item_id)}".rstrip("/"), json=sent)
    assert answer.json()["code"] == code
    assert answer.status_code == 409
    assert web.call("secretary", "GET", meeting).json() == before


def test_a_meeting_runs_from_its_opening_to_its_end(web):
    house, stages = web.house, []
    house.check_in(house.names)
    for verb in ("open", "adjourn", "open", "close"):
        assert web.call("chair", "POST", verb).status_code == 204
        meeting = web.call("guest", "GET", "").json()["state"]["meeting"]
        stages.append(meeting["stage"])
    assert stages == ["open", "adjourned", "open", "closed"]
    assert meeting["opened_at"] <= meeting["closed_at"] <= clock.now().isoformat()


def test_an_open_poll_holds_the_meeting_together(web):
    poll = web.house.open().open_poll()
    for verb in ("adjourn", "close"):
        assert refused(web.call("chair", "POST", verb)) == (409, "poll-still-open")
    web.house.close_poll(poll)
    assert web.call("chair", "POST", "close").status_code == 204
