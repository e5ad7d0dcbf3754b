"""Stories 2 to 7 in Chromium: prepare, read, meet, vote, minutes, verify; each person at a screen of their own."""

import email
import email.policy
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import icalendar
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.flows.browser import Screen
from tests.flows.conftest import ROOT, Demo
from tests.flows.person import Person

TITLE = "Kỳ họp chuyên đề tháng 12"
POLL = "Thông qua Nghị quyết về dự toán ngân sách"
COUNTED = """
  self.channels = {}
  self.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) { super(name); channels[location.search] = (channels[location.search] ?? 0) + 1 }
  }"""


class Story:
    """The screens and what they have come to; later chapters stand on earlier ones."""

    def __init__(self, browser: Browser, demo: Demo) -> None:
        self.browser, self.demo = browser, demo
        self.screens: dict[str, Screen] = {}
        self.meeting_id = ""

    def at(self, name: str, role: str, size: str, place: int = 0) -> Page:
        if name not in self.screens:
            self.screens[name] = Screen(self.browser, self.demo, size).sign_in(role, place)
            self.screens[name].page.wait_for_url(self.demo.facts["meetings"] + "/**")
        return self.screens[name].page

    def go(self, name: str, path: str) -> Page:
        page = self.screens[name].page
        page.goto(self.demo.facts["meetings"] + path.replace("MEETING", self.meeting_id))
        return page

    def check(self, name: str, *also: str) -> None:
        self.screens[name].check(*also)

    @property
    def secretary(self) -> Page:
        return self.at("secretary", "secretary", "desk")

    @property
    def chair(self) -> Page:
        return self.at("chair", "chair", "tablet")

    def person(self, role: str, place: int = 0) -> Person:
        """The same person over HTTP, for what sixty hands would do."""
        person = self.demo.person(role, place)
        person.demo = person.demo | {"meeting_id": self.meeting_id}
        return person

    def papers(self, pattern: str) -> list[str]:
        return sorted(str(path) for path in (self.demo.folder / "demo" / "papers").rglob(pattern))


@pytest.fixture(scope="module")
def story(browser: Browser, demo: Demo) -> Iterator[Story]:
    story = Story(browser, demo)
    yield story
    for screen in story.screens.values():
        assert screen.faults == []
        screen.close()


def test_2_the_secretary_prepares_a_session(story):
    page = story.secretary
    expect(page.get_by_text("Kỳ họp thứ 4").first).to_be_visible()
    story.check("secretary", "dark", "en")
    page.get_by_role("link", name="Kỳ họp mới").click()
    page.get_by_label("Cơ quan").first.select_option(label="Hội đồng nhân dân tỉnh Bình Lâm")
    page.get_by_label("Tên kỳ họp").fill(TITLE)
    page.get_by_label("Ngày họp").fill("2026-12-09")
    page.get_by_label("Địa điểm").fill("Hội trường tỉnh")
    story.check("secretary")
    page.get_by_role("button", name="Lập kỳ họp").click()
    page.wait_for_url("**/desk")
    story.meeting_id = page.url.split("/")[-2]
    page.get_by_role("button", name="Thêm nội dung").first.click()
    for title in ("Khai mạc", "Dự toán ngân sách năm 2027", "Bế mạc"):
        page.get_by_label("Tên nội dung mới").fill(title)
        page.get_by_label("Tên nội dung mới").press("Enter")
        expect(page.get_by_text(title).first).to_be_visible()
        expect(page.get_by_label("Tên nội dung mới")).to_have_value("")
    page.get_by_text("Dự toán ngân sách năm 2027").first.click()
    page.locator("input[type=file]").first.set_input_files(
        [story.papers("To trinh 412*.pdf")[0], story.papers("Du thao Nghi quyet ngan sach.pdf")[0]]
    )
    expect(
        page.get_by_role("button", name="Phát hành 2 thay đổi").or_(page.get_by_role("button", name="Phát hành 3 thay đổi"))
    ).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Thêm biểu quyết").click()
    page.get_by_label("Nội dung biểu quyết").fill(POLL)
    page.get_by_role("button", name="Thêm biểu quyết").click()
    expect(page.get_by_text("công khai, cần 31/60").first).to_be_visible()
    story.check("secretary", "dark", "en")


