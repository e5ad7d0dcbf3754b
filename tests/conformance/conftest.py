"""The identity provider as a server on a loopback port, and the peer that speaks to it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import uvicorn

from idp.app import build
from idp.oidc.certificate import BehindProxy
from idp.settings import IdpSettings
from shared import clock
from tests.conformance.browser import Browser, Landing
from tests.conformance.peer import HERE, Peer
from tests.idp.conftest import House, copy_of, settings_for, template
from tests.idp.opinions import SecondOpinions

__all__ = ["template"]
RP = "https://rp.example.test/cb"  # nobody fetches it: the browser stops where it leaves the provider


@dataclass
class Served(House):
    """A house with an address; see `tests.idp.conftest.House` for the rest."""

    port: int

    @property
    def issuer(self) -> str:
        return self.settings.public_url

    @contextmanager
    def meanwhile(self, **span: float) -> Iterator[None]:
        """Requests in this block happen that much later."""
        instant = clock.now() + timedelta(**span)
        self.app.dependency_overrides[clock.now] = lambda: instant
        try:
            yield
        finally:
            del self.app.dependency_overrides[clock.now]


@contextmanager
def serve(url: str, filled: Any, **changes: Any) -> Iterator[Served]:
    """Run the application of this database until the block ends; `changes` are settings."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = IdpSettings(**settings_for(url).model_dump() | {"public_url": f"http://127.0.0.1:{port}"} | changes)
    app = build(settings)
    behind: Any = BehindProxy(SecondOpinions(app), settings)
    quick: dict[str, Any] = {"log_level": "error", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(behind, ws="none", proxy_headers=False, server_header=False, **quick))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield Served(app, settings, filled, port)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def house(template: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with copy_of(template.url, tmp_path_factory.mktemp("served")) as url, serve(url, template.filled) as served:
        yield served


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    if not (HERE / "node_modules").is_dir():
        pytest.fail("tests/conformance/peer has no node_modules: `make test` installs them (deploy.prepare_tests)")
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def browser(house: Served) -> Iterator[Browser]:
    browser = Browser(house.issuer)
    yield browser
    browser.http.close()


@dataclass
class App:
    """A registered application on the other side; `metadata` is what its registration answered."""

    house: Served
    peer: Peer
    metadata: dict[str, Any]
    config: str
    server: dict[str, Any]
    mode: str | None = None
    key: dict[str, Any] | None = None
    checks: dict[str, Any] = field(default_factory=dict)

    def url(self, **params: str | None) -> str:
        """An authorization request as the suite sends it: `scope=openid`, a state and a nonce; None leaves one out."""
        usual = {"redirect_uri": self.metadata["redirect_uris"][0], "scope": "openid", "state": "state-1", "nonce": "nonce-1"}
        asked = usual | ({"response_mode": self.mode} if self.mode else {}) | params
        known = {name: value for name, value in asked.items() if value is not None}
        self.checks = {
            key: known[name] for name, key in (("state", "expectedState"), ("nonce", "expectedNonce")) if name in known
        }
        found: str = self.peer.authorizationUrl(config=self.config, params=known)
        return found

    def finish(self, landing: Landing, **args: Any) -> dict[str, Any]:
        """Exchange the code; the library judges state, nonce, issuer and the ID token."""
        checks = self.checks | {"idTokenExpected": True} | args.pop("checks", {})
        tokens: dict[str, Any] = self.peer.codeGrant(
            config=self.config, url=landing.url, form=landing.form, checks=checks, **args
        )
        return tokens

    def sign_in(self, browser: Browser, **params: str | None) -> dict[str, Any]:
        """A whole sign-in of a person who may be asked for everything."""
        browser.go(self.url(**params))
        if browser.landing is None and "consent-allow" not in browser.page.ids:
            browser.sign_in()
        return self.finish(browser.allow().landed())

    def userinfo(self, tokens: dict[str, Any], **args: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.peer.userinfo(
            config=self.config, access_token=tokens["access_token"], subject=tokens["claims"]["sub"], **args
        )
        return found


@dataclass
class Suite:
    """One test's way to clients; `mode` is the response mode that all of them ask for, `library` what they are built on."""

    house: Served
    peer: Peer
    mode: str | None
    library: str

    def register(self, **metadata: Any) -> dict[str, Any]:
        """Dynamic registration; the answer as oauth4webapi takes it."""
        asked = {"client_name": "Ứng dụng kiểm thử", "redirect_uris": [RP]} | metadata
        wish = {"issuer": self.house.issuer, "metadata": asked, "token": self.house.filled.initial_token}
        found: dict[str, Any] = self.peer.register(**wish)
        return found

    def client(self, key: dict[str, Any] | None = None, **metadata: Any) -> App:
        """Register, and be that client. `key`: the private JWK of one that signs."""
        return self.known(self.register(**metadata), key)

    def known(self, registered: dict[str, Any], key: dict[str, Any] | None = None) -> App:
        auth = {"method": registered["token_endpoint_auth_method"], "secret": registered.get("client_secret")}
        if key:
            auth["key"] = {"jwk": key, "alg": key["alg"]}
        names = ("id_token_signed_response_alg", "userinfo_signed_response_alg", "authorization_signed_response_alg")
        metadata = {name: registered[name] for name in names if name in registered}
        found = self.discover(registered["client_id"], metadata, auth)
        return App(self.house, self.peer, registered, found["config"], found["server"], self.mode, key)

    def discover(self, client_id: str, metadata: dict[str, Any], auth: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Be a client that is registered already; its `config` and what its library has found out of the `server`."""
        wish = {"issuer": self.house.issuer, "client_id": client_id, "metadata": metadata, "auth": auth}
        found: dict[str, Any] = self.peer.discover(by=self.library, **wish, **more)
        return found


@pytest.fixture
def mode() -> str | None:
    """Overridden by the form_post plan."""
    return None


LIBRARIES = ("openid-client", "oauth4webapi")
by_both = pytest.mark.parametrize("library", LIBRARIES, indirect=True)


@pytest.fixture
def library(request: pytest.FixtureRequest) -> str:
    """What the other side is built on; `by_both` runs a test with each."""
    return str(getattr(request, "param", LIBRARIES[0]))


@pytest.fixture
def suite(house: Served, peer: Peer, mode: str | None, library: str) -> Suite:
    return Suite(house, peer, mode, library)
