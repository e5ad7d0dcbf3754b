"""What a browser and an application do, step by step, over HTTP."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from httpx2 import Response
from starlette.testclient import TestClient

from tests.idp.conftest import APP, PASSWORD, House

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def ask(**changes: str | None) -> dict[str, str]:
    """Parameters of an authorization request; None leaves one out."""
    params: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "web",
        "redirect_uri": f"{APP}/cb",
        "scope": "openid profile email",
        "state": "s-1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (params | changes).items() if value is not None}


def follow(browser: TestClient, answer: Response) -> Response:
    """Follow redirects within the provider; stop at a page, or at a redirect that leaves it."""
    while answer.is_redirect and answer.headers["location"].startswith("/"):
        answer = browser.get(answer.headers["location"])
    return answer


def begin(browser: TestClient, **changes: str | None) -> Response:
    return follow(browser, browser.get("/authorize", params=ask(**changes)))


def send_form(browser: TestClient, page: Response, **fields: str) -> Response:
    """Send the page's form as a browser would; the first form whose fields fit."""
    forms = re.findall(r"<form method=\"post\" action=\"([^\"]+)\">(.*?)</form>", page.text, re.S)
    action, inner = forms[-1]
    hidden = dict(re.findall(r"<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\">", inner))
    headers = {"sec-fetch-site": "same-origin", "origin": str(browser.base_url).rstrip("/")}
    return browser.post(action, data=hidden | fields, headers=headers)


def sign_in(browser: TestClient, page: Response, username: str = "hanhnth", password: str = PASSWORD) -> Response:
    """From the user name page to wherever it ends."""
    page = follow(browser, send_form(browser, page, username=username))
    return follow(browser, send_form(browser, page, password=password))


def answer_of(response: Response) -> dict[str, str]:
    """The parameters of an authorization response."""
    assert response.is_redirect, response.text[:2000]
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


def exchange(house: House, code: str, **changes: str | None) -> Response:
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": f"{APP}/cb",
        "code_verifier": VERIFIER,
    }
    data = {name: value for name, value in (form | changes).items() if value is not None}
    return house.machine().post("/token", data=data, auth=("web", house.web_secret))


def tokens(house: House, browser: TestClient | None = None, **changes: str | None) -> dict[str, Any]:
    """A whole sign-in at `web`; what the token endpoint gave."""
    browser = browser or house.browser()
    answer = begin(browser, **changes)
    if not answer.is_redirect:
        answer = sign_in(browser, answer)
    got: dict[str, Any] = exchange(house, answer_of(answer)["code"]).json()
    return got
