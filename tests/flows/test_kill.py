"""Three tablets in one vote while the server is killed and comes back: nothing acknowledged is lost, nothing counted twice.

First as three HTTP clients that vote without rest, then as three screens in Chromium whose hands hold the button.
"""

import re
import threading
import time
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from shared.ids import new_token
from tests.flows.browser import Screen
from tests.flows.conftest import Demo
from tests.flows.person import Person

KILLS = 3


class Tablet(threading.Thread):
    """Votes, and changes its mind again and again, as a tablet does: one key for a ballot until an answer is terminal."""

    def __init__(self, person: Person, poll: str, until: threading.Event) -> None:
        super().__init__()
        self.person, self.poll, self.until = person, poll, until
        self.acknowledged: list[dict[str, Any]] = []
        self.faults: list[str] = []

    def run(self) -> None:
        choices = ("in_favour", "against", "abstaining")
        turn = 0
        while not self.until.is_set():
            receipt = self.cast(choices[turn % 3])
            if receipt:
                self.acknowledged.append(receipt)
            turn += 1

    def cast(self, choice: str) -> dict[str, Any] | None:
        key = new_token()
        replaces = self.acknowledged[-1]["receipt"] if self.acknowledged else None
        for _ in range(200):
            try:
                answer = self.person.call(
                    "POST",
                    f"polls/{self.poll}/ballots",
                    json={"choice": choice, "replaces": replaces},
                    headers={"Idempotency-Key": key},
                )
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return answer.json()
            if answer.status_code < 500:
                self.faults.append(f"{answer.status_code} {answer.text}")
                return None
            time.sleep(0.05)
        self.faults.append("no terminal answer")
        return None


@pytest.fixture(scope="module")
def voters(demo) -> list[Person]:
    return [demo.person("member", place) for place in range(3)]


def open_vote(demo: Demo, title: str) -> str:
    """Everybody is present, the house sits, and a vote is open; its id."""
    secretary, chair = demo.person("secretary"), demo.person("chair")
    state = secretary.state()
    for member_id, member in state["members"].items():
        if member["votes"]:
            secretary.must("PUT", f"attendance/{member_id}", json={"state": "present"})
    if state["meeting"]["stage"] != "open":
        chair.must("POST", "open")
    item = min(state["agenda"].values(), key=lambda one: one["number"])["id"]
    poll: str = secretary.must("POST", "polls", json={"item_id": item, "title": title})["id"]
    secretary.must("POST", f"polls/{poll}/open")
    return poll


def test_a_kill_in_the_middle_of_a_vote_loses_nothing_and_doubles_nothing(demo, voters):
    secretary, poll = demo.person("secretary"), open_vote(demo, "Thử mất điện")
    until = threading.Event()
    tablets = [Tablet(person, poll, until) for person in voters]
    for tablet in tablets:
        tablet.start()
    for _ in range(KILLS):
        before = sum(len(tablet.acknowledged) for tablet in tablets)
        time.sleep(1)
        demo.kill_meetings()
        deadline = time.monotonic() + 40
        while sum(len(tablet.acknowledged) for tablet in tablets) < before + 9 and time.monotonic() < deadline:
            time.sleep(0.1)
    until.set()
    for tablet in tablets:
        tablet.join()
    assert [fault for tablet in tablets for fault in tablet.faults] == []
    assert sum(len(tablet.acknowledged) for tablet in tablets) > 9 * KILLS
    for tablet, person in zip(tablets, voters, strict=True):
        assert person.must("GET", f"polls/{poll}/ballots/mine") == tablet.acknowledged[-1]
        turns = [receipt["turn"] for receipt in tablet.acknowledged]
        assert turns == list(range(1, len(turns) + 1)), "each acknowledged ballot has one turn, and no other was taken in"
    secretary.must("POST", f"polls/{poll}/close")
    tally = secretary.state()["polls"][poll]["tally"]
    last = [tablet.acknowledged[-1]["choice"] for tablet in tablets]
    assert [tally[name] for name in ("in_favour", "against", "abstaining")] == [
        last.count(name) for name in ("in_favour", "against", "abstaining")
    ]
    assert tally["not_voted"] == 57


CHOICES = {"Tán thành": "in_favour", "Không tán thành": "against", "Không biểu quyết": "abstaining"}
SEATS = (3, 4, 5)


@pytest.fixture(scope="module")
def tablets(browser, demo):
    screens = [
        Screen(browser, demo, size).sign_in("member", place)
        for size, place in zip(("tablet", "portrait", "tablet"), SEATS, strict=True)
    ]
    for screen in screens:
        screen.page.wait_for_url(demo.facts["meetings"] + "/**")
        screen.go("/m/MEETING")
    yield screens
    for screen in screens:
        assert screen.faults == []
        screen.close()


def press(screen: Screen, choice: str) -> None:
    """Choose, and begin to hold."""
    screen.page.get_by_role("radio", name=choice, exact=True).check(force=True)
    box = screen.page.get_by_role("button", name=f"Giữ để gửi phiếu: {choice}").bounding_box()
    assert box
    screen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    screen.page.mouse.down()


def told(screen: Screen) -> str:
    """The code on a screen that says "recorded"; "" where it says that the ballot is not sent, or not answered yet."""
    heading = screen.page.get_by_role("heading", name=re.compile("Đã ghi nhận|Phiếu chưa gửi được|Đã gửi, chưa có xác nhận"))
    expect(heading).to_be_visible()
    words = screen.page.get_by_role("dialog").inner_text()
    if "Đã ghi nhận" in words:
        return re.findall(r"\b[2-9A-Z]{3}-[2-9A-Z]{3}\b", words)[0]
    if "Phiếu chưa gửi được" in words:
        assert "Phiếu này chưa được tính" in words
        assert "Đổi lựa chọn" in words
    return ""


@pytest.mark.parametrize("moment", [0, 800], ids=["before-the-ballots-leave", "as-they-leave"])
def test_every_screen_tells_the_truth_about_its_ballot_after_a_kill(demo, tablets, moment):
    title = f"Tắt máy chủ sau {moment} ms"
    truth = [demo.person("member", place) for place in SEATS]
    secretary, poll = demo.person("secretary"), open_vote(demo, title)
    for screen in tablets:
        expect(screen.page.get_by_role("heading", name=title)).to_be_visible()
    for screen, choice in zip(tablets, CHOICES, strict=True):
        press(screen, choice)
    tablets[0].page.wait_for_timeout(moment)
    demo.kill_meetings()
    tablets[0].page.wait_for_timeout(1000)
    for screen in tablets:
        screen.page.mouse.up()
    early = [told(screen) for screen in tablets]
    for screen in tablets:
        expect(screen.page.get_by_role("heading", name="Đã ghi nhận")).to_be_visible(timeout=30_000)
    final = [told(screen) for screen in tablets]
    demo.await_meetings()
    receipts = [person.must("GET", f"polls/{poll}/ballots/mine") for person in truth]
    assert final == [receipt["code"] for receipt in receipts]
    assert [receipt["choice"] for receipt in receipts] == list(CHOICES.values())
    assert [receipt["turn"] for receipt in receipts] == [1, 1, 1]
    assert all(before in ("", after) for before, after in zip(early, final, strict=True)), "what was acknowledged is not lost"
    secretary.must("POST", f"polls/{poll}/close")
    tally = secretary.state()["polls"][poll]["tally"]
    assert [tally[choice] for choice in CHOICES.values()] == [1, 1, 1]
    assert tally["not_voted"] == 57
