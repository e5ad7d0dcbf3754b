"""What no module of the plans above goes through, by each library: grants without a redirect, introspection, revocation, and
request objects by value."""

from typing import Any

import pytest

from idp.clients.actions import register_client
from idp.clients.rules import CIBA, CLIENT_CREDENTIALS, DEVICE, REFRESH, AuthMethod, Profile
from shared import clock
from tests.conformance.browser import Browser
from tests.conformance.conftest import Suite, by_both
from tests.conformance.fapi import Flow, flow, http, request_of, signing
from tests.conformance.peer import PeerRefused
from tests.idp.conftest import API, web_client
from tests.idp.signed import register_rp

__all__ = ["flow", "http"]
pytestmark = by_both
SOON = {"interval": 0}  # openid-client waits before it asks for the first time
ES256 = {"id_token_signed_response_alg": "ES256"}


def known(suite: Suite, **members: Any) -> str:
    """A client of the province that posts its secret, as the library knows it."""
    usual = {"auth_method": AuthMethod.POST, "redirect_uris": (), "id_token_alg": "ES256"}
    with suite.house.db.write() as tx:
        client, secret = register_client(tx, clock.now(), web_client(**(usual | members)))
        client_id = client.id
    found: str = suite.discover(client_id, ES256, {"method": "client_secret_post", "secret": secret})["config"]
    return found


def test_a_service_gets_a_bound_token_with_a_nonce_in_its_proof_and_takes_it_back(flow: Flow, suite: Suite) -> None:
    members: dict[str, Any] = {"grant_types": (CLIENT_CREDENTIALS,), "scopes": ("read",)}
    rp = register_rp(flow.house, flow.http, **members)
    config, dpop = suite.discover(rp.id, ES256, signing(rp))["config"], suite.peer.dpopKey(alg="ES256")
    got = suite.peer.clientCredentials(config=config, params={"scope": "read", "resource": API}, dpop=dpop["key"])
    assert got["token_type"] == "dpop"
    told = suite.peer.introspect(config=config, token=got["access_token"])
    assert (told["active"], told["sub"], told["cnf"]) == (True, rp.id, {"jkt": dpop["jkt"]})
    suite.peer.revoke(config=config, token=got["access_token"])
    assert suite.peer.introspect(config=config, token=got["access_token"]) == {"active": False}


def test_a_device_gets_its_tokens_when_its_person_has_allowed_it_and_gives_them_back(suite: Suite, browser: Browser) -> None:
    peer, config = suite.peer, known(suite, grant_types=(DEVICE, REFRESH))
    asked = peer.device(config=config, params={"scope": "openid profile"})
    browser.go(asked["verification_uri"]).sign_in().send(user_code=asked["user_code"])
    browser.allow()
    got = peer.devicePoll(config=config, answer=asked | SOON)
    subject = got["claims"]["sub"]
    assert subject == suite.house.filled.subject
    assert peer.userinfo(config=config, access_token=got["access_token"], subject=subject)["preferred_username"] == "hanhnth"
    again = peer.refresh(config=config, refresh_token=got["refresh_token"])
    peer.revoke(config=config, token=again["refresh_token"])
    with pytest.raises(PeerRefused) as refused:
        peer.refresh(config=config, refresh_token=again["refresh_token"])
    assert refused.value.error == "invalid_grant"


def test_a_kiosk_asks_in_the_background_and_the_person_answers_at_home(suite: Suite, browser: Browser) -> None:
    peer, config = suite.peer, known(suite, grant_types=(CIBA, REFRESH))
    asked = peer.ciba(config=config, params={"scope": "openid", "login_hint": "hanhnth", "binding_message": "Hồ sơ 42"})
    browser.go("/approve").sign_in().send(button="request").allow()
    got = peer.cibaPoll(config=config, answer=asked | SOON)
    assert got["claims"]["sub"] == suite.house.filled.subject


def test_a_request_object_by_value_is_answered_in_a_signed_answer(flow: Flow, suite: Suite) -> None:
    rp = register_rp(flow.house, flow.http, profile=Profile.PLAIN, dpop_bound=False, authorization_alg="ES256")
    metadata = ES256 | {"authorization_signed_response_alg": "ES256"}
    peer, config = suite.peer, suite.discover(rp.id, metadata, signing(rp))["config"]
    peer.jarm(config=config)
    asked, checks = request_of(peer)
    assert set(flow.land(peer.jar(config=config, params=asked, key=signing(rp)["key"]))) == {"response"}
    url = flow.browser.landed().url
    assert peer.codeGrant(config=config, url=url, checks=checks)["claims"]["sub"] == flow.house.filled.subject
    with pytest.raises(PeerRefused):  # the library does look at what it is given
        peer.codeGrant(config=config, url=url, checks=checks | {"expectedState": "another"})
    with pytest.raises(PeerRefused):
        peer.codeGrant(config=config, url=f"{url[:-4]}AAAA", checks=checks)