def test_2_a_state_secret_is_refused_at_the_drop_zone_with_the_reason(story, tmp_path):
    from docs_store.typeset import typeset
    from shared.clock import now

    template = tmp_path / "secret" / "secret.typ"
    template.parent.mkdir()
    template.write_text(
        '#set document(title: "x")\n#set text(lang: "vi")\n#box(stroke: 1pt, inset: 4pt)[*TUYỆT MẬT*]\n\n= Kế hoạch'
    )
    (tmp_path / "ke-hoach.pdf").write_bytes(typeset(template, {}, now=now(), standards=()))
    (tmp_path / "khong-phai.pdf").write_bytes(b"PK\x03\x04 not a pdf")
    page = story.secretary
    page.locator("input[type=file]").first.set_input_files([str(tmp_path / "ke-hoach.pdf"), str(tmp_path / "khong-phai.pdf")])
    expect(page.get_by_text(re.compile("mật", re.IGNORECASE)).first).to_be_visible()
    expect(page.get_by_text("không nhận").first).to_be_visible(timeout=60_000)


def test_2_members_are_imported_from_a_spreadsheet_with_row_errors(story, tmp_path):
    from deploy.demo.spreadsheet import write_flawed_members, write_members

    write_members(tmp_path / "members.xlsx")
    flaws = write_flawed_members(tmp_path / "flawed.xlsx")
    page = story.secretary
    body = story.person("secretary").must("GET", "/api/bodies")[0]["id"]
    story.go("secretary", "/bodies")
    expect(page.get_by_role("link", name="Thành viên").first).to_be_visible()
    story.check("secretary")
    story.go("secretary", f"/bodies/{body}/members")
    page.locator("input[type=file]").set_input_files(str(tmp_path / "flawed.xlsx"))
    expect(page.get_by_text("Cần sửa").first).to_be_visible(timeout=60_000)
    for row in list(flaws)[:3]:
        expect(page.get_by_role("cell", name=str(row), exact=True).first).to_be_visible()
    story.check("secretary", "dark")
    page.locator("input[type=file]").set_input_files(str(tmp_path / "members.xlsx"))
    expect(page.get_by_role("button", name=re.compile(r"Nhập \d+ người"))).to_be_visible(timeout=60_000)
    story.check("secretary")


def test_2_publishing_sends_notices_with_a_calendar(story):
    page = story.go("secretary", "/m/MEETING/desk")
    page.get_by_role("button", name=re.compile(r"Phát hành \d+ thay đổi")).click()
    story.check("secretary")
    page.get_by_role("button", name="Phát hành", exact=True).click()
    expect(page.get_by_text("Đã phát hành").first).to_be_visible()
    mail = Path(story.demo.facts["mail"])

    def calendars() -> list[icalendar.Calendar]:
        letters = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in mail.glob("*.eml")]
        found = [part for letter in letters for part in letter.walk() if part.get_content_type() == "text/calendar"]
        parsed = [icalendar.Calendar.from_ical(part.get_payload(decode=True)) for part in found]
        return [one for one in parsed if str(one.events[0]["uid"]).startswith(story.meeting_id)]

    for _ in range(100):
        if len(calendars()) >= 60:
            break
        page.wait_for_timeout(300)
    assert len(calendars()) >= 60
    event = calendars()[0].events[0]
    assert (event["summary"], event["dtstart"].dt.isoformat()) == (TITLE, "2026-12-09T08:00:00+07:00")


def test_3_a_delegate_reads_writes_and_finds(story):
    page = story.at("delegate", "member", "tablet")
    story.go("delegate", "/m/MEETING")
    page.get_by_text("Dự toán ngân sách năm 2027").first.click()
    page.get_by_text("Du thao Nghi quyet ngan sach").first.click()
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    page.get_by_role("button", name="Bút mực").click()
    box = canvas.bounding_box()
    assert box
    x, y = box["x"] + box["width"] * 0.3, box["y"] + 300
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(x + 8 * step, y + 20 * (step % 2))
    page.mouse.up()
    delegate = story.person("member")
    paper = next(one for one in delegate.state()["papers"].values() if one["title"].startswith("Du thao"))
    for _ in range(50):
        if notes := delegate.must("GET", f"papers/{paper['id']}/notes"):
            break
        page.wait_for_timeout(300)
    assert [note["kind"] for note in notes] == ["ink"]
    assert len(notes[0]["strokes"][0]) > 3
    page.get_by_role("button", name="Tìm trong tài liệu").click()
    page.get_by_label("Từ cần tìm").fill("ngan sach dia phuong")
    page.get_by_label("Từ cần tìm").press("Enter")
    expect(page.get_by_text(re.compile(r"\d+ chỗ")).first).to_be_visible()
    story.check("delegate")
    copy = delegate.must("GET", f"papers/{paper['id']}/copy")
    assert b"/InkList" in copy
    page.reload()
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.locator("svg path").first).to_be_attached()
    story.check("delegate", "dark", "en")


