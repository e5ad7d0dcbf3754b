"""The province's conference at 154 bridges: one who leads a room calls its roll, the secretary sees all rooms at a glance."""

import re

import pytest
from playwright.sync_api import expect

from tests.flows.browser import Screen

ROOM = "Xã Đạ Hòa"


@pytest.fixture
def lead(browser, demo):
    """Who leads the room, at its page."""
    secretary = demo.person("secretary")
    meeting = secretary.must("GET", f"/api/meetings/{demo.facts['conference_id']}")["state"]["meeting"]
    rooms = {one["name"]: one for one in secretary.must("GET", f"/api/bodies/{meeting['body_id']}/bridges")}
    place = demo.people("member").index(rooms[ROOM]["lead_username"])
    screen = Screen(browser, demo, "portrait").sign_in("member", place, f"{demo.facts['meetings']}/m/{meeting['id']}/bridge")
    yield screen
    assert screen.faults == []
    screen.close()


@pytest.fixture
def secretary(browser, demo):
    at = f"{demo.facts['meetings']}/m/{demo.facts['conference_id']}/bridges"
    screen = Screen(browser, demo).sign_in("secretary", at=at)
    yield screen
    assert screen.faults == []
    screen.close()


def test_the_lead_calls_the_roll_of_the_room_and_the_board_shows_it(lead, secretary):
    board, room = secretary.page, lead.page
    expect(board.locator("[data-room]")).to_have_count(154)
    cell = board.get_by_role("button", name=re.compile(r"^Đạ Hòa\s*,"))
    expect(room.get_by_role("heading", name=ROOM)).to_be_visible()

    rows = room.get_by_role("listitem")
    expect(rows).to_have_count(3)
    for place in (0, 1):
        rows.nth(place).get_by_role("button", name="Có mặt").click()
        expect(rows.nth(place).get_by_role("button", name="Có mặt")).to_have_attribute("aria-pressed", "true")
    rows.nth(2).get_by_role("button", name="Có lý do").click()
    room.get_by_label("Lý do vắng").fill("Đi công tác")
    room.get_by_role("button", name="Lưu").click()
    expect(room.get_by_text("Đã điểm danh đủ mọi người.")).to_be_visible()
    room.get_by_role("button", name="Chốt điểm danh 2/3").click()
    expect(room.get_by_text(re.compile(r"Đã chốt lúc \d\d:\d\d: có mặt 2/3\."))).to_be_visible()
    lead.check()

    expect(cell).to_have_accessible_name(re.compile(r"^Đạ Hòa\s*, tốt, 2 đại biểu$"))  # the lead's own tablet brought it there
    cell.click()
    expect(board.get_by_text(re.compile(r"2/3, chốt lúc"))).to_be_visible()
    expect(board.get_by_role("link", name=re.compile("^Gọi 0912 345"))).to_be_visible()
    board.keyboard.press("ArrowRight")
    expect(board.get_by_role("button", name=re.compile(r"^Đạ Kho\s*, chưa vào"))).to_be_focused()
    secretary.check("dark")


def test_a_big_screen_in_a_delegates_seat_shows_which_rooms_are_there_and_not_how_well_they_are_heard(browser, demo):
    screen = Screen(browser, demo, "wall").sign_in("member", at=f"{demo.facts['meetings']}/wall/bridges")
    wall = screen.page
    wall.get_by_role("button", name=re.compile("^Điểm cầu Hội nghị trực tuyến")).click()
    expect(wall).to_have_url(re.compile(f"/wall/{demo.facts['conference_id']}/bridges$"))
    sums = wall.get_by_role("region", name="Tổng số")
    for words in ("/154 đã kết nối", "mất kết nối", "chưa vào"):
        expect(sums).to_contain_text(words)
    expect(sums).not_to_contain_text("chập chờn")
    screen.check()
    assert screen.faults == []
    screen.close()
