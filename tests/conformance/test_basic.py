"""Basic OP: `oidcc-basic-certification-test-plan`, each module under its own name; `test_form_post` runs them once more."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import jwt
import pytest

from tests.conformance.browser import Browser
from tests.conformance.conftest import RP, App, Suite, by_both
from tests.conformance.peer import PeerRefused

PROFILE = {"name", "family_name", "given_name", "middle_name", "preferred_username", "zoneinfo", "locale", "updated_at"}
EMAIL = {"email", "email_verified"}
PHONE = {"phone_number", "phone_number_verified"}


@pytest.fixture
def app(suite: Suite) -> App:
    return suite.client()


@pytest.fixture
def second_browser(suite: Suite) -> Iterator[Browser]:
    browser = Browser(suite.house.issuer)
    yield browser
    browser.http.close()


def is_asked(browser: Browser) -> bool:
    """The provider shows a page of the sign-in instead of answering."""
    return browser.landing is None and "/login" in browser.visited


@by_both
def test_oidcc_server(app: App, browser: Browser) -> None:
    tokens = app.sign_in(browser)
    assert tokens["claims"]["sub"] == app.userinfo(tokens)["sub"] == app.house.filled.subject
    assert app.peer.introspect(config=app.config, token=tokens["access_token"])["active"]


def test_oidcc_response_type_missing(app: App, browser: Browser) -> None:
    url = app.url()
    query = [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name != "response_type"]
    found = browser.go(f"{url.split('?')[0]}?{urlencode(query)}").landed().params
    assert (found["error"], found["state"]) == ("invalid_request", "state-1")


@by_both
def test_oidcc_idtoken_signature(suite: Suite, browser: Browser) -> None:
    app = suite.client()
    tokens = app.sign_in(browser)
    header = jwt.get_unverified_header(tokens["id_token"])
    assert (header["alg"], bool(header["kid"])) == ("RS256", True)
    assert suite.peer.verify(config=app.config, token=tokens["id_token"])["header"] == header


def test_oidcc_idtoken_unsigned(suite: Suite) -> None:
    with pytest.raises(PeerRefused) as refused:
        suite.client(id_token_signed_response_alg="none")
    assert refused.value.error == "invalid_client_metadata"


def test_oidcc_userinfo_get(app: App, browser: Browser) -> None:
    tokens = app.sign_in(browser)
    assert app.userinfo(tokens)["sub"] == tokens["claims"]["sub"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_oidcc_userinfo_post_header(app: App, browser: Browser, scheme: str) -> None:
    tokens = app.sign_in(browser)
    headers = {"authorization": f"{scheme} {tokens['access_token']}"}
    assert httpx2.post(app.server["userinfo_endpoint"], headers=headers).json()["sub"] == tokens["claims"]["sub"]


def test_oidcc_userinfo_post_body(app: App, browser: Browser) -> None:
    tokens = app.sign_in(browser)
    answer = httpx2.post(app.server["userinfo_endpoint"], data={"access_token": tokens["access_token"]})
    assert answer.json()["sub"] == tokens["claims"]["sub"]


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(app: App, browser: Browser) -> None:
    assert "nonce" not in app.sign_in(browser, nonce=None)["claims"]


def check_scope(app: App, browser: Browser, scope: str, expected: set[str]) -> None:
    tokens = app.sign_in(browser, scope=scope)
    told = app.userinfo(tokens)
    assert told.keys() - {"sub"} == expected
    assert not any(isinstance(value, str) and not value for value in told.values())


def test_oidcc_scope_profile(app: App, browser: Browser) -> None:
    check_scope(app, browser, "openid profile", PROFILE)


def test_oidcc_scope_email(app: App, browser: Browser) -> None:
    check_scope(app, browser, "openid email", EMAIL)


def test_oidcc_scope_address(app: App, browser: Browser) -> None:
    check_scope(app, browser, "openid address", {"address"})


def test_oidcc_scope_phone(app: App, browser: Browser) -> None:
    check_scope(app, browser, "openid phone", PHONE)


@by_both
def test_oidcc_scope_all(app: App, browser: Browser) -> None:
    check_scope(app, browser, "openid profile email phone address", PROFILE | EMAIL | PHONE | {"address"})


def test_oidcc_alternate_happy_flow(app: App, browser: Browser) -> None:
    url = app.url(scope="phone email profile openid")
    reverse = urlencode(parse_qsl(urlsplit(url).query)[::-1])
    browser.go(f"{url.split('?')[0]}?{reverse}").sign_in()
    tokens = app.finish(browser.allow().landed())
    assert set(tokens["scope"].split()) == {"openid", "profile", "email", "phone"}


@pytest.mark.parametrize("display", ["page"])
def test_oidcc_display_page(app: App, browser: Browser, display: str) -> None:
    assert app.sign_in(browser, display=display)["id_token"]


@pytest.mark.parametrize("display", ["popup", "touch", "wap", "anything"])
def test_oidcc_display_popup(app: App, browser: Browser, display: str) -> None:
    assert app.sign_in(browser, display=display)["id_token"]


def test_oidcc_prompt_login(app: App, browser: Browser) -> None:
    with app.house.meanwhile(seconds=-1):
        first = app.sign_in(browser)["claims"]
    browser.go(app.url(prompt="login"))
    assert is_asked(browser)
    second = app.finish(browser.sign_in().landed())["claims"]
    assert (second["sub"], second["auth_time"] > first["auth_time"]) == (first["sub"], True)


def test_oidcc_prompt_none_not_logged_in(app: App, browser: Browser) -> None:
    found = browser.go(app.url(prompt="none")).landed().params
    assert (found["error"], found["state"]) == ("login_required", "state-1")


def test_oidcc_prompt_none_logged_in(app: App, browser: Browser) -> None:
    first = app.sign_in(browser)["claims"]
    second = app.finish(browser.go(app.url(prompt="none")).landed())["claims"]
    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])


def test_oidcc_max_age_1(app: App, browser: Browser) -> None:
    with app.house.meanwhile(seconds=-2):
        first = app.sign_in(browser)["claims"]
    browser.go(app.url(max_age="1"))
    assert is_asked(browser)
    second = app.finish(browser.sign_in().landed(), checks={"maxAge": 1})["claims"]
    assert (second["sub"], second["auth_time"] > first["auth_time"]) == (first["sub"], True)


@by_both
def test_oidcc_max_age_10000(app: App, browser: Browser) -> None:
    first = app.sign_in(browser, max_age="15000")["claims"]
    second = app.finish(browser.go(app.url(max_age="10000")).landed(), checks={"maxAge": 10000})["claims"]
    assert second["auth_time"] == first["auth_time"]


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(app: App, browser: Browser) -> None:
    assert app.sign_in(browser, extra="foobar")["id_token"]


def test_oidcc_id_token_hint(app: App, browser: Browser) -> None:
    first = app.sign_in(browser)
    second = app.finish(browser.go(app.url(prompt="none", id_token_hint=first["id_token"])).landed())["claims"]
    assert second["sub"] == first["claims"]["sub"]


@pytest.mark.parametrize("hint", ["buffy@op.example", "hanhnth", "<script>alert(1)</script>", "é" * 3000])
def test_oidcc_login_hint(app: App, browser: Browser, hint: str) -> None:
    browser.go(app.url(login_hint=hint))
    assert browser.page.forms[-1].fields["username"] == hint[:100]
    assert app.finish(browser.sign_in().allow().landed())["id_token"]


@pytest.mark.parametrize(("wanted", "language"), [("se", "vi"), ("en", "en"), ("vi en", "vi"), ("fr en", "en")])
def test_oidcc_ui_locales(app: App, browser: Browser, wanted: str, language: str) -> None:
    browser.go(app.url(ui_locales=wanted))
    assert f'<html lang="{language}">' in browser.answer.text
    assert app.finish(browser.sign_in().allow().landed())["id_token"]


def test_oidcc_claims_locales(app: App, browser: Browser) -> None:
    assert app.sign_in(browser, claims_locales="se")["id_token"]


def test_oidcc_ensure_request_with_acr_values_succeeds(app: App, browser: Browser) -> None:
    for wanted in ("1 2", " ".join(app.server["acr_values_supported"])):
        assert app.sign_in(browser, acr_values=wanted)["claims"]["acr"] in app.server["acr_values_supported"]


def check_second_use(app: App, browser: Browser, seconds: float) -> None:
    """A second use of a code is refused, and takes back what came of the first."""
    browser.go(app.url()).sign_in()
    landing = browser.allow().landed()
    tokens = app.finish(landing)
    with app.house.meanwhile(seconds=seconds), pytest.raises(PeerRefused) as refused:
        app.finish(landing)
    assert refused.value.error == "invalid_grant"
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert httpx2.get(app.server["userinfo_endpoint"], headers=bearer).status_code == 401
    assert not app.peer.introspect(config=app.config, token=tokens["access_token"])["active"]


@by_both
def test_oidcc_codereuse(app: App, browser: Browser) -> None:
    check_second_use(app, browser, 0)


def test_oidcc_codereuse_30seconds(app: App, browser: Browser) -> None:
    check_second_use(app, browser, 30)


def test_oidcc_ensure_registered_redirect_uri(app: App, browser: Browser) -> None:
    browser.go(app.url(redirect_uri=f"{RP}/unregistered"))
    assert browser.landing is None
    assert (browser.answer.status_code, "problem-authorization-request-refused" in browser.page.ids) == (400, True)


def test_oidcc_ensure_post_request_succeeds(app: App, browser: Browser, second_browser: Browser) -> None:
    url = app.url()
    form = dict(parse_qsl(urlsplit(url).query))
    browser.post_from_elsewhere(url.split("?")[0], form)
    assert app.finish(browser.sign_in().allow().landed())["id_token"]
    browser.post_from_elsewhere(url.split("?")[0], form | {"prompt": "none"})
    assert app.finish(browser.landed())["id_token"]  # by POST, too, a session is found again
    second_browser.post_from_elsewhere(url.split("?")[0], form | {"prompt": "none"})
    assert second_browser.landed().params["error"] == "login_required"


@by_both
def test_oidcc_server_client_secret_post(suite: Suite, browser: Browser) -> None:
    app = suite.client(token_endpoint_auth_method="client_secret_post")
    assert app.userinfo(app.sign_in(browser))["sub"]


def unsigned(app: App, claims: dict[str, Any]) -> str:
    return jwt.encode({"iss": app.metadata["client_id"], "aud": app.house.issuer} | claims, None, algorithm="none")


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(app: App, browser: Browser) -> None:
    found = browser.go(app.url(request_uri="https://rp.example.test/request.jwt")).landed().params
    assert found["error"] in ("request_uri_not_supported", "invalid_request_uri", "invalid_request_object")
    assert "none" not in app.server.get("request_object_signing_alg_values_supported", [])


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(app: App, browser: Browser) -> None:
    found = browser.go(app.url(request=unsigned(app, {"state": "inner"}))).landed().params
    assert found["error"] in ("request_not_supported", "invalid_request_object")


def test_oidcc_claims_essential(app: App, browser: Browser) -> None:
    tokens = app.sign_in(browser, claims='{"userinfo": {"name": {"essential": true}}}')
    assert app.userinfo(tokens)["name"] == "Nguyễn Thị Hồng Hạnh"
    assert "name" not in tokens["claims"]


def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite, browser: Browser) -> None:
    """An address that is registered, but not for what the person sees outside the object."""
    app = suite.client(redirect_uris=[RP, f"{RP}/other"])
    browser.go(app.url(request=unsigned(app, {"redirect_uri": f"{RP}/other"})))
    if browser.landing:
        assert browser.landing.params["error"] in ("request_not_supported", "invalid_request_object")
    else:
        assert browser.answer.status_code == 400


@by_both
def test_oidcc_refresh_token(suite: Suite, browser: Browser) -> None:
    both = {"grant_types": ["authorization_code", "refresh_token"]}
    app, stranger = suite.client(**both), suite.client(**both)
    tokens = app.sign_in(browser, scope="openid offline_access", prompt="consent")
    fresh = suite.peer.refresh(config=app.config, refresh_token=tokens["refresh_token"])
    assert fresh["access_token"] != tokens["access_token"]
    for name in ("iss", "sub", "aud", "auth_time"):
        assert fresh["claims"][name] == tokens["claims"][name]
    assert app.userinfo(fresh)["sub"] == tokens["claims"]["sub"]
    with pytest.raises(PeerRefused) as refused:
        suite.peer.refresh(config=stranger.config, refresh_token=fresh["refresh_token"])
    assert refused.value.error == "invalid_grant"


@by_both
def test_oidcc_ensure_request_with_valid_pkce_succeeds(app: App, browser: Browser) -> None:
    pair = app.peer.pkce()
    browser.go(app.url(code_challenge=pair["challenge"], code_challenge_method="S256")).sign_in()
    landing = browser.allow().landed()
    with pytest.raises(PeerRefused) as refused:
        app.finish(landing)  # without the verifier
    assert refused.value.error == "invalid_grant"
    browser.go(app.url(code_challenge=pair["challenge"], code_challenge_method="S256"))
    assert app.finish(browser.landed(), checks={"pkceCodeVerifier": pair["verifier"]})["id_token"]
