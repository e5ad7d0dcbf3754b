"""Dynamic OP: `oidcc-dynamic-certification-test-plan`, by clients that register themselves and sign with keys of their own."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx2
import jwt
import pytest

from idp.keys.actions import rotate_keys
from shared import clock
from tests.conformance.browser import Browser
from tests.conformance.conftest import RP, App, Served, Suite, by_both, serve
from tests.conformance.peer import PeerRefused
from tests.conformance.test_basic import (
    test_oidcc_idtoken_unsigned,
    test_oidcc_refresh_token,
    unsigned,
)
from tests.conformance.test_config import check_provider, discovered
from tests.idp.conftest import copy_of
from tests.idp.outside import Outside, outside

__all__ = ["test_oidcc_idtoken_unsigned", "test_oidcc_refresh_token"]
BY_KEY = {"token_endpoint_auth_method": "private_key_jwt", "grant_types": ["authorization_code", "refresh_token"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside(tmp_path_factory.mktemp("outside")) as world:
        yield world


@pytest.fixture(scope="module")
def house(template: Any, world: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A provider that may fetch from the clients' host."""
    outward = {"outbound_hosts": world.netloc, "outbound_ca": str(world.ca)}
    with copy_of(template.url, tmp_path_factory.mktemp("served")) as url, serve(url, template.filled, **outward) as served:
        yield served


def signing(suite: Suite, **metadata: Any) -> App:
    """A client of the plan's kind: RS256 by its own key, which it registers by value."""
    key = suite.peer.key(alg="RS256")
    keys = {} if "jwks_uri" in metadata else {"jwks": {"keys": [key["public"]]}}
    return suite.client(key["private"], **BY_KEY, **keys, **metadata)


def refused(suite: Suite, **metadata: Any) -> str:
    with pytest.raises(PeerRefused) as refusal:
        suite.register(**metadata)
    return str(refusal.value.error)


def check_refused_on_own_page(browser: Browser) -> None:
    assert browser.landing is None
    assert (browser.answer.status_code, "problem-authorization-request-refused" in browser.page.ids) == (400, True)


def test_oidcc_idtoken_rs256(suite: Suite, browser: Browser) -> None:
    app = signing(suite, id_token_signed_response_alg="RS256")
    tokens = app.sign_in(browser)
    assert jwt.get_unverified_header(tokens["id_token"])["alg"] == "RS256"