def test_3_a_second_device_of_the_same_person_shows_the_note(story):
    page = story.at("second", "member", "portrait")
    page.add_init_script(COUNTED)
    story.go("second", "/m/MEETING")
    paper = next(one for one in story.person("member").state()["papers"].values() if one["title"].startswith("Du thao"))
    notes = story.person("member").must("GET", f"papers/{paper['id']}/notes")
    page.get_by_role("button", name=re.compile("Mục|Chương trình")).first.click()
    story.check("second")
    for words in ("Dự toán ngân sách năm 2027", "Du thao Nghi quyet ngan sach"):
        page.get_by_text(words).locator("visible=true").first.click()
    page.get_by_role("button", name="Ghi chú của tôi").click()
    expect(page.get_by_text(re.compile(r"Nét bút")).first).to_be_visible()
    story.check("second", "dark")
    assert page.evaluate("channels[location.search]") == 1, "an open paper listens once to the other tabs, and rests"
    assert len(notes) == 1
    stranger = story.person("member", 1).must("GET", f"papers/{paper['id']}/notes")
    assert stranger == []


def test_4_the_chair_opens_and_leads_and_gives_the_floor(story):
    page = story.go("delegate", "/m/MEETING")
    page.get_by_role("button", name="Điểm danh").click()
    expect(page.get_by_text("1/60").first).to_be_visible()
    secretary = story.person("secretary")
    for member in secretary.state()["members"].values():
        if member["votes"]:
            secretary.must("PUT", f"attendance/{member['id']}", json={"state": "present"})
    chair = story.chair
    story.go("chair", "/m/MEETING/chair")
    expect(chair.get_by_role("button", name="Giữ để khai mạc")).to_be_visible()
    story.check("chair", "dark")
    story.screens["chair"].hold("Giữ để khai mạc")
    expect(page.get_by_text("Đang họp").first).to_be_visible()
    item = next(one for one in secretary.state()["agenda"].values() if one["title"].startswith("Dự toán"))
    story.person("chair").must("POST", "enter", json={"item_id": item["id"]})
    page.get_by_role("button", name="Đăng ký phát biểu").click()
    chair.get_by_role("button", name="Mời người tiếp theo").click()
    expect(page.get_by_text("Đang phát biểu").first).to_be_visible()
    wall = story.at("wall", "secretary", "wall")
    story.go("wall", "/wall/MEETING")
    expect(wall.get_by_role("heading", name=story.person("member").name)).to_be_visible()
    story.check("chair", "dark", "en")
    story.check("wall")
    chair.get_by_role("button", name="Chương trình").click()
    story.check("chair")
    chair.keyboard.press("Escape")
    speech = next(one for one in secretary.state()["speaking"].values() if one["state"] == "speaking")
    story.person("chair").must("POST", f"speeches/{speech['id']}/end")


def vote(story: Story, name: str, choice: str) -> None:
    page = story.screens[name].page
    page.get_by_role("radio", name=choice, exact=True).or_(page.get_by_text(choice, exact=True)).first.click()
    story.screens[name].hold(re.compile(f"Giữ để gửi phiếu: {choice}"))
    expect(page.get_by_text("Đã ghi nhận").first).to_be_visible()


def test_5_a_vote_from_the_sheet_to_the_wall(story):
    secretary = story.person("secretary")
    poll = next(iter(secretary.state()["polls"].values()))
    story.screens["chair"].hold("Giữ để mở biểu quyết")
    delegate = story.screens["delegate"].page
    expect(delegate.get_by_text(POLL).first).to_be_visible()
    expect(delegate.get_by_text("Thông qua khi có ít nhất 31/60").first).to_be_visible()
    story.check("delegate", "dark", "en")
    vote(story, "delegate", "Tán thành")
    expect(delegate.get_by_text(re.compile(r"^[2-9A-Z]{3}-[2-9A-Z]{3}$")).first).to_be_visible()
    wall = story.screens["wall"].page
    expect(wall.get_by_text("đại biểu đã biểu quyết")).to_be_visible()
    story.check("delegate", "dark")
    story.check("chair", "dark")
    story.check("wall")
    others = [story.person("member", place) for place in range(1, 34)]
    for place, person in enumerate(others):
        choice = "in_favour" if place < 30 else "against"
        person.must(
            "POST", f"polls/{poll['id']}/ballots", json={"choice": choice}, headers={"Idempotency-Key": f"flow-{place:020}"}
        )
    delegate.get_by_role("button", name="Đổi lựa chọn").click()
    vote(story, "delegate", "Không biểu quyết")
    delegate.get_by_role("button", name="Đổi lựa chọn").click()
    vote(story, "delegate", "Tán thành")
    story.screens["chair"].hold("Giữ để kết thúc biểu quyết")
    chair = story.screens["chair"].page
    expect(chair.get_by_text("Công bố kết quả")).to_be_visible()
    expect(wall.get_by_text("Thông qua", exact=True)).to_have_count(0)
    story.check("chair")
    chair.get_by_role("button", name="Công bố kết quả").click()
    expect(wall.get_by_text(re.compile("cần 31/60")).first).to_be_visible()
    tally = secretary.state()["polls"][poll["id"]]
    assert (tally["outcome"], tally["tally"]["in_favour"], tally["tally"]["against"]) == ("carried", 31, 3)
    assert tally["tally"]["not_voted"] == 26
    expect(delegate.get_by_text(re.compile("[Tt]hông qua")).first).to_be_visible()
    story.check("delegate", "dark")
    story.check("wall")


