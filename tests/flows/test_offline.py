"""The web app without a line: it starts, shows what it has, says what it has not; and goes on to a newer release when asked."""

import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.flows.browser import ROOT, Screen

CONTROLLED = """() => new Promise((done, failed) => {
  if (navigator.serviceWorker.controller) done()
  navigator.serviceWorker.addEventListener('controllerchange', () => done())
  setTimeout(() => failed(new Error('no service worker took this page')), 30_000)
})"""
KEPT = """async () => {
  const caught = []
  for (const name of await caches.keys())
    for (const { url } of await (await caches.open(name)).keys()) caught.push(new URL(url).pathname)
  return caught
}"""


ON_DEVICE = """() => new Promise(done => {
  const opening = indexedDB.open('papers')
  opening.onsuccess = () => {
    const count = opening.result.transaction('pieces').objectStore('pieces').count()
    count.onsuccess = () => { opening.result.close(); done(count.result > 0) }
  }
})"""


@pytest.fixture
def delegate(browser, demo):
    screen = Screen(browser, demo, "tablet").sign_in("member", 10)
    yield screen
    assert screen.faults == []
    screen.close()


def test_after_a_reload_without_a_line_the_paper_is_there_and_the_lost_line_is_told(delegate):
    page = delegate.go("/m/MEETING").page
    page.get_by_text("Dự toán thu, chi ngân sách").first.click()
    expect(page.locator("canvas").first).to_be_visible()
    page.evaluate(CONTROLLED)
    kept = page.evaluate(KEPT)
    assert "/" in kept
    assert {path for path in kept if path != "/" and not path.startswith("/assets/")} == set(), "only the app's own files"
    page.wait_for_function(ON_DEVICE)
    delegate.context.set_offline(True)
    page.reload()
    expect(page.get_by_text("Dự toán thu, chi ngân sách").first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("Mất kết nối từ")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Điểm danh|Đăng ký phát biểu"))).to_be_disabled()
    delegate.check("dark")
    delegate.context.set_offline(False)
    expect(page.get_by_role("img", name="Đã kết nối")).to_be_visible()


def test_a_start_without_a_line_and_without_a_sign_in_says_that_there_is_no_connection(delegate):
    delegate.page.evaluate(CONTROLLED)
    delegate.context.set_offline(True)
    page = delegate.context.new_page()
    for path, words in (("/", "chưa xem được lịch họp"), (f"/m/{delegate.demo.facts['meeting_id']}", "chưa mở được phiên họp")):
        page.goto(delegate.demo.facts["meetings"] + path)
        expect(page.get_by_text(words)).to_be_visible()
        expect(page.get_by_text("Khai mạc")).to_have_count(0)


class Release(SimpleHTTPRequestHandler):
    """A build of the web app as files, without the service behind it. What is asked for as `late` waits for the gate."""

    gate = threading.Event()

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        if self.path.endswith("?late"):
            self.gate.wait(20)
        super().do_GET()


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "static"
    shutil.copytree(ROOT / "meetings/static", folder, ignore=shutil.ignore_patterns("pdfjs"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Release, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/", folder
        server.shutdown()


def next_release(folder: Path) -> None:
    """The same app under other names, as the next build would have it."""
    scripts = [*folder.glob("assets/*.js")]
    names = re.compile("|".join(re.escape(file.name) for file in scripts))
    for file in (folder / "index.html", folder / "sw.js", *scripts):
        file.write_text(names.sub(r"next-\g<0>", file.read_text()))
    for file in scripts:
        file.rename(file.with_name(f"next-{file.name}"))
    worker = folder / "sw.js"
    worker.write_text(worker.read_text().replace('RELEASE="', 'RELEASE="next-'))


def test_a_page_that_was_on_its_way_while_the_app_was_first_kept_is_kept_too(browser, demo, release):
    address, _ = release
    screen = Screen(browser, demo, "tablet")
    late, first = screen.page, screen.context.new_page()
    with late.expect_request("**/?late"):
        late.evaluate("address => void setTimeout(() => location.assign(address))", f"{address}?late")
    first.goto(address)
    first.evaluate(CONTROLLED)
    Release.gate.set()
    late.wait_for_url("**/?late")
    late.evaluate(CONTROLLED)
    screen.close()


def test_a_newer_release_is_told_and_taken_when_asked(browser, demo, release):
    address, folder = release
    screen = Screen(browser, demo, "tablet")
    page = screen.page
    page.goto(address)
    page.evaluate(CONTROLLED)
    expect(page.get_by_text("Có bản mới")).to_have_count(0)
    next_release(folder)
    page.evaluate("navigator.serviceWorker.getRegistration().then(one => one.update()).then(() => true)")
    expect(page.get_by_text("Có bản mới")).to_be_visible()
    assert len(page.evaluate("caches.keys()")) == 2, "the old release stays for the pages that still run it"
    page.get_by_role("button", name="Mở bản mới").click()
    expect(page.locator("script[src*=next-]")).to_be_attached()
    expect(page.get_by_text("chưa xem được lịch họp")).to_be_visible()
    expect(page.get_by_text("Có bản mới")).to_have_count(0)
    screen.close()
