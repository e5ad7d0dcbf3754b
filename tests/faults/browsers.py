"""The delegate's own browser is killed between the ballot and its answer: reopened, it tells what became of the ballot."""

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.async_api import Page, Playwright, async_playwright, expect

from tests.faults.burst import run as in_loop
from tests.faults.cluster import Cluster, Skip
from tests.faults.frames import HEAD_END, read_frame
from tests.faults.history import History
from tests.faults.processes import Process, free_port, listens, until
from tests.faults.table import Run, fault, twin
from tests.flows.conftest import ARGUMENTS, CHROMIUM
from tests.meetings.issuer import Issuer

WHO = "d0"
CHOICES = {"Tán thành": "in_favour", "Không tán thành": "against", "Không biểu quyết": "abstaining"}
ROUNDS, TOLD = 20, 15.0  # seconds
BEFORE, AFTER = "before the service has it", "after the commit"
# Each heading that the screen has shown, however short.
WATCH = """window.said = []
const look = () => document.querySelectorAll('h1').forEach(({ innerText }) => said.includes(innerText) || said.push(innerText))
new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true })"""
OTHER_KEY = """const put = IDBObjectStore.prototype.put
IDBObjectStore.prototype.put = function (value) {
  return put.call(this, this.name === 'ballots' ? { ...value, key: value.key.split('').reverse().join('') } : value)
}"""


