"""A FAPI 2.0 client and its person, as the suite's modules need them: private_key_jwt and DPoP, the plain_fapi profile."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.conformance.browser import Browser
from tests.conformance.conftest import Served
from tests.conformance.peer import Peer
from tests.idp.signed import CB, Key, Rp, register_rp

TEXT = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")  # RFC 6749, 5.2: no quotation marks, backslashes or new lines


@dataclass
class Flow:
    """`rp` is the suite's client, `other` its second; the person signs in where it is asked for."""

    house: Served
    http: httpx2.Client
    rp: Rp
    other: Rp
    browser: Browser

    def land(self, url: str, browser: Browser | None = None) -> dict[str, str]:
        """What the client is told at its redirect URI; empty where the person got a page with an error."""
        browser = (browser or self.browser).go(url)
        if browser.landing is None and "problem-authorization-request-refused" in browser.page.ids:
            assert browser.answer.status_code == 400
            return {}
        if browser.landing is None:
            browser.sign_in()
        return browser.landed().params

    def code(self, **changes: Any) -> str:
        return self.land(self.rp.pushed(**changes))["code"]

    def tokens(self, **changes: Any) -> dict[str, Any]:
        answer = self.rp.exchange(self.code(**changes))
        assert answer.status_code == 200, answer.text
        got: dict[str, Any] = answer.json()
        return got


def signing(rp: Rp) -> dict[str, Any]:
    """How the peer authenticates as this client."""
    return {"method": "private_key_jwt", "key": {"jwk": rp.key.secret | {"kid": rp.key.jkt}, "alg": rp.key.alg}}


def request_of(peer: Peer) -> tuple[dict[str, str], dict[str, Any]]:
    """An authorization request, and what its sender checks in the answer."""
    pkce = peer.pkce()
    asked = {"redirect_uri": CB, "scope": "openid profile offline_access", "state": "s", "nonce": "n"}
    asked |= {"code_challenge": pkce["challenge"], "code_challenge_method": "S256"}
    checks = {"expectedState": "s", "expectedNonce": "n", "pkceCodeVerifier": pkce["verifier"], "idTokenExpected": True}
    return asked, checks


def told(answer: httpx2.Response) -> tuple[int, str]:
    """Status and error code of a refusal in RFC 6749's shape (5.2), of which every module looks at the whole."""
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    body = answer.json()
    assert body.keys() <= {"error", "error_description"}
    assert TEXT.fullmatch(body.get("error_description", ""))
    return answer.status_code, body["error"]


@pytest.fixture(scope="module")
def http(house: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=house.issuer, trust_env=False, timeout=30) as http:
        yield http


@pytest.fixture(scope="module")
def flow(house: Served, http: httpx2.Client) -> Iterator[Flow]:
    """Its person signs in once and stays signed in."""
    browser = Browser(house.issuer)
    yield Flow(house, http, register_rp(house, http), register_rp(house, http, key=Key("PS256")), browser)
    browser.http.close()
