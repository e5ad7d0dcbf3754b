"""The secretary rehearses a session with a button: a process beside the service runs it, and its page tells what came of it."""

import pytest
from playwright.sync_api import expect

from tests.flows.browser import Screen

PLAN = {"title": "Kỳ họp ngày mai", "kind": "thematic", "place": "Hội trường", "starts_at": "2026-12-10T01:00:00Z"}


@pytest.fixture
def meeting(demo) -> str:
    """A session of one item and one vote; no other is sitting."""
    secretary, chair = demo.person("secretary"), demo.person("chair")
    state = chair.state()
    for poll in state["polls"].values():
        if poll["stage"] == "open":
            chair.must("POST", f"polls/{poll['id']}/close")
    if state["meeting"]["stage"] == "open":
        chair.must("POST", "adjourn")
    made = secretary.must("POST", "/api/meetings", json=PLAN | {"body_id": state["meeting"]["body_id"]})["id"]
    item = secretary.must("POST", f"/api/meetings/{made}/items", json={"title": "Dự toán", "presenter": "", "minutes": 30})[
        "id"
    ]
    secretary.must("POST", f"/api/meetings/{made}/polls", json={"item_id": item, "title": "Thông qua dự toán"})
    return made


def test_a_button_rehearses_tomorrows_session_and_tells_what_it_found(browser, demo, meeting):
    screen = Screen(browser, demo).sign_in("secretary")
    page = screen.page
    page.wait_for_url(demo.facts["meetings"] + "/**")
    screen.go(f"/m/{meeting}/desk")
    page.get_by_role("button", name="Diễn tập", exact=True).click()
    delegates = page.get_by_label("Số đại biểu giả lập")
    expect(delegates).to_have_value("60")
    delegates.fill("12")
    screen.check()
    page.get_by_role("button", name="Diễn tập với 12 đại biểu").click()
    page.wait_for_url(f"**/m/{meeting}/rehearsal")
    expect(page.locator("#under-way")).to_contain_text("12 đại biểu")
    expect(page.locator("#verdict")).to_be_visible(timeout=60_000)
    for figure in ("Lỗi", "Phiếu đã ghi nhận mà mất", "Phiếu tính hai lần hoặc không có người bỏ"):
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=figure, exact=True))
        expect(row).to_contain_text("đạt")
        expect(row).not_to_contain_text("chưa")
    expect(page.get_by_role("row").filter(has_text="Trang đầu của tài liệu")).to_contain_text("không có gì để đo")
    screen.check("dark", "en")
    assert screen.faults == []
    screen.close()
    told = demo.person("secretary").must("GET", f"/api/meetings/{meeting}")["state"]
    assert (told["meeting"]["stage"], len(told["attendance"])) == ("draft", 0)
