"""What hands and lines do in a meeting: a mouse that slips, a choice while others act, a deed that does not arrive."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.clock import now
from shared.ids import new_token
from tests.flows.browser import Screen
from tests.flows.conftest import Demo
from tests.flows.person import Person

FIRST, SECOND = "Thông qua chương trình kỳ họp", "Thông qua Nghị quyết về đầu tư công"


class House:
    """A published meeting of two items with a paper and a vote each; everybody but the delegate is present."""

    def __init__(self, browser: Browser, demo: Demo) -> None:
        self.browser, self.demo = browser, demo
        self.secretary, self.chair, self.delegate = demo.person("secretary"), demo.person("chair"), demo.person("member", 5)
        start = (now() + timedelta(hours=1)).isoformat()
        body = self.secretary.state()["meeting"]["body_id"]
        self.title = f"Phiên họp {new_token()[:8]}"
        plan = {
            "body_id": body,
            "title": self.title,
            "kind": "thematic",
            "place": "Hội trường",
            "starts_at": start,
        }
        meeting = self.secretary.must("POST", "/api/meetings", json=plan)["id"]
        for person in (self.secretary, self.chair, self.delegate):
            person.demo = person.demo | {"meeting_id": meeting}
        self.meeting = meeting
        papers = sorted((demo.folder / "demo" / "papers").rglob("*.pdf"), key=lambda one: one.stat().st_size)
        self.papers: list[str] = []
        for title, paper, words in (("Khai mạc", papers[0], FIRST), ("Đầu tư công", papers[1], SECOND)):
            item = self.secretary.must("POST", "items", json={"title": title, "parent_id": None, "presenter": ""})["id"]
            sent = self.secretary.must(
                "POST", f"items/{item}/papers", files={"file": (paper.name, paper.read_bytes(), "application/pdf")}
            )
            self.papers.append(sent["paper_id"])
            self.secretary.must("POST", "polls", json={"item_id": item, "title": words})
        self.secretary.must("POST", "publish")
        mine = self.delegate.must("GET", "seat")["member_id"]
        for member in self.secretary.state()["members"].values():
            if member["votes"] and member["id"] != mine:
                self.secretary.must("PUT", f"attendance/{member['id']}", json={"state": "present"})

    def items(self) -> list[str]:
        return [one["id"] for one in sorted(self.secretary.state()["agenda"].values(), key=lambda one: one["number"])]

    def poll(self, title: str) -> str:
        return next(one["id"] for one in self.secretary.state()["polls"].values() if one["title"] == title)

    def at(self, person: Person, path: str, size: str = "tablet") -> Screen:
        screen = Screen(self.browser, self.demo, size)
        # What a test breaks later passes Chromium by, if nothing was to be broken when the service worker took the page over.
        screen.page.route("**/nothing-here", lambda route: route.abort())
        screen.page.goto(f"{self.demo.facts['meetings']}{path.replace('MEETING', self.meeting)}")
        screen.answer_sign_in(person.username, person.password)
        return screen


@pytest.fixture(scope="module")
def house(browser: Browser, demo: Demo) -> Iterator[House]:
    house = House(browser, demo)
    yield house
    state = house.chair.state()
    for poll in (one["id"] for one in state["polls"].values() if one["stage"] == "open"):
        house.chair.must("POST", f"polls/{poll}/close")
    if state["meeting"]["stage"] == "open":
        house.chair.must("POST", "close")  # other stories count on no meeting that sits


@pytest.fixture
def chair(house: House) -> Iterator[Page]:
    yield from watched(house.at(house.chair, "/m/MEETING/chair"))


@pytest.fixture
def delegate(house: House) -> Iterator[Page]:
    yield from watched(house.at(house.delegate, "/m/MEETING"))


def watched(screen: Screen) -> Iterator[Page]:
    yield screen.page
    assert screen.faults == []
    screen.close()


def test_an_invitation_can_be_answered_the_other_way_after_a_first_thought(house):
    screen = house.at(house.delegate, "/")
    row = screen.page.locator("article", has_text=house.title)
    assert screen.small() == []
    row.get_by_role("button", name="Xin vắng").click()
    row.get_by_role("button", name="Thôi", exact=True).click()
    row.get_by_role("button", name="Nhận lời").click()
    expect(row.get_by_role("button", name="Đổi trả lời")).to_be_visible()
    screen.close()


def test_a_dialog_that_is_left_gives_the_focus_back(house):
    screen = house.at(house.secretary, "/m/MEETING/desk", "desk")
    button = screen.page.get_by_role("button", name="Sửa thông tin kỳ họp")
    button.press("Enter")
    screen.page.get_by_role("dialog").get_by_role("button", name="Thôi", exact=True).press("Enter")
    expect(button).to_be_focused()
    screen.close()


def test_of_two_who_edit_the_meeting_the_second_sees_what_the_first_wrote(house):
    screen = house.at(house.secretary, "/m/MEETING/desk", "desk")
    page = screen.page
    page.get_by_role("button", name="Sửa thông tin kỳ họp").click()
    house.secretary.must("PATCH", f"/api/meetings/{house.meeting}", json={"place": "Hội trường B", "kind": "regular"})
    page.get_by_label("Địa điểm").fill("Hội trường C")
    page.get_by_role("button", name="Lưu").click()
    expect(page.get_by_text("vừa được người khác sửa")).to_be_visible()
    expect(page.get_by_text("Địa điểm: Hội trường B")).to_be_visible()
    page.get_by_role("button", name="Lưu").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    now = house.secretary.state()["meeting"]
    assert (now["place"], now["kind"]) == ("Hội trường C", "regular")
    screen.close()


def test_the_page_behind_the_qr_code_says_no_time_of_the_devices_clock(house, demo):
    house.secretary.must("GET", "door.svg")
    with closing(sqlite3.connect(demo.folder / "demo" / "meetings.db")) as db:
        (code,) = db.execute("SELECT code FROM door_code WHERE meeting_id = ?", (house.meeting,)).fetchone()
    screen = house.at(demo.person("member", 6), "/")
    expect(screen.page.get_by_text(house.title)).to_be_visible()
    screen.page.clock.set_fixed_time("2031-05-06T07:08:09Z")
    screen.page.goto(f"{demo.facts['meetings']}/check-in/{house.meeting}#{code}")
    expect(screen.page.get_by_role("heading", name="Đã điểm danh")).to_be_visible()
    assert ":08:09" not in screen.page.locator("main").inner_text()
    screen.close()


def test_a_wall_that_starts_without_a_line_finds_the_meetings_by_itself(house):
    screen = house.at(house.secretary, "/", "wall")
    expect(screen.page.get_by_text(house.title)).to_be_visible()
    screen.page.route("**/api/meetings", lambda route: route.abort(), times=1)
    screen.go("/wall")
    expect(screen.page.get_by_role("button", name=re.compile(house.title)).first).to_be_visible()
    assert screen.faults == []
    screen.close()


def test_a_mouse_that_leaves_a_held_button_confirms_nothing(house, chair):
    box = chair.get_by_role("button", name="Giữ để khai mạc").bounding_box()
    assert box
    chair.mouse.move(box["x"] + 40, box["y"] + 20)
    chair.mouse.down()
    chair.mouse.move(5, 5)
    chair.mouse.up()
    chair.wait_for_timeout(1300)
    assert house.secretary.state()["meeting"]["stage"] == "published"
    house.chair.must("POST", "open")
    house.chair.must("POST", "enter", json={"item_id": house.items()[0]})


def test_the_chosen_vote_stays_chosen_while_others_act(house, chair, delegate):
    delegate.get_by_role("button", name="Điểm danh").click()
    expect(delegate.get_by_role("button", name="Đăng ký phát biểu")).to_be_visible()
    expect(chair.get_by_role("heading", name=FIRST)).to_be_visible()
    chair.get_by_role("button", name="Chọn khác trong các biểu quyết").click()
    chair.get_by_role("menuitemradio", name=re.compile(SECOND)).click()
    expect(chair.get_by_role("heading", name=SECOND)).to_be_visible()
    delegate.get_by_role("button", name="Đăng ký phát biểu").click()
    expect(chair.get_by_role("listitem").filter(has_text=house.delegate.name)).to_be_visible()
    expect(chair.get_by_role("heading", name=SECOND)).to_be_visible()


def test_who_looks_elsewhere_while_a_page_is_shown_to_all_gets_there(house, delegate):
    house.chair.must("POST", "lead", json={"paper_id": house.papers[0], "page": 1})
    shown = house.secretary.state()["papers"][house.papers[0]]["title"]
    expect(delegate.get_by_role("heading", name=shown, exact=True)).to_be_visible()
    delegate.get_by_role("navigation").get_by_role("button", name=re.compile("Đầu tư công")).click()
    other = house.secretary.state()["papers"][house.papers[1]]["title"]
    expect(delegate.get_by_role("heading", name=other, exact=True)).to_be_visible()
    house.secretary.must("POST", f"papers/{house.papers[1]}/withdraw")
    expect(delegate.get_by_text("Tài liệu này đã được rút lại.")).to_be_visible()


def test_a_page_that_could_not_be_shown_to_all_is_told(house):
    screen = house.at(house.chair, f"/m/MEETING?paper={house.papers[0]}")
    screen.page.route("**/lead", lambda route: route.abort())
    screen.page.get_by_role("button", name=re.compile("Chiếu trang này|Thôi chiếu")).click()
    expect(screen.page.get_by_text("Chưa đổi được trang đang chiếu")).to_be_visible()
    assert screen.faults == []
    screen.close()
    house.chair.must("POST", "lead", json={"paper_id": None})


def test_a_check_in_that_does_not_arrive_is_told_where_one_wants_to_vote(house, delegate):
    mine = house.delegate.must("GET", "seat")["member_id"]
    house.secretary.must("PUT", f"attendance/{mine}", json={"state": "absent"})
    house.chair.must("POST", f"polls/{house.poll(FIRST)}/open")
    sheet = delegate.get_by_role("dialog", name=FIRST)
    delegate.route("**/check-in", lambda route: route.abort(), times=1)
    sheet.get_by_role("button", name="Điểm danh").click()
    expect(sheet.get_by_text("Mất kết nối. Việc này chưa làm được")).to_be_visible()
    sheet.get_by_role("button", name="Điểm danh").click()
    expect(sheet.get_by_role("radio")).to_have_count(3)


def test_the_wall_asks_for_the_table_of_codes_once(house):
    screen = house.at(house.secretary, "/wall/MEETING", "wall")
    asked: list[str] = []
    screen.page.on("request", lambda one: asked.append(one.url) if one.url.endswith("/ballots") else None)
    mine, poll = house.delegate.must("GET", "seat")["member_id"], house.poll(FIRST)
    house.secretary.must("PUT", f"attendance/{mine}", json={"state": "present"})
    house.delegate.must("POST", f"polls/{poll}/ballots", json={"choice": "in_favour"}, headers={"Idempotency-Key": "k" * 32})
    house.chair.must("POST", "lead", json={"paper_id": None})
    house.chair.must("POST", f"polls/{poll}/close")
    house.chair.must("POST", f"polls/{poll}/declare")
    expect(screen.page.get_by_text("Kết quả").or_(screen.page.get_by_text("cần 31/60")).first).to_be_visible()
    item = house.items()[1]
    for minutes in (30, 40):
        house.secretary.must("PUT", f"items/{item}", json={"title": "Đầu tư công", "presenter": "", "minutes": minutes})
    speech = next(one["id"] for one in house.secretary.state()["speaking"].values() if one["state"] == "waiting")
    house.chair.must("POST", f"speeches/{speech}/give")  # the chair goes on, and the wall has heard all that was before
    expect(screen.page.get_by_role("heading", name=house.delegate.name)).to_be_visible()
    assert len(asked) == 1
    screen.close()
