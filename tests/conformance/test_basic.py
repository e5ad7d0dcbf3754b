"""Basic OP: `oidcc-basic-certification-test-plan`, each module under its own name."""

from tests.conformance.browser import Browser
from tests.conformance.conftest import Suite


def test_oidcc_server(suite: Suite, browser: Browser) -> None:
    app = suite.client()
    tokens = app.sign_in(browser)
    assert tokens["claims"]["sub"] == app.userinfo(tokens)["sub"] == suite.house.filled.subject
