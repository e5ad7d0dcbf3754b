"""RP-Initiated Logout OP: `oidcc-rp-initiated-logout-certification-test-plan`, each module under its own name."""

import json
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs

from jose import jws

from tests.conformance.browser import Browser
from tests.conformance.conftest import App
from tests.conformance.logout import BYE, goes_on_to, is_signed_in, sign_out, signed_in

__all__ = ["signed_in"]
SignedIn = tuple[App, Browser, dict[str, Any]]
REFUSED = "problem-logout-request-refused"
ANY_STATE = "".join(map(chr, range(0x20, 0x7F))) + "x" * 33  # RFC 6749, A.5; as long as the suite's


def unsigned(token: str) -> str:
    header = urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(signed_in: SignedIn) -> None:
    app, _, _ = signed_in
    assert app.server["end_session_endpoint"] == f"{app.house.issuer}/end_session"


def test_oidcc_rp_initiated_logout(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    sign_out(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state=ANY_STATE)
    address, _, query = goes_on_to(browser).partition("?")
    assert (address, parse_qs(query)) == (BYE, {"state": [ANY_STATE]})
    assert browser.page.links["continue"] == goes_on_to(browser)
    assert not is_signed_in(app, browser)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    sign_out(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=f"{BYE}/other", state="s-1")
    assert REFUSED in browser.page.ids
    assert "refresh" not in browser.answer.headers
    assert BYE not in browser.answer.text


def test_oidcc_rp_initiated_logout_modified_id_token_hint(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    sign_out(app, browser, id_token_hint=unsigned(tokens["id_token"]), post_logout_redirect_uri=BYE, state="s-1")
    assert REFUSED in browser.page.ids
    assert is_signed_in(app, browser)


def test_oidcc_rp_initiated_logout_no_id_token_hint(signed_in: SignedIn) -> None:
    app, browser, _ = signed_in
    sign_out(app, browser, post_logout_redirect_uri=BYE, state="s-1")
    assert REFUSED in browser.page.ids
    sign_out(app, browser, post_logout_redirect_uri=BYE, state="s-1", client_id=app.metadata["client_id"])
    assert "/signed-out" in browser.visited
    assert goes_on_to(browser) == f"{BYE}?state=s-1"


def test_oidcc_rp_initiated_logout_no_params(signed_in: SignedIn) -> None:
    app, browser, _ = signed_in
    sign_out(app, browser)
    assert "signed-out" in browser.page.ids
    assert not is_signed_in(app, browser)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    sign_out(app, browser, id_token_hint=tokens["id_token"], state="s-1")
    assert "signed-out" in browser.page.ids
    assert "continue" not in browser.page.ids
    assert not is_signed_in(app, browser)


def test_oidcc_rp_initiated_logout_no_state(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    sign_out(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert goes_on_to(browser) == BYE
    assert not is_signed_in(app, browser)


def test_oidcc_rp_initiated_logout_only_state(signed_in: SignedIn) -> None:
    app, browser, _ = signed_in
    sign_out(app, browser, state="s-1")
    assert "signed-out" in browser.page.ids
    assert "continue" not in browser.page.ids
    assert not is_signed_in(app, browser)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    sign_out(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=f"{BYE}?foo=bar", state="s-1")
    assert REFUSED in browser.page.ids
    assert "refresh" not in browser.answer.headers


def test_oidcc_rp_initiated_logout_bad_id_token_hint(signed_in: SignedIn) -> None:
    app, browser, tokens = signed_in
    claims = {name: value for name, value in tokens["claims"].items() if name != "at_hash"}
    foreign = jws.sign(claims, "a-secret-of-the-suite-that-nobody-knows", algorithm="HS256")
    sign_out(app, browser, id_token_hint=foreign, post_logout_redirect_uri=BYE, state="s-1")
    assert REFUSED in browser.page.ids
    assert is_signed_in(app, browser)
