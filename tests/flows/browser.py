"""Chromium as people use it: a desk, a tablet, a wall; each person in a context of their own."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.flows.conftest import Demo

ROOT = Path(__file__).parents[2]
AXE = ROOT / "meetings/web/node_modules/axe-core/axe.min.js"
SIZES = {"desk": (1440, 900), "tablet": (1180, 820), "portrait": (820, 1180), "wall": (1920, 1080)}
LEFT = "Worker was terminated"  # what pdf.js says in its worker when a paper is left while it still opens
expect.set_options(timeout=20_000)  # a loaded machine is slow, and the app itself waits 5 s before it tells of a lost line
FINDINGS = """async () => {
  await new Promise(requestAnimationFrame)
  await Promise.allSettled(document.getAnimations().map(one => one.finished))  // colours on their way are no finding
  return JSON.stringify((await axe.run({ resultTypes: ['violations'] })).violations)
}"""

SMALL = """() => [...document.querySelectorAll('button, a[href], input, select, summary')].flatMap(one => {
  const { left, top, width, height } = one.getBoundingClientRect(), x = left + width / 2, y = top + height / 2
  const words = getComputedStyle(one).display === 'inline' || one.closest('.unseen, .skip')
  if (words || !one.checkVisibility({ visibilityProperty: true }) || y + 22 > innerHeight) return []
  const hit = at => one.contains(document.elementFromPoint(x, at))
  return height > 43 && hit(y - 21) && hit(y + 21) ? [] : [`${one.textContent.trim().slice(0, 40)}: ${Math.round(height)}`]
})"""


class Screen:
    """One person's browser. Remembers what went wrong in the page's console."""

    def __init__(self, browser: Browser, demo: Demo, size: str = "desk", **options: Any) -> None:
        width, height = SIZES[size]
        self.demo, self.faults = demo, []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=size in ("tablet", "portrait"), locale="vi-VN", **options
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: str(error) == LEFT or self.faults.append(str(error)))

    def sign_in(self, role: str, place: int = 0, at: str = "") -> "Screen":
        """Open `at` (an address; the meetings app by default) and go through the two questions of the sign-in."""
        username = self.demo.people(role)[place]
        password = next(one["password"] for one in self.demo.facts["accounts"] if one["username"] == username)
        self.page.goto(at or self.demo.facts["meetings"])
        self.answer_sign_in(username, password)
        return self

    def answer_sign_in(self, username: str, password: str) -> None:
        self.page.locator("#username").fill(username)
        self.page.locator("#submit").click()
        self.page.locator("#password").fill(password)
        self.page.locator("#submit").click()

    def go(self, path: str) -> "Screen":
        """A path of the meetings app; MEETING stands for the sample meeting."""
        self.page.goto(self.demo.facts["meetings"] + path.replace("MEETING", self.demo.facts["meeting_id"]))
        return self

    def hold(self, name: str) -> None:
        """Press a hold-to-confirm button until its track is full."""
        button = self.page.get_by_role("button", name=name)
        box = button.bounding_box()
        assert box, name
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        self.page.wait_for_timeout(1300)
        self.page.mouse.up()

    def check(self, *also: str) -> None:
        """No serious or critical finding of axe-core on the page as it is, nor `dark`, nor after a reload in English (`en`)."""
        self._axe()
        if "dark" in also:
            self.page.emulate_media(color_scheme="dark")
            self._axe()
            self.page.emulate_media(color_scheme="light")
        if "en" in also:
            self._speak("en")
            self._axe()
            self._speak("vi")

    def _axe(self) -> None:
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8") + ";0")
        found = self.page.evaluate(FINDINGS)
        bad = [
            f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:200]}"
            for one in json.loads(found)
            if one["impact"] in ("serious", "critical")
        ]
        assert not bad, f"{self.page.url}: {bad}"

    def _speak(self, language: str) -> None:
        self.context.add_cookies([{"name": "lang", "value": language, "url": self.page.url}])
        self.page.reload()
        expect(self.page.locator(f"html[lang={language}] h1").first).to_be_attached()

    def small(self) -> list[str]:
        """What a finger does not hit well: less than 44 px, or cut into by what is pressed beside it."""
        found: list[str] = self.page.evaluate(SMALL)
        return found

    def close(self) -> None:
        self.context.close()