def test_6_the_minutes_write_themselves_and_are_signed_twice(story):
    story.person("chair").must("POST", "close")
    page = story.go("secretary", "/m/MEETING/minutes")
    expect(page.get_by_text("có mặt 60").first).to_be_visible()
    story.check("secretary", "dark", "en")
    page.get_by_role("button", name="Chốt nội dung").click()
    page.get_by_role("dialog").get_by_role("button", name="Chốt nội dung").click()
    expect(page.get_by_text(re.compile("Đã chốt nội dung")).first).to_be_visible(timeout=60_000)
    story.check("secretary")
    sign(story, "secretary", "Thư ký đã ký")
    story.go("chair", "/m/MEETING/minutes")
    sign(story, "chair", "Chủ tọa đã ký")
    story.check("chair", "dark")


def sign(story: Story, role: str, done: str) -> None:
    """Read to the last page, press; where the sign-in is not fresh, give the password again and press once more."""
    page = story.screens[role].page
    button, password = page.get_by_role("button", name="Ký biên bản"), page.locator("#password")
    for _ in range(60):
        if button.count() and button.is_enabled():
            break
        page.keyboard.press("End")
        page.mouse.move(400, 500)
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(500)
    button.click()
    expect(password.or_(page.get_by_text(done))).to_be_visible(timeout=60_000)
    if password.count():
        account = next(one for one in story.demo.facts["accounts"] if one["role"] == role)
        password.fill(account["password"])
        page.locator("#submit").click()
        page.wait_for_url("**/minutes**")
        sign(story, role, done)


def test_7_the_signed_minutes_verify_and_one_flipped_byte_does_not(story, tmp_path):
    signed = story.person("secretary").must("GET", "minutes.pdf")
    good, bad = tmp_path / "minutes.pdf", tmp_path / "changed.pdf"
    good.write_bytes(signed)
    place = len(signed) // 3
    bad.write_bytes(signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :])
    roots = story.demo.facts["trust_roots"]
    command = [sys.executable, "-m", "deploy.cli", "verify", "--roots", roots]
    alone = {"cwd": ROOT, "capture_output": True, "text": True}
    holds = subprocess.run([*command, str(good)], **alone)
    assert holds.returncode == 0, holds.stdout
    assert "Nguyễn Thị Hồng Hạnh" in holds.stdout
    assert "tán thành 31" in holds.stdout
    broken = subprocess.run([*command, str(bad)], **alone)
    assert broken.returncode == 1, broken.stdout
    assert "✗" in broken.stdout
    checked = subprocess.run(["pdfsig", str(good)], **alone)
    assert checked.stdout.count("Signature is Valid") == 2
    visitor = Screen(story.browser, story.demo, java_script_enabled=False)
    visitor.page.goto(story.demo.facts["meetings"] + "/verify")
    here, other = (visitor.page.locator(f"nav :text-is('{name}')").bounding_box() for name in ("Tiếng Việt", "English"))
    assert here["y"] + here["height"] / 2 == other["y"] + other["height"] / 2, "the languages stand on one line"
    visitor.page.locator("input[type=file]").first.set_input_files(str(good))
    visitor.page.locator("form button").first.click()
    expect(visitor.page.get_by_text("Nguyễn Thị Hồng Hạnh").first).to_be_visible(timeout=60_000)
    visitor.page.goto(story.demo.facts["meetings"] + "/verify")
    visitor.page.locator("input[type=file]").first.set_input_files(str(bad))
    visitor.page.locator("form button").first.click()
    expect(visitor.page.get_by_text(re.compile("bị sửa|hỏng")).first).to_be_visible(timeout=60_000)
    visitor.close()
    page = story.go("delegate", "/verify")  # once more with scripts, for axe
    story.check("delegate", "dark", "en")
    page.locator("input[type=file]").first.set_input_files(str(good))
    page.locator("form button").first.click()
    expect(page.get_by_text("Nguyễn Thị Hồng Hạnh").first).to_be_visible(timeout=60_000)
    story.check("delegate", "dark")
