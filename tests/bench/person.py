"""One person with a browser, and the application behind it: what each scenario of the load does once."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from tests.bench.browser import Answer, Browser, Unexpected

REDIRECT_URI = "http://127.0.0.1:9999/cb"  # nobody listens: the browser stops where it leaves the provider
PASSWORD = "mot-cau-ngan-de-nho"
MOST_PAGES = 15


@dataclass(frozen=True, kw_only=True)
class Target:
    """A provider's addresses and the client that its load is made as."""

    address: str
    port: int | None = None  # see `Browser`
    authorize: str = "/authorize"
    token: str = "/token"
    userinfo: str = "/userinfo"
    introspection: str = "/introspect"
    client_id: str = "bench-es256"
    client_secret: str = ""
    resource: str = ""  # an API whose access tokens are signed (RFC 9068)
    machine_id: str = ""  # the client of the client credentials grant, where that must be another
    accounts: int = 200
    username_field: str = "username"

    def basic(self, client_id: str = "") -> tuple[str]:
        pair = f"{client_id or self.client_id}:{self.client_secret}"
        return (f"Authorization: Basic {b64encode(pair.encode()).decode()}",)


class Person:
    def __init__(self, target: Target, number: int) -> None:
        self.target, self.number = target, number
        self.browser = Browser(target.address, target.port)
        self.tokens: dict[str, Any] = {}

    async def begin(self) -> None:
        """Signed in, with tokens: where each scenario but `login` starts."""
        self.tokens = await self._authorize(interactive=True)

    async def sso(self) -> None:
        """An authorization request with a live session and PKCE S256, its code, tokens: two requests."""
        self.tokens = await self._authorize(interactive=False)

    async def login(self) -> None:
        """The same with an empty browser: the pages of the sign-in, and another person each time."""
        self.browser.cookies.clear()
        self.number += 17
        self.tokens = await self._authorize(interactive=True)

    async def client_credentials(self) -> None:
        await self._token(self.target.machine_id, grant_type="client_credentials")

    async def signed_credentials(self) -> None:
        told = await self._token(self.target.machine_id, grant_type="client_credentials", resource=self.target.resource)
        assert told["access_token"].count(".") == 2

    async def refresh(self) -> None:
        again = await self._token(grant_type="refresh_token", refresh_token=self.tokens["refresh_token"])
        if again.get("refresh_token") in (None, self.tokens["refresh_token"]):
            raise AssertionError("the refresh token was not rotated")
        self.tokens = again

    async def userinfo(self) -> None:
        headers = (f"Authorization: Bearer {self.tokens['access_token']}",)
        answer = await self.browser.send("GET", self.target.userinfo, headers=headers, app=True)
        if answer.status != 200 or "sub" not in json.loads(answer.body):
            raise Unexpected(self.target.userinfo, answer)

    async def introspection(self) -> None:
        path, form = self.target.introspection, {"token": self.tokens["access_token"]}
        answer = await self.browser.send("POST", path, form, self.target.basic(), app=True)
        if answer.status != 200 or json.loads(answer.body)["active"] is not True:
            raise Unexpected(path, answer)

    async def _token(self, client_id: str = "", **form: str) -> dict[str, Any]:
        answer = await self.browser.send("POST", self.target.token, form, self.target.basic(client_id), app=True)
        if answer.status != 200:
            raise Unexpected(self.target.token, answer)
        told: dict[str, Any] = json.loads(answer.body)
        assert told["access_token"]
        return told

    async def _authorize(self, *, interactive: bool) -> dict[str, Any]:
        verifier, state = token_urlsafe(32), token_urlsafe(8)
        query = {
            "response_type": "code",
            "client_id": self.target.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid",
            "state": state,
            "nonce": token_urlsafe(8),
            "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        path = f"{self.target.authorize}?{urlencode(query)}"
        answer = await self.browser.send("GET", path)
        landed = parse_qs(urlsplit(await self._follow(path, answer, interactive=interactive)).query)
        if landed.get("state") != [state] or "code" not in landed:
            raise AssertionError(f"no code: {landed}")
        form = {"code": landed["code"][0], "redirect_uri": REDIRECT_URI, "code_verifier": verifier}
        tokens = await self._token(grant_type="authorization_code", **form)
        assert tokens["id_token"]
        return tokens

    async def _follow(self, path: str, answer: Answer, *, interactive: bool) -> str:
        """The address at which the browser leaves the provider."""
        who = f"user{self.number % self.target.accounts}"
        typed = {self.target.username_field: who, "password": PASSWORD}
        for _ in range(MOST_PAGES):
            if answer.is_redirect:
                path = urljoin(urljoin(self.target.address, path), answer.location)
                if path.startswith(REDIRECT_URI):
                    return path
                answer = await self.browser.send("GET", path)
            elif answer.status == 200 and interactive:
                path, answer = await self.browser.submit(path, answer, typed)
            else:
                break
        raise Unexpected(path, answer)


SCENARIOS = {
    "sso": Person.sso,
    "client_credentials": Person.client_credentials,
    "signed_credentials": Person.signed_credentials,
    "refresh": Person.refresh,
    "userinfo": Person.userinfo,
    "introspection": Person.introspection,
    "login": Person.login,
}
WITHOUT_SESSION = ("client_credentials", "signed_credentials", "login")
