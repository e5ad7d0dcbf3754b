"""What a browser and an application do, step by step, over HTTP."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from httpx2 import Response
from starlette.testclient import TestClient

from tests.idp.conftest import APP, PASSWORD, House

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
OWN_PAGE = {"sec-fetch-site": "same-origin"}


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


def read_form(page: Response) -> tuple[str, dict[str, str]]:
    """Address and hidden fields of the last form, as a browser would send them."""
    forms = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
    action, inner = forms[-1]
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', inner)
    return unescape(action), {name: unescape(value) for name, value in hidden}


def send_form(browser: TestClient, page: Response, **fields: str) -> Response:
    action, hidden = read_form(page)
    return browser.post(action, data=hidden | fields, headers=OWN_PAGE)


def name_then_password(browser: TestClient, page: Response, username: str, password: str) -> Response:
    """From the user name page to the answer to the password."""
    page = follow(browser, send_form(browser, page, username=username))
    return send_form(browser, page, password=password)


def sign_in(browser: TestClient, page: Response, username: str = "hanhnth", password: str = PASSWORD) -> Response:
    return follow(browser, name_then_password(browser, page, username, password))


def answer_of(response: Response) -> dict[str, str]:
    """The parameters of an authorization response."""
    assert response.is_redirect, response.text[:2000]
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


def code_for(house: House, browser: TestClient, **changes: str | None) -> str:
    page = begin(browser, **changes)
    return answer_of(page if page.is_redirect else sign_in(browser, page))["code"]


def exchange(house: House, code: str, **changes: str | None) -> Response:
    """At the token endpoint, as `web` would do it."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": f"{APP}/cb",
        "code_verifier": VERIFIER,
    }
    data = {name: value for name, value in (form | changes).items() if value is not None}
    return house.machine().post("/token", data=data, auth=("web", house.filled.web_secret))


def renew(house: House, refresh_token: str, **changes: str) -> Response:
    data = {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes
    return house.machine().post("/token", data=data, auth=("web", house.filled.web_secret))


def tokens(house: House, browser: TestClient, **changes: str | None) -> dict[str, Any]:
    """A whole sign-in at `web`; what the token endpoint gave."""
    answer = exchange(house, code_for(house, browser, **changes))
    assert answer.status_code == 200, answer.text
    got: dict[str, Any] = answer.json()
    return got


def who(house: House, access_token: str) -> Response:
    return house.machine().get("/userinfo", headers={"authorization": f"Bearer {access_token}"})


def as_spa(house: House, browser: TestClient) -> dict[str, Any]:
    """A whole sign-in at `spa`, a public client."""
    page = begin(browser, client_id="spa", redirect_uri="http://localhost:8500/cb")
    code = answer_of(page if page.is_redirect else sign_in(browser, page))["code"]
    data = {"grant_type": "authorization_code", "client_id": "spa", "code": code, "code_verifier": VERIFIER}
    got: dict[str, Any] = house.machine().post("/token", data=data | {"redirect_uri": "http://localhost:8500/cb"}).json()
    return got