class FrontDoor(Issuer):
    """The issuer with the page that a browser is sent to. Who comes is signed in there; the code is the nonce."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        super().__init__()

    def _handler(self) -> Any:
        door, usual = self, super()._handler()

        class Handler(usual):  # type: ignore[misc, valid-type]
            def end_headers(self) -> None:
                self.send_header("Access-Control-Allow-Origin", "*")
                super().end_headers()

            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                if "nonce" in asked:
                    self.send_response(302)
                    back = urlencode({"code": asked["nonce"], "state": asked["state"]})
                    self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                    self.end_headers()
                else:
                    super().do_GET()

            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                identity = door.token(WHO, audience="meetings-web", typ="JWT", nonce=fields["code"][0])
                self._say(200, {"access_token": door.cluster.token(WHO), "id_token": identity, "expires_in": 24 * 3600})

            def _say(self, status: int, body: dict[str, Any]) -> None:
                more = {"authorization_endpoint": f"{door.url}/authorize"} if "jwks_uri" in body else {}
                super()._say(status, body | more)

        return Handler


class Cable:
    """Between the browser and the service. Once `cut` it breaks with the next ballot: nothing gets through, nobody is told."""

    def __init__(self, upstream: int) -> None:
        self.upstream, self.port = upstream, free_port()
        self._where = ""
        self._dead = False
        self.broken = asyncio.Event()
        self.ballot: dict[str, Any] = {}
        self.receipt: dict[str, Any] | None = None
        self.lines: list[asyncio.Task[Any] | None] = []

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def cut(self, where: str) -> None:
        self._where, self.ballot, self.receipt = where, {}, None
        self.broken.clear()

    def heal(self) -> None:
        self._where, self._dead = "", False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(asyncio.current_task())
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(HEAD_END)
            live = b"upgrade: websocket" in head.lower()
            self._pass(head, back)
            if live:
                self._pass(await there.readuntil(HEAD_END), writer)
            ways = [self._carry(*ends, live) for ends in ((reader, back), (there, writer))]
            _, left = await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        for one in (writer, back):
            one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, live: bool) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while part := await (read_frame(reader) if live else reader.read(65536)):
                if live and self._where:
                    self._look(text_of(part))
                self._pass(part, writer)

    def _pass(self, part: bytes, writer: asyncio.StreamWriter) -> None:
        if not self._dead:
            writer.write(part)

    def _look(self, text: bytes) -> None:
        if b'"vote.cast"' in text:
            self.ballot = json.loads(text)
            self._dead = self._where == BEFORE
        elif b'"vote.receipt"' in text:
            self.receipt = json.loads(text)["receipt"]
            self._dead = True
        if self._dead:
            self.broken.set()


def text_of(frame: bytes) -> bytes:
    start = {126: 4, 127: 10}.get(frame[1] & 127, 2)
    if not frame[1] & 128:
        return frame[start:]
    mask, body = frame[start : start + 4], frame[start + 4 :]
    return bytes(sign ^ mask[place % 4] for place, sign in enumerate(body))


class Tablet(Process):
    """Chromium with a profile that outlives it, told what to do over its debugging port."""

    def __init__(self, folder: Path) -> None:
        if not Path(CHROMIUM).exists():
            raise Skip("chromium")
        self.port = free_port()
        options = [f"--user-data-dir={folder}/profile", f"--remote-debugging-port={self.port}", "--window-size=1180,820"]
        super().__init__(
            "chromium", [CHROMIUM, "--headless=new", *ARGUMENTS, "--disable-breakpad", *options, "about:blank"], folder
        )

    async def open(self, playwright: Playwright, address: str, harm: str) -> Page:
        """Start it, and go to the address."""
        self.start()
        await asyncio.to_thread(until, lambda: listens(self.port), 60, "chromium does not start", self)
        browser = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{self.port}", timeout=60_000)
        page = await browser.contexts[0].new_page()
        await page.add_init_script(WATCH + "\n" + harm)
        await page.goto(address)
        return page


class Crashes:
    """One delegate who votes in one poll after the other, and whose browser dies each time."""

    def __init__(self, run: Run, cluster: Cluster, history: History, cable: Cable) -> None:
        self.run, self.cluster, self.history, self.cable = run, cluster, history, cable
        self.random = random.Random(run.seed)
        self.untold = self.told_wrongly = 0

    async def rounds(self, reopen: Callable[[], Awaitable[Page]], tablet: Tablet, count: int) -> None:
        page = await reopen()
        for turn in range(count):
            title, where = f"Biểu quyết lần {turn + 1}", (BEFORE, AFTER)[turn % 2]
            poll = await asyncio.to_thread(self.cluster.open_poll, title)
            await expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=60_000)
            choice = self.random.choice([*CHOICES])
            self.cable.cut(where)
            await hold(page, choice)
            await asyncio.wait_for(self.cable.broken.wait(), 60)
            await asyncio.to_thread(tablet.kill)
            self.run.kills += 1
            known = {"voter": self.cluster.member_id(WHO), "poll": poll, "idem": self.cable.ballot["key"]}
            known |= {"choice": CHOICES[choice], "node": self.cluster.nodes[0].port}
            self.history.note("cast", "invoke", **known)
            assert (await self.mine(poll) is not None) == (where == AFTER), f"the way was not cut {where}"
            self.cable.heal()
            started = time.monotonic()
            page = await reopen()
            if await self.tells(page, poll, known):
                self.run.figure("longest from the browser's start until told, s", time.monotonic() - started)
            self.history.note("close", "invoke", poll=poll)
            await asyncio.to_thread(self.cluster.close_poll, poll)
            self.history.note("close", "ok", poll=poll)
            await asyncio.to_thread(self.cluster.declare, poll)

    async def tells(self, page: Page, poll: str, known: dict[str, Any]) -> bool:
        """Whether the screen comes to rest; what it says then is held against what the service has."""
        try:
            await expect(page.get_by_role("heading", name="Đã ghi nhận")).to_be_visible(timeout=TOLD * 1000)
        except AssertionError:
            self.untold += 1
            self.history.note("cast", "info", **known)
            return False
        words, kept = await page.get_by_role("dialog").inner_text(), await self.mine(poll) or {}
        [code], [choice] = re.findall(r"\b[2-9A-Z]{3}-[2-9A-Z]{3}\b", words), {CHOICES[one] for one in CHOICES if one in words}
        told, first = {"code": code, "choice": choice}, self.cable.receipt
        wrong = not told.items() <= kept.items() or known["choice"] != choice or (first and first != kept)
        said = await page.evaluate("said")
        self.told_wrongly += bool(wrong or (first and "Phiếu chưa gửi được" in said))
        self.history.note("cast", "ok", receipt=kept | told, **known)
        return True

    async def mine(self, poll: str) -> dict[str, Any] | None:
        answer = await asyncio.to_thread(self.cluster.call, WHO, "GET", f"polls/{poll}/ballots/mine")
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None


async def hold(page: Page, choice: str) -> None:
    """Choose, and press the button; the finger stays on it."""
    await page.get_by_role("radio", name=choice, exact=True).check(force=True)
    await page.get_by_role("button", name=f"Giữ để gửi phiếu: {choice}").hover()
    await page.mouse.down()


async def crashes(run: Run, cluster: Cluster, cable: Cable, tablet: Tablet, count: int, harm: str) -> None:
    deed = Crashes(run, cluster, cluster.begin_history(), cable)
    address = f"http://127.0.0.1:{cable.port}/m/{cluster.meeting_id}"
    server = await cable.start()
    try:
        async with async_playwright() as playwright:
            await deed.rounds(lambda: tablet.open(playwright, address, harm), tablet, count)
    finally:
        tablet.kill()
        server.close()
        await asyncio.gather(*filter(None, cable.lines))
    run.figure("rounds", count)
    run.figure(f"not told within {TOLD:g} s", deed.untold, 0)
    run.figure("told wrongly", deed.told_wrongly, 0)


def in_hall(run: Run, count: int, harm: str = "") -> None:
    cluster = Cluster(voters=3)
    tablet, cable = Tablet(cluster.folder), Cable(cluster.nodes[0].port)
    cluster.issuer.close()
    cluster.issuer = FrontDoor(cluster)
    cluster.nodes[0].environment |= {"ISSUER": cluster.issuer.url, "PUBLIC_URL": f"http://127.0.0.1:{cable.port}"}
    with cluster:
        in_loop(crashes(run, cluster, cable, tablet, count, harm))
        assert cluster.history
        run.judge(cluster, cluster.history)


@fault("F21", "SIGKILL of the delegate's browser between the ballot and its answer, with the line cut; then opened again")
def killed_with_a_ballot(run: Run) -> None:
    in_hall(run, ROUNDS)


@twin("F21", "the device keeps another key than it sent")
def another_key(run: Run) -> None:
    in_hall(run, 1, OTHER_KEY)
