"""Session Management OP: `oidcc-session-management-certification-test-plan`; the hidden page runs in a real Chromium."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.conformance.conftest import Suite
from tests.conformance.logout import registered
from tests.flows.conftest import ARGUMENTS, CHROMIUM
from tests.idp.conftest import PASSWORD

ASK = """([issuer, message]) => new Promise((heard) => {
  addEventListener("message", ({ data, origin }) => origin === issuer && heard(data), { once: true });
  document.querySelector("iframe").contentWindow.postMessage(message, issuer);
})"""


@pytest.fixture
def chromium() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser.new_context()
        browser.close()


def test_oidcc_session_management_discovery_endpoint_verification(suite: Suite) -> None:
    server = registered(suite).server
    assert server["check_session_iframe"] == f"{suite.house.issuer}/check_session"
    assert server["end_session_endpoint"] == f"{suite.house.issuer}/end_session"


@pytest.fixture
def rp(suite: Suite) -> Iterator[str]:
    """A page that frames ours; of the same site as we, since browsers keep cookies from frames of other sites."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{suite.house.issuer}/check_session"></iframe>'.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_oidcc_session_management_rp_initiated_logout(suite: Suite, rp: str, chromium: BrowserContext) -> None:
    app = registered(suite, redirect_uris=[f"{rp}/cb"], post_logout_redirect_uris=[f"{rp}/bye"])
    tab, watching = chromium.new_page(), chromium.new_page()
    tab.goto(app.url())
    tab.locator("#username").fill("hanhnth")
    tab.locator("#submit").click()
    tab.locator("#password").fill(PASSWORD)
    tab.locator("#submit").click()
    tab.locator("#consent-allow").click()
    tab.wait_for_url(f"{rp}/cb?**")
    known = parse_qs(urlsplit(tab.url).query)["session_state"][0]
    client_id = app.metadata["client_id"]

    def asks(page: Page, message: str) -> str:
        found: str = page.evaluate(ASK, [suite.house.issuer, message])
        return found

    watching.goto(f"{rp}/page")
    assert asks(watching, f"{client_id} {known}") == "unchanged"
    assert asks(watching, f"another {known}") == "changed"
    assert asks(watching, "nonsense") == "error"
    tab.goto(f"{app.server['end_session_endpoint']}?{urlencode({'client_id': client_id})}")
    tab.locator("#logout-confirm").click()
    tab.locator("#signed-out").wait_for()
    assert asks(watching, f"{client_id} {known}") == "changed"
