"""Third-party-initiated login OP: `oidcc-3rdparty-init-login-certification-test-plan`."""

import httpx2
import pytest

from tests.conformance.conftest import Suite
from tests.conformance.peer import PeerRefused

START = "https://rp.example.test/start"


def test_oidcc_3rd_party_init_login(suite: Suite) -> None:
    registered = suite.register(initiate_login_uri=START)
    assert registered["initiate_login_uri"] == START
    bearer = {"authorization": f"Bearer {registered['registration_access_token']}"}
    read = httpx2.get(registered["registration_client_uri"], headers=bearer)
    assert (read.status_code, read.headers["content-type"]) == (200, "application/json")
    assert read.json()["initiate_login_uri"] == START


@pytest.mark.parametrize("uri", ["http://rp.example.test/start", "http://localhost/start"])
def test_oidcc_3rd_party_init_login_nohttps(suite: Suite, uri: str) -> None:
    with pytest.raises(PeerRefused) as refused:
        suite.register(initiate_login_uri=uri)
    assert refused.value.error == "invalid_client_metadata"
