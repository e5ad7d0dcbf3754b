"""The second application before the real identity provider, both on loopback, walked through by one browser."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp

from deploy.demo import second_app
from idp import app as idp
from idp.accounts.actions import create_account
from idp.clients.actions import register_client
from idp.clients.rules import Metadata
from idp.settings import IdpSettings
from shared import clock, migrate
from shared.db import Database
from shared.words import LANGUAGES, catalogue

PASSWORD = "mot-cau-ngan-de-nho"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def served(app: ASGIApp, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join()


@dataclass
class Province:
    issuer: str
    calendar: str


class Browser:
    """Follows redirects and sends forms; cookies as a browser keeps them."""

    def __init__(self, province: Province, http: httpx2.Client) -> None:
        self.province = province
        self.http = http
        self.seen: list[str] = []

    def get(self, url: str) -> httpx2.Response:
        return self._arrive(self.http.get(url))

    def send(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        action, inner = re.findall(r"<form[^>]*action=\"([^\"]+)\"[^>]*>(.*?)</form>", page.text, re.DOTALL)[-1]
        hidden = dict(re.findall(r"<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\">", inner))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(page.url)))
        headers = {"sec-fetch-site": "same-origin", "origin": origin}
        return self._arrive(self.http.post(urljoin(str(page.url), unescape(action)), data=hidden | fields, headers=headers))

    def sign_in(self) -> httpx2.Response:
        page = self.get(f"{self.province.calendar}/login")
        return self.send(self.send(page, username="hanhnth"), password=PASSWORD)

    def _arrive(self, answer: httpx2.Response) -> httpx2.Response:
        while answer.is_redirect:
            self.seen.append(urljoin(str(answer.url), answer.headers["location"]))
            answer = self.http.get(self.seen[-1])
        return answer


@pytest.fixture(scope="module")
def province(tmp_path_factory) -> Iterator[Province]:
    url = f"sqlite:///{tmp_path_factory.mktemp('idp')}/idp.db"
    db = Database(url)
    migrate.upgrade(db.engine, "idp")
    issuer_port, calendar_port = free_port(), free_port()
    here = Province(f"http://127.0.0.1:{issuer_port}", f"http://127.0.0.1:{calendar_port}")
    metadata = Metadata(
        name="Lịch công tác",
        redirect_uris=(f"{here.calendar}/callback",),
        post_logout_redirect_uris=(f"{here.calendar}/signed-out",),
        backchannel_logout_uri=f"{here.calendar}/backchannel-logout",
        trusted=True,
    )
    with db.write() as tx:
        _, secret = register_client(tx, clock.now(), metadata, client_id="calendar")
        create_account(
            tx,
            clock.now(),
            username="hanhnth",
            full_name="Nguyễn Thị Hồng Hạnh",
            honorific="Bà",
            email="hanhnth@binhlam.example",
            password=PASSWORD,
        )
    db.close()
    settings = IdpSettings(public_url=here.issuer, database_url=url, secret="0123456789abcdef" * 3)
    calendar = second_app.build(here.issuer, "calendar", str(secret), here.calendar)
    with served(idp.build(settings), issuer_port), served(calendar, calendar_port):
        yield here


@pytest.fixture
def browser(province: Province) -> Iterator[Browser]:
    with httpx2.Client(headers={"accept": "text/html"}) as http:
        yield Browser(province, http)


other = browser


def test_a_stranger_is_asked_to_sign_in(province, browser):
    page = browser.get(province.calendar)
    assert page.status_code == 200
    assert 'href="/login"' in page.text
    assert "Nguyễn Thị Hồng Hạnh" not in page.text


def test_signing_in_at_the_province_shows_who_is_there(province, browser):
    page = browser.sign_in()
    assert str(page.url) == f"{province.calendar}/"
    assert "Nguyễn Thị Hồng Hạnh" in page.text
    assert "hanhnth@binhlam.example" in page.text


def test_the_request_carries_pkce_state_and_nonce(province, browser):
    browser.get(f"{province.calendar}/login")
    asked = parse_qs(urlsplit(browser.seen[0]).query)
    assert browser.seen[0].startswith(f"{province.issuer}/")
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 20 for name in ("code_challenge", "state", "nonce"))


def test_the_session_gets_a_new_id_at_sign_in_and_its_cookie_is_out_of_scripts_reach(province, browser):
    browser.get(f"{province.calendar}/login")
    planted = browser.http.cookies["calendar"]
    page = browser.send(browser.send(browser.get(f"{province.calendar}/login"), username="hanhnth"), password=PASSWORD)
    assert "Nguyễn Thị Hồng Hạnh" in page.text
    kept = next(cookie for cookie in browser.http.cookies.jar if cookie.name == "calendar")
    assert kept.value != planted
    assert kept.has_nonstandard_attr("HttpOnly")
    assert "Nguyễn" not in httpx2.get(province.calendar, cookies={"calendar": planted}).text


def test_a_callback_that_nobody_began_signs_nobody_in(province, browser):
    page = browser.get(f"{province.calendar}/callback?code=abc&state=xyz")
    assert page.status_code == 400
    assert "Chưa đăng nhập được" in page.text


def test_a_callback_from_another_issuer_is_refused(province, browser):
    browser.get(f"{province.calendar}/login")
    state = parse_qs(urlsplit(browser.seen[0]).query)["state"][0]
    page = browser.get(f"{province.calendar}/callback?code=abc&state={state}&iss=https://evil.example")
    assert page.status_code == 400


def test_signing_out_here_signs_out_of_the_province(province, browser):
    page = browser.send(browser.sign_in())
    page = browser.get(page.headers["refresh"].partition("url=")[2])
    assert str(page.url).startswith(f"{province.calendar}/signed-out")
    assert "Đã đăng xuất" in page.text
    assert any("id_token_hint=" in url and url.startswith(province.issuer) for url in browser.seen)
    assert 'name="username"' in browser.get(f"{province.calendar}/login").text


def test_signing_out_elsewhere_ends_the_session_here(province, browser, other):
    browser.sign_in()
    other.sign_in()
    asked = browser.get(f"{province.issuer}/end_session")
    browser.send(asked)
    deadline = time.monotonic() + 10
    while "Nguyễn Thị Hồng Hạnh" in browser.get(province.calendar).text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "Nguyễn Thị Hồng Hạnh" not in browser.get(province.calendar).text
    assert "Nguyễn Thị Hồng Hạnh" in other.get(province.calendar).text


def test_the_page_speaks_english_when_asked(province, browser):
    assert "Sign in" in browser.get(f"{province.calendar}/?lang=en").text
    assert "Sign in" in browser.get(province.calendar).text


def test_both_languages_have_the_same_words():
    vietnamese, english = (catalogue(language, ("deploy.demo.second_app",)) for language in LANGUAGES)
    assert vietnamese.keys() == english.keys()


def test_answers_are_not_kept_and_run_no_foreign_script(province):
    headers = httpx2.get(province.calendar).headers
    assert headers["cache-control"] == "no-store"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert httpx2.get(f"{province.calendar}/static/calendar.css").status_code == 200


def test_an_issuer_that_is_away_is_told_plainly():
    port = free_port()
    app = second_app.build(f"http://127.0.0.1:{free_port()}", "calendar", "secret", f"http://127.0.0.1:{port}")
    with served(app, port):
        page = httpx2.get(f"http://127.0.0.1:{port}/login")
        told = httpx2.post(f"http://127.0.0.1:{port}/backchannel-logout", data={"logout_token": "x.y.z"})
    assert page.status_code == 503
    assert "Thử lại sau ít phút" in page.text
    assert told.status_code == 400
