"""Back-Channel Logout OP: `oidcc-backchannel-rp-initiated-logout-certification-test-plan`."""

from urllib.parse import urlsplit

import jwt

from idp.clients.models import Client
from tests.conformance.browser import Browser
from tests.conformance.conftest import Suite
from tests.conformance.logout import BYE, goes_on_to, is_signed_in, registered, sign_out
from tests.idp.test_logout import Receiver, listening


def test_oidcc_backchannel_logout_discovery_endpoint_verification(suite: Suite) -> None:
    server = registered(suite).server
    assert server["backchannel_logout_supported"] is True
    assert server["backchannel_logout_session_supported"] is True
    assert urlsplit(server["end_session_endpoint"]).path == "/end_session"


def test_oidcc_backchannel_rp_initiated_logout(suite: Suite, browser: Browser) -> None:
    with listening(suite.house, Receiver()) as receiver:
        app = registered(suite, backchannel_logout_uri=receiver.uri, backchannel_logout_session_required=True)
        with (
            suite.house.app.state.db.write() as tx
        ):  # one of the province's own: others' addresses need OUTBOUND_HOSTS and https
            tx.get_one(Client, app.metadata["client_id"]).registration_token_digest = None
        tokens = app.sign_in(browser)
        sign_out(app, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s-1")
        assert goes_on_to(browser) == f"{BYE}?state=s-1"
        (heard,) = receiver.heard
    key = jwt.PyJWKClient(app.server["jwks_uri"]).get_signing_key_from_jwt(heard)
    claims = jwt.decode(heard, key, algorithms=["RS256"], audience=app.metadata["client_id"], issuer=suite.house.issuer)
    assert jwt.get_unverified_header(heard)["typ"] == "logout+jwt"
    assert (claims["sub"], claims["sid"]) == (tokens["claims"]["sub"], tokens["claims"]["sid"])
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in claims
    assert {"iat", "exp", "jti"} <= claims.keys()
    assert not is_signed_in(app, browser)
