"""Front-Channel Logout OP: `oidcc-frontchannel-rp-initiated-logout-certification-test-plan`."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

from tests.conformance.browser import Browser
from tests.conformance.conftest import Suite
from tests.conformance.logout import BYE, goes_on_to, is_signed_in, registered, sign_out


def test_oidcc_frontchannel_logout_discovery_endpoint_verification(suite: Suite) -> None:
    server = registered(suite).server
    assert server["frontchannel_logout_supported"] is True
    assert server["frontchannel_logout_session_supported"] is True


def test_oidcc_frontchannel_rp_initiated_logout(suite: Suite, browser: Browser) -> None:
    told = "https://rp.example.test/front?from=op"
    app = registered(suite, frontchannel_logout_uri=told, frontchannel_logout_session_required=True)
    tokens = app.sign_in(browser)
    sign_out(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s-1")
    (address,) = re.findall(r'<iframe src="([^"]+)"', browser.answer.text)
    parts = urlsplit(unescape(address))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://rp.example.test/front"
    sid = tokens["claims"]["sid"]
    assert parse_qs(parts.query) == {"from": ["op"], "iss": [suite.house.issuer], "sid": [sid]}
    assert "frame-src https://rp.example.test;" in browser.answer.headers["content-security-policy"]
    assert goes_on_to(browser) == f"{BYE}?state=s-1"
    assert not is_signed_in(app, browser)
