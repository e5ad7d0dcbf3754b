"""A person at the province's front door: signs in by the real forms, and speaks to meetings with the token that comes of it."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from shared.ids import new_token


class Person:
    """Has a browser (cookies) and an access token of the test client."""

    def __init__(self, demo: dict[str, Any], username: str) -> None:
        self.demo, self.username = demo, username
        account = next(one for one in demo["accounts"] if one["username"] == username)
        self.password, self.name = account["password"], account["name"]
        self.http = httpx2.Client(timeout=30)
        self.tokens: dict[str, Any] = {}

    def sign_in(self, **parameters: str) -> "Person":
        """Authorization code flow with PKCE; through user name and password where the provider asks."""
        verifier = new_token()
        asked = {
            "response_type": "code",
            "client_id": self.demo["test_client"]["client_id"],
            "redirect_uri": self.demo["test_client"]["redirect_uri"],
            "scope": "openid profile email",
            "state": new_token(),
            "nonce": new_token(),
            "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        } | parameters
        issuer = self.demo["issuer"]
        answer = self.follow(self.http.get(f"{issuer}/authorize", params=asked))
        fields = {"username": self.username, "password": self.password}
        while "<form" in answer.text and not answer.is_redirect:
            answer = self.follow(self._send(answer, fields))
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert back["state"] == [asked["state"]], answer.headers["location"]
        assert back["iss"] == [issuer]
        exchanged = self.http.post(
            f"{issuer}/token",
            data={
                "grant_type": "authorization_code",
                "code": back["code"][0],
                "redirect_uri": asked["redirect_uri"],
                "client_id": asked["client_id"],
                "code_verifier": verifier,
            },
        )
        assert exchanged.status_code == 200, exchanged.text
        self.tokens = exchanged.json()
        return self

    def follow(self, answer: httpx2.Response) -> httpx2.Response:
        """Redirects within the provider; stops where one leaves it."""
        while answer.is_redirect:
            target = urljoin(str(answer.url), answer.headers["location"])
            if not target.startswith(self.demo["issuer"] + "/"):
                return answer
            answer = self.http.get(target)
        return answer

    def _send(self, page: httpx2.Response, fields: dict[str, str]) -> httpx2.Response:
        action, inner = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)[-1]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', inner))
        wanted = {name: value for name, value in fields.items() if f'name="{name}"' in inner}
        assert wanted, f"the page asks for something else: {page.text[:1500]}"
        data = {name: unescape(value) for name, value in hidden.items()} | wanted
        headers = {"sec-fetch-site": "same-origin", "origin": self.demo["issuer"]}
        return self.http.post(urljoin(str(page.url), unescape(action)), data=data, headers=headers)

    def call(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """`path` below the sample meeting, unless it begins with a slash."""
        url = path if path.startswith("/") else f"/api/meetings/{self.demo['meeting_id']}/{path}"
        headers = {"authorization": f"Bearer {self.tokens['access_token']}"} | arguments.pop("headers", {})
        return self.http.request(method, self.demo["meetings"] + url, headers=headers, **arguments)

    def must(self, method: str, path: str, **arguments: Any) -> Any:
        """The same, and it has to succeed; the JSON answer."""
        answer = self.call(method, path, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.content

    def state(self) -> dict[str, Any]:
        """The meeting as this person may see it now."""
        state: dict[str, Any] = self.must("GET", f"/api/meetings/{self.demo['meeting_id']}")["state"]
        return state
