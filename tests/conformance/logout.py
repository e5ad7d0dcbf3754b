"""What the logout plans share: a registered application, a sign-in, and the request to sign out."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conformance.browser import Browser
from tests.conformance.conftest import App, Suite

BYE = "https://rp.example.test/bye"


def registered(suite: Suite, **metadata: Any) -> App:
    return suite.client(**({"post_logout_redirect_uris": [BYE]} | metadata))


def sign_out(app: App, browser: Browser, **params: str) -> Browser:
    """To the end session endpoint; the person confirms if asked."""
    browser.go(f"{app.server['end_session_endpoint']}?{urlencode(params)}")
    if "logout-confirm" in browser.page.ids:
        browser.send(button="logout-confirm") if any(f.buttons for f in browser.page.forms) else browser.send()
    return browser


def goes_on_to(browser: Browser) -> str:
    """Where the page of the sign-out takes its reader, without a script and without a click."""
    seconds, _, address = browser.answer.headers.get("refresh", "").partition("; url=")
    assert seconds == "2", browser.answer.text[:2000]
    return address


def is_signed_in(app: App, browser: Browser) -> bool:
    found = browser.go(app.url(prompt="none")).landed().params
    assert "code" in found or found["error"] == "login_required"
    return "code" in found


@pytest.fixture
def signed_in(suite: Suite, browser: Browser) -> tuple[App, Browser, dict[str, Any]]:
    app = registered(suite)
    return app, browser, app.sign_in(browser)
