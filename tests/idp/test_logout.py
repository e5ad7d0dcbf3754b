"""Sign-out: here, at the applications, and what is told of it."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import parse_qs, quote

import jwt
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from idp.login.sessions import ENDED, end_expired
from idp.oidc.backchannel import EVENT, _post, tell_all
from idp.oidc.models import LogoutNotice, SignOut
from idp.settings import IdpSettings
from shared import clock
from shared.audit import AuditEvent
from shared.jobs import Job, run_due
from tests.idp.conftest import APP, ISSUER, House
from tests.idp.opinions import SecondOpinions
from tests.idp.outside import outside
from tests.idp.walk import answer_of, as_spa, begin, follow, renew, send_form, sign_in, tokens, who

BYE = f"{APP}/bye"


@dataclass
class Receiver:
    """A real application that takes logout tokens."""

    status: int = 200
    delay: float = 0
    heard: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/logout"


@contextmanager
def listening(house: House, receiver: Receiver) -> Iterator[Receiver]:
    """While it listens; afterwards others must agree to what it has heard."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sleep(receiver.delay)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            receiver.heard.append(parse_qs(body)["logout_token"][0])
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    opinions = SecondOpinions(house.app)
    assert all(opinions.agree(token) for token in receiver.heard)


def let_hear(house: House, client_id: str, uri: str) -> None:
    house.change_client(client_id, backchannel_logout_uri=uri)


def sign_out_by(browser: TestClient, **params: str) -> str:
    """Ask for a sign-out that needs no confirmation; the page that tells of it."""
    page = follow(browser, browser.get("/end_session", params=params))
    assert 'id="signed-out"' in page.text, page.text[:1500]
    return page.text


def test_every_application_hears_of_a_sign_out_at_once(house: House) -> None:
    browser = house.browser()
    with listening(house, Receiver()) as web, listening(house, Receiver(status=204)) as spa:
        let_hear(house, "web", web.uri)
        let_hear(house, "spa", spa.uri)
        got = tokens(house, browser)
        as_spa(house, browser)
        page = follow(browser, browser.get("/end_session", params={"id_token_hint": got["id_token"]}))
        assert page.text.count("đã đăng xuất</span>") == 2
        assert (len(web.heard), len(spa.heard)) == (1, 1)
    keys = {key["kid"]: key for key in house.machine().get("/jwks").json()["keys"]}
    for heard, audience in ((web.heard, "web"), (spa.heard, "spa")):
        header = jwt.get_unverified_header(heard[0])
        key = keys[header["kid"]]
        claims = jwt.decode(heard[0], jwt.PyJWK(key), algorithms=[key["alg"]], audience=audience, issuer=ISSUER)
        assert header["typ"] == "logout+jwt"
        assert claims["events"] == {EVENT: {}}
        assert claims["sub"] == house.filled.subject
        assert claims["sid"] == jwt.decode(got["id_token"], options={"verify_signature": False})["sid"]
        assert "nonce" not in claims
        assert {"jti", "iat", "exp"} <= claims.keys()