@by_both
def test_oidcc_userinfo_rs256(suite: Suite, browser: Browser) -> None:
    app = signing(suite, userinfo_signed_response_alg="RS256")
    tokens = app.sign_in(browser, scope="openid email")
    assert app.userinfo(tokens)["email"] == "hanhnth@example.test"
    raw = httpx2.get(app.server["userinfo_endpoint"], headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert raw.headers["content-type"] == "application/jwt"
    read = suite.peer.verify(config=app.config, token=raw.text, options={"audience": app.metadata["client_id"]})
    assert (read["header"]["alg"], read["payload"]["iss"]) == ("RS256", suite.house.issuer)


def test_oidcc_ensure_redirect_uri_in_authorization_request(suite: Suite, browser: Browser) -> None:
    app = signing(suite, redirect_uris=[RP, f"{RP}/two"])
    check_refused_on_own_page(browser.go(app.url(redirect_uri=None)))


def test_oidcc_redirect_uri_query_ok(suite: Suite, browser: Browser) -> None:
    app = suite.client(redirect_uris=[f"{RP}?foo=bar"], token_endpoint_auth_method="client_secret_post")
    browser.go(app.url()).sign_in()
    landing = browser.allow().landed()
    assert landing.url.startswith(f"{RP}?foo=bar&")
    # openid-client cuts the query off a redirect URI, so the code is exchanged by hand.
    form = {"grant_type": "authorization_code", "code": landing.params["code"], "redirect_uri": f"{RP}?foo=bar"}
    credentials = {name: app.metadata[name] for name in ("client_id", "client_secret")}
    assert httpx2.post(app.server["token_endpoint"], data=form | credentials).json()["id_token"]


def test_oidcc_redirect_uri_query_mismatch(suite: Suite, browser: Browser) -> None:
    app = signing(suite, redirect_uris=[f"{RP}?foo=bar"])
    check_refused_on_own_page(browser.go(app.url(redirect_uri=f"{RP}?bar=foo")))


def test_oidcc_redirect_uri_query_added(suite: Suite, browser: Browser) -> None:
    check_refused_on_own_page(browser.go(signing(suite).url(redirect_uri=f"{RP}?foo=bar")))


def test_oidcc_redirect_uri_regfrag(suite: Suite) -> None:
    assert refused(suite, redirect_uris=[f"{RP}#fragment"]) == "invalid_redirect_uri"


def test_oidcc_discovery_endpoint_verification(house: Served) -> None:
    """All that the module asks but one thing: it also wants the implicit flow, which RFC 9700 forbids and we do not have."""
    check_provider(house)
    found = discovered(house)
    assert found["registration_endpoint"]
    assert found["request_uri_parameter_supported"]
    assert found["response_types_supported"] == ["code"]


def test_oidcc_server(suite: Suite, browser: Browser) -> None:
    app = signing(suite)
    tokens = app.sign_in(browser)
    assert tokens["claims"]["sub"] == app.userinfo(tokens)["sub"]


def shows(suite: Suite, browser: Browser, **metadata: str) -> Browser:
    """The page of the sign-in, on which the links and the picture of the client stand."""
    return browser.go(signing(suite, **metadata).url())


def test_oidcc_registration_logo_uri(suite: Suite, browser: Browser, world: Outside) -> None:
    logo = world.url("/logo.png")
    shows(suite, browser, logo_uri=logo)
    assert logo in browser.page.images
    policy = browser.answer.headers["content-security-policy"]
    assert f"img-src 'self' https://{world.netloc};" in policy
    assert "frame-ancestors 'none'" in policy
    assert "/logo.png" not in world.asked  # the browser fetches it, never the provider
    browser.sign_in()
    assert logo in browser.page.images


def test_oidcc_registration_policy_uri(suite: Suite, browser: Browser) -> None:
    shows(suite, browser, policy_uri="https://rp.example.test/policy")
    assert browser.page.links["client-policy"] == "https://rp.example.test/policy"
    assert "img-src" not in browser.answer.headers["content-security-policy"]


def test_oidcc_registration_tos_uri(suite: Suite, browser: Browser) -> None:
    shows(suite, browser, tos_uri="https://rp.example.test/terms")
    assert browser.page.links["client-terms"] == "https://rp.example.test/terms"


def test_oidcc_registration_jwks_uri(suite: Suite, browser: Browser, world: Outside) -> None:
    key = suite.peer.key(alg="RS256")
    world.pages["/client.jwks"] = json.dumps({"keys": [key["public"]]}).encode()
    app = suite.client(key["private"], **BY_KEY, jwks_uri=world.url("/client.jwks"))
    assert app.sign_in(browser)["id_token"]


def test_oidcc_registration_sector_uri(suite: Suite, browser: Browser, world: Outside) -> None:
    uris = [RP, "https://second.example.test/cb"]
    world.pages["/sector.json"] = json.dumps([*uris, "https://third.example.test/cb"]).encode()
    pairwise = {"subject_type": "pairwise", "sector_identifier_uri": world.url("/sector.json")}
    first, second = (signing(suite, redirect_uris=one, **pairwise) for one in (uris, uris[1:]))
    tokens = first.sign_in(browser)
    subject = tokens["claims"]["sub"]
    assert subject != suite.house.filled.subject
    assert first.userinfo(tokens)["sub"] == subject == second.sign_in(browser)["claims"]["sub"]
    assert signing(suite, subject_type="pairwise").sign_in(browser)["claims"]["sub"] != subject


@pytest.mark.parametrize(
    "listed", [b'["https://other.example.test/cb"]', b"[]", b"{}", b"not json", b'[["https://rp.example.test/cb"]]', None]
)
def test_oidcc_registration_sector_bad(suite: Suite, world: Outside, listed: bytes | None) -> None:
    path = f"/sector/{sha256(listed or b'').hexdigest()}"
    if listed is not None:
        world.pages[path] = listed
    assert refused(suite, subject_type="pairwise", sector_identifier_uri=world.url(path)) == "invalid_client_metadata"
    assert refused(suite, sector_identifier_uri=world.url(path)) == "invalid_client_metadata"


def test_oidcc_server_rotate_keys(suite: Suite, browser: Browser) -> None:
    app, jwks = signing(suite), f"{suite.house.issuer}/jwks"
    tokens = app.sign_in(browser)
    before = {key["kid"] for key in httpx2.get(jwks).json()["keys"]}
    with suite.house.db.write() as tx:
        rotate_keys(tx, clock.now(), suite.house.settings)
    after = {key["kid"] for key in httpx2.get(jwks).json()["keys"]}
    assert before < after
    # Applications that have kept the published keys go on: at first the known key still signs.
    assert app.finish(browser.go(app.url()).landed())["id_token"]
    with suite.house.db.write() as tx:
        rotate_keys(tx, clock.now(), suite.house.settings, overlap=timedelta())
    fresh = suite.known(app.metadata, app.key)  # has fetched the keys anew
    assert jwt.get_unverified_header(fresh.finish(browser.go(fresh.url()).landed())["id_token"])["kid"] not in after
    assert app.userinfo(tokens)["sub"] == tokens["claims"]["sub"]  # what the old key has signed still counts
    assert suite.peer.verify(config=app.config, token=tokens["id_token"])


def test_oidcc_refresh_token_rp_key_rotation(suite: Suite, browser: Browser, world: Outside) -> None:
    old, new = suite.peer.key(alg="RS256"), suite.peer.key(alg="RS256")
    world.pages["/rotating.jwks"] = json.dumps({"keys": [old["public"]]}).encode()
    registered = suite.register(**BY_KEY, jwks_uri=world.url("/rotating.jwks"))
    tokens = suite.known(registered, old["private"]).sign_in(browser, scope="openid offline_access", prompt="consent")
    world.pages["/rotating.jwks"] = json.dumps({"keys": [new["public"]]}).encode()
    renewed = suite.known(registered, new["private"])
    fresh = suite.peer.refresh(config=renewed.config, refresh_token=tokens["refresh_token"])
    assert fresh["claims"]["sub"] == tokens["claims"]["sub"]
    past = suite.known(registered, old["private"])
    with pytest.raises(PeerRefused) as refusal:
        suite.peer.refresh(config=past.config, refresh_token=fresh["refresh_token"])
    assert refusal.value.status == 401


def by_reference(app: App, world: Outside, path: str, object_: str) -> str:
    """An authorization request with only what must stand outside of its object (Core, 6.2)."""
    world.pages[path] = object_.encode()
    return app.url(request_uri=world.url(path), state=None, nonce=None, redirect_uri=None)


def test_oidcc_request_uri_unsigned(suite: Suite, browser: Browser, world: Outside) -> None:
    """Skipped by the suite where `none` is not advertised; here it is seen that such an object is refused."""
    app = signing(suite, request_uris=[world.url("/unsigned.jwt")])
    claims = {"client_id": app.metadata["client_id"], "response_type": "code", "scope": "openid", "redirect_uri": RP}
    browser.go(by_reference(app, world, "/unsigned.jwt", unsigned(app, claims)))
    check_refused_on_own_page(browser)
    assert "none" not in app.server["request_object_signing_alg_values_supported"]


def test_oidcc_request_uri_signed_rs256(suite: Suite, browser: Browser, world: Outside) -> None:
    fragment = urlsafe_b64encode(sha256(b"a version").digest()).decode().rstrip("=")
    key, uri = suite.peer.key(alg="RS256"), world.url("/signed.jwt")
    metadata = {"request_uris": [f"{uri}#{fragment}"], "request_object_signing_alg": "RS256"}
    app = suite.client(key["private"], **BY_KEY, jwks={"keys": [key["public"]]}, **metadata)
    client_id = app.metadata["client_id"]
    claims = {"iss": client_id, "aud": suite.house.issuer, "client_id": client_id, "response_type": "code", "scope": "openid"}
    object_ = suite.peer.sign(
        key={"jwk": key["private"]}, claims=claims | {"redirect_uri": RP, "state": "inside", "nonce": "n"}
    )
    browser.go(by_reference(app, world, "/signed.jwt", object_)).sign_in()
    landing = browser.allow().landed()
    assert landing.params["state"] == "inside"
    assert app.finish(landing, checks={"expectedState": "inside", "expectedNonce": "n"})["id_token"]


def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite, browser: Browser) -> None:
    """What stands in a signed object counts, not what stands beside it."""
    key = suite.peer.key(alg="RS256")
    app = suite.client(key["private"], **BY_KEY, jwks={"keys": [key["public"]]})
    client_id = app.metadata["client_id"]
    claims = {"iss": client_id, "aud": suite.house.issuer, "client_id": client_id, "response_type": "code", "scope": "openid"}
    object_ = suite.peer.sign(key={"jwk": key["private"]}, claims=claims | {"redirect_uri": RP, "state": "s"})
    browser.go(app.url(request=object_, redirect_uri=f"{RP}/not-registered", nonce=None, state="s")).sign_in()
    assert app.finish(browser.allow().landed())["id_token"]


def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(suite: Suite, browser: Browser) -> None:
    key = suite.peer.key(alg="RS256")
    registered = suite.register(**BY_KEY, jwks={"keys": [key["public"]]})
    auth = {"method": "private_key_jwt", "key": {"jwk": key["private"]}, "claims": {"aud": suite.house.issuer}}
    found = suite.peer.discover(issuer=suite.house.issuer, client_id=registered["client_id"], auth=auth)
    app = App(suite.house, suite.peer, registered, found["config"], found["server"])
    assert app.sign_in(browser)["id_token"]