def test_after_a_sign_out_nothing_of_the_session_works(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    sign_out_by(browser, id_token_hint=got["id_token"])
    assert who(house, got["access_token"]).status_code == 401
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert answer_of(begin(browser, prompt="none"))["error"] == "login_required"
    assert "session.ended" in house.acts()


def test_the_page_waits_two_seconds_at_most_and_tells_who_did_not_answer(house: House) -> None:
    browser = house.browser()
    with listening(house, Receiver(delay=3)) as slow:
        let_hear(house, "web", slow.uri)
        let_hear(house, "spa", "http://127.0.0.1:9/logout")
        got = tokens(house, browser)
        as_spa(house, browser)
        started = monotonic()
        page = sign_out_by(browser, id_token_hint=got["id_token"], client_id="web")
        assert monotonic() - started < 2.9
    assert '<li class="waiting" id="signed-out-spa">' in page
    assert '<li class="out" id="signed-out-web">' in page


def test_who_did_not_answer_is_told_again_by_the_job_and_only_they(house: House) -> None:
    browser = house.browser()
    handlers = {ENDED: partial(tell_all, house.settings)}
    with listening(house, Receiver()) as web, listening(house, Receiver(status=500)) as spa:
        let_hear(house, "web", web.uri)
        let_hear(house, "spa", spa.uri)
        got = tokens(house, browser)
        as_spa(house, browser)
        page = sign_out_by(browser, id_token_hint=got["id_token"])
        assert "chưa trả lời, hệ thống đang thử lại" in page
        due_now(house)
        assert run_due(house.db, handlers) == 0
        spa.status = 200
        due_now(house)
        assert run_due(house.db, handlers) == 1
        assert (len(web.heard), len(spa.heard)) == (1, 3)
    with house.db.read() as tx:
        assert all(notice.delivered_at for notice in tx.query(LogoutNotice))


@pytest.mark.parametrize("limit", ["session_idle", "session_absolute"])
def test_a_session_that_runs_out_is_ended_once_and_every_application_hears_of_it(house: House, limit: str) -> None:
    """So an open socket ends with it, though nobody has signed out: W03 of docs/attacks.md."""
    browser = house.browser()
    with listening(house, Receiver()) as web:
        let_hear(house, "web", web.uri)
        got = tokens(house, browser)
        over = clock.now() + getattr(house.settings, limit) + timedelta(seconds=2)
        assert end_expired(house.db, clock.now(), house.settings) == 0
        assert end_expired(house.db, over, house.settings) == 1
        assert end_expired(house.db, over, house.settings) == 0
        due_now(house)
        assert run_due(house.db, {ENDED: partial(tell_all, house.settings)}) == 1
        assert len(web.heard) == 1
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    with house.db.read() as tx:
        [ended] = tx.scalars(select(AuditEvent).where(AuditEvent.act == "session.ended"))
    assert ended.facts == {"reason": "expired"}


def due_now(house: House) -> None:
    with house.db.write() as tx:
        for job in tx.query(Job):
            job.run_at = job.run_at.replace(year=2020)


def test_an_application_that_cannot_be_told_is_named(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    as_spa(house, browser)
    page = follow(
        browser, browser.get("/end_session", params={"id_token_hint": got["id_token"], "post_logout_redirect_uri": BYE})
    )
    assert "không nhận báo đăng xuất; tự hết quyền sau tối đa 10 phút" in page.text
    assert "refresh" not in page.headers
    assert f'id="continue" href="{BYE}"' in page.text


def test_when_all_is_done_the_page_goes_on_to_the_application_with_its_state(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    params = {"id_token_hint": got["id_token"], "post_logout_redirect_uri": BYE, "state": "s&2"}
    page = follow(browser, browser.get("/end_session", params=params))
    assert page.headers["refresh"] == f"2; url={BYE}?state=s%262"


def test_without_a_hint_the_person_is_asked_first(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    page = browser.get("/end_session", params={"client_id": "web", "post_logout_redirect_uri": BYE, "state": "s"})
    assert 'id="logout-confirm"' in page.text
    assert who(house, got["access_token"]).status_code == 200
    done = follow(browser, send_form(browser, page))
    assert 'id="signed-out"' in done.text
    assert f'href="{BYE}?state=s"' in done.text
    assert who(house, got["access_token"]).status_code == 401


def test_a_changed_hint_is_refused_and_one_of_another_session_asks_first(house: House) -> None:
    browser, other = house.browser(), house.browser()
    mine, theirs = tokens(house, browser), tokens(house, other)["id_token"]
    for hint in (mine["id_token"][:-3] + "AAA", "x", "a.b.c", f"{theirs}\u00e9"):
        answer = browser.get("/end_session", params={"id_token_hint": hint})
        assert (answer.status_code, 'id="problem-logout-request-refused"' in answer.text) == (400, True)
    assert house.acts().count("refused.logout-request-refused") == 4
    assert 'id="logout-confirm"' in browser.get("/end_session", params={"id_token_hint": theirs}).text
    assert browser.get("/end_session").text.count('id="logout-confirm"') == 1
    assert who(house, mine["access_token"]).status_code == 200


def test_a_sign_out_by_post_from_another_site_works_too(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    answer = browser.post("/end_session", data={"id_token_hint": got["id_token"]}, headers={"sec-fetch-site": "cross-site"})
    assert 'id="signed-out"' in follow(browser, answer).text


@pytest.mark.parametrize(
    "params",
    [
        {"post_logout_redirect_uri": BYE},
        {"client_id": "web", "post_logout_redirect_uri": f"{BYE}/"},
        {"client_id": "web", "post_logout_redirect_uri": "https://evil.test/"},
        {"client_id": "nobody"},
        {"client_id": "spa", "id_token_hint": "{hint}", "post_logout_redirect_uri": "https://evil.test/"},
    ],
)
def test_an_address_that_is_not_the_clients_is_refused_and_nobody_signed_out(house: House, params: dict[str, str]) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    answer = browser.get("/end_session", params={name: value.format(hint=got["id_token"]) for name, value in params.items()})
    assert (answer.status_code, 'id="problem-logout-request-refused"' in answer.text) == (400, True)
    assert "location" not in answer.headers
    assert who(house, got["access_token"]).status_code == 200


def test_repeated_parameters_are_refused_at_sign_out_as_well(house: House) -> None:
    answer = house.browser().get("/end_session", params=[("client_id", "web"), ("client_id", "spa")])
    assert (answer.status_code, 'id="problem-logout-request-refused"' in answer.text) == (400, True)


def test_who_is_not_signed_in_is_told_so(house: House) -> None:
    page = house.browser().get("/end_session", params={"client_id": "web", "post_logout_redirect_uri": BYE})
    assert "Không có ứng dụng nào đang mở" in page.text
    assert (page.headers["refresh"], "Họp không giấy" in page.text) == (f"2; url={BYE}", True)
    with house.db.read() as tx:
        assert tx.query(SignOut).count() == 0, "anybody can ask for that, as often as they like"
    unknown = house.browser().get("/signed-out", params={"id": "unknown"})
    assert (unknown.status_code, 'id="problem-sign-out-unknown"' in unknown.text) == (404, True)


def test_an_application_that_hears_through_the_browser_is_framed_and_told_so(house: House) -> None:
    browser = house.browser()
    house.change_client("spa", frontchannel_logout_uri="https://spa.test:8443/front?x=1")
    house.change_client("web", frontchannel_logout_uri="https://evil.test;script-src/front")
    tokens(house, browser)
    as_spa(house, browser)
    page = follow(browser, send_form(browser, browser.get("/end_session")))
    assert "đã báo qua trình duyệt này</span></li>" in page.text
    frames = re.findall(r'<iframe src="([^"]+)"', page.text)
    assert [one.split("&amp;sid=")[0] for one in frames] == [
        f"https://spa.test:8443/front?x=1&amp;iss={quote(ISSUER, safe='')}"
    ]
    policy = page.headers["content-security-policy"]
    assert policy == "default-src 'self'; frame-src https://spa.test:8443; frame-ancestors 'none'; base-uri 'none'"
    house.later(minutes=1)
    again = browser.get(page.request.url)
    assert ("<iframe" in again.text, "frame-src 'none'" in again.headers["content-security-policy"]) == (False, True)


def test_only_the_page_for_session_management_may_be_framed(house: House) -> None:
    browser = house.browser()
    page = browser.get("/check_session")
    assert page.headers["content-security-policy"].endswith("frame-ancestors *")
    assert 'data-cookie="__Host-idp-state"' in page.text
    for path in ("/", "/end_session", "/signed-out?id=x", "/static/check-session.js"):
        assert "frame-ancestors 'none'" in browser.get(path).headers["content-security-policy"]


def test_the_state_of_the_session_stands_in_the_answer_and_is_given_again_where_it_was_lost(house: House) -> None:
    browser = house.browser()
    page = begin(browser)
    known = answer_of(sign_in(browser, page))["session_state"]
    state, salt = browser.cookies["__Host-idp-state"], known.split(".")[1]
    assert known == f"{sha256(f'web {APP} {state} {salt}'.encode()).hexdigest()}.{salt}"
    del browser.cookies["__Host-idp-state"]
    begin(browser)
    assert browser.cookies["__Host-idp-state"] == state
    follow(browser, send_form(browser, browser.get("/end_session")))
    assert "__Host-idp-state" not in browser.cookies


def test_who_registered_themselves_hears_of_it_at_hosts_that_are_allowed_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.oidc.end_session.FIRST_TRY", 30)

    def signs_out() -> None:
        browser = house.browser()
        sign_out_by(browser, id_token_hint=tokens(house, browser)["id_token"])

    house.change_client("web", registration_token_digest="x")
    with listening(house, Receiver()) as inside:
        let_hear(house, "web", inside.uri)
        signs_out()
        object.__setattr__(house.settings, "outbound_hosts", f"127.0.0.1:{inside.port}")
        signs_out()  # without TLS not even then
        assert inside.heard == []
        house.change_client("web", registration_token_digest=None)
        signs_out()
        assert len(inside.heard) == 1


def test_who_registered_themselves_hears_of_it_over_tls(house: House, tmp_path: Path) -> None:
    with outside(tmp_path) as world:
        world.pages["/logout"] = b"{}"
        settings = IdpSettings(**house.settings.model_dump() | {"outbound_hosts": world.netloc, "outbound_ca": str(world.ca)})
        for uri in (world.url("/logout"), "https://localhost/logout", f"http://{world.netloc}/logout"):
            _post(settings, uri, "token", 10, known=False)
        assert world.asked == ["/logout"]


def test_nobody_waits_for_a_byte_at_a_time(house: House) -> None:
    def drip() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                connection.sendall(b"x")
                sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, daemon=True).start()
        began, uri = monotonic(), f"http://127.0.0.1:{server.getsockname()[1]}/logout"
        assert not _post(house.settings, uri, "token", 0.3, known=True)
        assert monotonic() - began < 10
