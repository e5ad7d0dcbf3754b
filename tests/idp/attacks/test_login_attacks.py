"""Attacks on the sign-in, on sessions and on the sign-out.

| attack | here or where |
| --- | --- |
| L01-L09, L11, L15-L19, L21, L22, L24 | here |
| L10, L12, L13 (codes of a second factor) | `tests/idp/test_second_factor.py` |
| L14 (passkeys), L20 (federated sign-in), L15 and L17 for letters (password reset) | the factor does not exist |
| L19 (policy switched off) | there is no self-registration to switch off; clients register with a token only, tested here |
| L23 (what a relying party must check in a logout token) | `tests/deploy/test_logout_token.py`; what ours holds: here |
"""

import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import jwt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, select

from idp.accounts import passwords
from idp.accounts.actions import deactivate
from idp.accounts.models import Account, find_by_username
from idp.login.models import AuthorizationRequest, SignInSession
from idp.login.sessions import end_session
from shared import clock
from tests.idp.conftest import ISSUER, PASSWORD, House, Template, build, copy_of, settings_for
from tests.idp.test_logout import BYE, Receiver, let_hear, listening
from tests.idp.walk import (
    OWN_PAGE,
    answer_of,
    begin,
    exchange,
    follow,
    name_then_password,
    read_form,
    renew,
    send_form,
    sign_in,
    tokens,
    who,
)

ROOT = Path(__file__).parents[3]
FORM = OWN_PAGE | {"content-type": "application/x-www-form-urlencoded"}
SID = {"verify_signature": False}


@pytest.fixture
def house(template: Template, tmp_path: Path) -> Iterator[House]:
    """A fresh one for each: tries are counted here."""
    with copy_of(template.url, tmp_path) as url:
        app = build(settings_for(url))
        yield House(app, settings_for(url), template.filled)
        app.state.db.close()


def sid_of(got: dict[str, str]) -> str:
    return str(jwt.decode(got["id_token"], options=SID)["sid"])


def test_l01_a_sign_in_that_another_browser_began_cannot_be_gone_on_with(house: House) -> None:
    attacker, victim = house.browser(), house.browser()
    link = begin(attacker).request.url
    begin(victim)
    for address in (link, str(link).replace("/login", "/login/password"), str(link).replace("/login", "/authorize")):
        answer = victim.get(address)
        assert (answer.status_code, 'id="problem-request-unknown"' in answer.text) == (404, True)
    planted = "a" * 43
    victim.cookies.set("__Host-idp", planted)
    tokens(house, victim)
    attacker.cookies.set("__Host-idp", planted)
    assert attacker.get("/").is_redirect


def test_l02_the_next_person_in_the_same_browser_gets_a_session_of_their_own(house: House) -> None:
    browser = house.browser()
    before = tokens(house, browser, scope="openid offline_access", prompt=None)
    stale = dict(browser.cookies)
    page = begin(browser, prompt="login")
    code = answer_of(sign_in(browser, page, "thienbd", PASSWORD + "2"))["code"]
    after = exchange(house, code).json()
    assert sid_of(after) != sid_of(before)
    renewed = renew(house, after["refresh_token"]).json()
    assert jwt.decode(renewed["id_token"], options=SID)["sub"] == jwt.decode(after["id_token"], options=SID)["sub"]
    assert jwt.decode(after["id_token"], options=SID)["sub"] != house.filled.subject
    old = house.browser()
    old.cookies.update(stale)
    assert old.get("/").is_redirect


@pytest.mark.parametrize("step", ["/login", "/login/password"])
@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}, {"origin": "null"}])
def test_l03_credentials_of_an_attacker_sent_from_another_site_are_not_taken(
    house: House, step: str, headers: dict[str, str]
) -> None:
    browser = house.browser()
    action, hidden = read_form(begin(browser))
    data = hidden | {"username": "thienbd", "password": PASSWORD + "2"}
    answer = browser.post(action.replace("/login", step), data=data, headers=headers)
    assert (answer.status_code, 'id="problem-cross-site"' in answer.text) == (403, True)
    assert house.acts()[-1] == "refused.cross-site"
    assert "__Host-idp" not in browser.cookies


def test_l04_no_step_is_passed_by_an_empty_a_missing_or_an_early_form(house: House) -> None:
    browser = house.browser()
    page = begin(browser)
    action, hidden = read_form(page)
    later = action.replace("/login", "/login/password")
    for address, fields in (
        (action, {}),
        (action, {"username": ""}),
        (later, {}),
        (later, {"password": ""}),
        (later, {"password": PASSWORD}),
        (later, {"username": "hanhnth", "password": PASSWORD}),
    ):
        answer = browser.post(address, data=hidden | fields, headers=OWN_PAGE)
        assert answer.status_code in (401, 422, 429), address
        assert follow(browser, browser.get(action.replace("/login", "/authorize"))).status_code == 200
    twice = browser.post(
        action, content=b"username=a&username=hanhnth&form_token=" + hidden["form_token"].encode(), headers=FORM
    )
    assert (twice.status_code, "refused.authorization-request-refused" in house.acts()) == (400, True)
    assert "__Host-idp" not in browser.cookies


def test_l04_the_answer_to_a_repeated_password_is_one_sign_in_only(house: House) -> None:
    browser = house.browser()
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    first = send_form(browser, page, password=PASSWORD)
    assert "code" in answer_of(follow(browser, first))
    again = send_form(browser, page, password=PASSWORD)
    assert (again.status_code, 'id="problem-request-expired"' in again.text) == (400, True)


@pytest.mark.parametrize("value", ["203.0.113.9", ", ".join(["10.0.0.1"] * 1000), "fe80::1%eth0", "", "127.0.0.1"])
def test_l05_a_forwarded_address_buys_no_further_try(house: House, value: str) -> None:
    browser = house.browser()
    browser.headers["x-forwarded-for"] = value
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    found = []
    for number in range(6):
        browser.headers["x-forwarded-for"] = f"{value}{number}"
        found.append(send_form(browser, page, password="wrong-password-1").status_code)
    assert found == [401] * 4 + [429] * 2


@pytest.mark.parametrize("cookie", ["", "x", "f" * 43, "f" * 5000, "é" * 43, '"', "f" * 43 + "; __Host-idp={mine}", "{mine}x"])
def test_l06_a_broken_session_cookie_is_nobody_and_no_fault(house: House, cookie: str) -> None:
    browser = house.browser()
    tokens(house, browser)
    sent = cookie.replace("{mine}", "0" * 43)
    for path in ("/", "/password", "/authorize?request=x", "/end_session"):
        answer = house.browser().get(path, headers={"cookie": f"__Host-idp={sent}".encode()})
        assert answer.status_code < 500
        assert "Nguyễn" not in answer.text


def test_l07_a_session_that_an_administrator_ends_is_dead_at_the_next_request(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    assert browser.get("/").status_code == 200
    with house.db.write() as tx:
        end_session(tx, clock.now(), tx.get_one(SignInSession, sid_of(got)), reason="by-administrator")
    assert browser.get("/").is_redirect
    assert who(house, got["access_token"]).status_code == 401
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert answer_of(begin(browser, prompt="none"))["error"] == "login_required"


def test_l07_a_closed_account_is_dead_at_the_next_request(house: House) -> None:
    browser = house.browser()
    got, code = tokens(house, browser), answer_of(begin(browser))["code"]
    with house.db.write() as tx:
        deactivate(tx, clock.now(), tx.get_one(Account, house.filled.subject))
    assert browser.get("/").is_redirect
    assert who(house, got["access_token"]).status_code == 401
    assert exchange(house, code).json()["error"] == "invalid_grant"
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    stranger = house.browser()
    assert name_then_password(stranger, begin(stranger), "hanhnth", PASSWORD).status_code == 401


def test_l08_the_session_of_another_person_does_not_exist(house: House) -> None:
    mine, theirs = house.browser(), house.browser()
    page = sign_in(mine, follow(mine, mine.get("/")))
    sign_in(theirs, follow(theirs, theirs.get("/")), "thienbd", PASSWORD + "2")
    with house.db.read() as tx:
        foreign = tx.scalars(select(SignInSession.id).where(SignInSession.account_id != house.filled.subject)).one()
    for session in (foreign, "x", ""):
        answer = mine.post("/sessions/end", data=read_form(page)[1] | {"session": session}, headers=OWN_PAGE)
        assert answer.status_code == (404 if session else 303)
    assert theirs.get("/").status_code == 200


def test_l09_what_the_token_says_of_the_sign_in_is_what_happened(house: House) -> None:
    claims = jwt.decode(tokens(house, house.browser(), acr_values="urn:dienhong:acr:any")["id_token"], options=SID)
    assert (claims["acr"], claims["amr"]) == ("urn:dienhong:acr:password", ["pwd"])


def test_l11_a_sign_in_begun_before_the_account_had_to_wait_waits_as_well(house: House) -> None:
    begun, guessing = house.browser(), house.browser()
    page = follow(begun, send_form(begun, begin(begun), username="hanhnth"))
    wrong = follow(guessing, send_form(guessing, begin(guessing), username="hanhnth"))
    for _ in range(5):
        send_form(guessing, wrong, password="wrong-password-1")
    assert send_form(begun, page, password=PASSWORD).status_code == 429


@pytest.mark.parametrize("path", ["/", "/login", "/authorize?client_id=web", "/.well-known/openid-configuration", "/nowhere"])
@pytest.mark.parametrize(
    "host", ["evil.test", "id.example.test.evil.test", "id.example.test:444", "", "id.example.test@evil.test"]
)
def test_l15_a_foreign_host_is_answered_nothing(house: House, path: str, host: str) -> None:
    answer = house.browser().get(path, headers={"host": host})
    assert (answer.status_code, 'id="problem-misdirected"' in answer.text) == (421, True)
    assert "location" not in answer.headers


@pytest.mark.parametrize("name", ["x-forwarded-host", "forwarded", "x-original-url", "x-rewrite-url", "x-forwarded-proto"])
def test_l15_forwarding_headers_change_no_address(house: House, name: str) -> None:
    browser = house.browser()
    headers = {name: "host=evil.test" if name == "forwarded" else "evil.test"}
    assert "evil.test" not in browser.get("/.well-known/openid-configuration", headers=headers).text
    page = follow(browser, browser.get("/", headers=headers))
    assert ("evil.test" in page.text, ISSUER in page.text) == (False, True)
    assert house.machine().get("/healthz", headers={"host": "10.0.0.7:8080"}).text == "ok"


def test_l16_what_is_past_its_time_is_refused_though_nobody_has_swept_it(house: House) -> None:
    browser = house.browser()
    page, signed_in = begin(browser), house.browser()
    code = answer_of(sign_in(signed_in, begin(signed_in)))["code"]
    house.later(hours=13)
    late = send_form(browser, page, username="hanhnth")
    assert (late.status_code, 'id="problem-request-expired"' in late.text) == (400, True)
    assert signed_in.get("/").is_redirect
    assert exchange(house, code).json()["error"] == "invalid_grant"
    with house.db.read() as tx:
        assert tx.query(AuthorizationRequest).count() >= 2


def people(house: House) -> list[str]:
    """A known one, one whose account is closed, one without a password, one whose hash is no hash, and nobody."""
    with house.db.write() as tx:
        known = find_by_username(tx, "thienbd")
        assert known
        for name, hashed in (("closed", known.password_hash), ("without", ""), ("federated", "!")):
            columns = {c.key: getattr(known, c.key) for c in Account.__table__.columns}
            tx.add(Account(**columns | {"id": name, "username": name, "password_hash": hashed, "active": name != "closed"}))
    return ["hanhnth", "closed", "without", "federated", "nobody", "nobody.else"]


class Counting:
    """Argon2 itself, which says when it is asked."""

    def __init__(self, hasher: PasswordHasher, counted: list[str]) -> None:
        self.hasher, self.counted = hasher, counted

    def verify(self, stored: str, typed: str) -> bool:
        if stored.startswith("$argon2id$"):  # what is no hash is not computed, and the next one is
            self.counted.append("hash")
        return self.hasher.verify(stored, typed)

    def __getattr__(self, name: str) -> object:
        return getattr(self.hasher, name)


@pytest.mark.parametrize("password", ["wrong-password-1", ""])
def test_l17_nothing_tells_who_has_an_account(house: House, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same status, headers and body, after as many statements and as many hashes; tests/bench compares the time."""
    counted: list[str] = []
    listen = ("before_cursor_execute", lambda _c, _cursor, text, *_rest: counted.append(text))
    event.listen(house.db.engine, *listen)
    monkeypatch.setattr(passwords, "_hasher", Counting(passwords._hasher, counted))
    found = []
    for name in people(house):
        browser = house.browser()
        page = follow(browser, send_form(browser, begin(browser), username=name))
        counted.clear()
        answers = [send_form(browser, page, password=password) for _ in range(6)]
        told = [(one.status_code, sorted(set(one.headers) - {"x-request-id"}), plain(one.text, name)) for one in answers]
        found.append(
            (told, [statement for statement in counted if "audit" not in statement and "FROM client" not in statement])
        )
    event.remove(house.db.engine, *listen)
    assert [told for told, _ in found] == [found[0][0]] * len(found)
    assert [did for _, did in found] == [found[0][1]] * len(found)
    assert found[0][1].count("hash") == 5


def plain(page: str, name: str) -> str:
    return re.sub(r"[0-9a-f]{64}|[a-z0-9]{26}", "*", page.replace(name, "NAME"))


@pytest.mark.parametrize(
    ("password", "status"),
    [("x" * 1025, 422), ("ế" * 600, 422), ("x" * 60_000, 400), ("x" * 1_000_000, 413), (PASSWORD + "\0", 400)],
)
def test_l18_what_cannot_be_a_password_is_refused_before_hashing(
    house: House, password: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("hashed")

    browser = house.browser()
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    monkeypatch.setattr(passwords, "_prove", never)
    assert send_form(browser, page, password=password).status_code == status


def test_l18_one_password_however_it_was_composed_and_none_that_is_nearly_it(house: House) -> None:
    chosen = "một-câu-dễ-nhớ-ế"
    with house.db.write() as tx:
        tx.get_one(Account, house.filled.subject).password_hash = passwords.hash_password(unicodedata.normalize("NFD", chosen))
    for typed, status in (
        (unicodedata.normalize("NFC", chosen), 303),
        (unicodedata.normalize("NFD", chosen), 303),
        (f" {chosen}", 401),
        (f"{chosen} ", 401),
        (chosen.replace("ế", "e"), 401),
        (chosen[:-1], 401),
    ):
        browser = house.browser()
        assert name_then_password(browser, begin(browser), "hanhnth", typed).status_code == status, typed


def test_l19_nobody_makes_an_account_and_nobody_registers_a_client_without_a_token(house: House) -> None:
    for path in ("/accounts", "/signup", "/users", "/api/accounts"):
        assert house.machine().post(path, json={}).status_code == 404
    assert house.machine().post("/register", json={"redirect_uris": ["https://a.test/cb"]}).status_code == 401


def test_l21_without_asserts_the_checks_hold_all_the_same(tmp_path: Path) -> None:
    script = "tests.idp.attacks.without_asserts"
    done = subprocess.run([sys.executable, "-O", "-m", script, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["401", "403", "invalid_client", "invalid_grant", "401", "303"]), (
        done.stderr
    )


def test_l22_a_picture_signs_nobody_out(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    picture = {"sec-fetch-dest": "image", "sec-fetch-site": "cross-site"}
    page = browser.get("/end_session", params={"id_token_hint": got["id_token"]}, headers=picture)
    assert 'id="logout-confirm"' in page.text
    without_cookies = house.browser().get("/end_session", params={"id_token_hint": got["id_token"]}, headers=picture)
    assert "set-cookie" not in without_cookies.headers
    assert browser.post("/end_session/confirm", data={}, headers=picture).status_code == 403
    assert browser.get("/").status_code == 200
    assert who(house, got["access_token"]).status_code == 200


def test_l22_a_hint_that_names_another_person_asks_first(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    asked = {"id_token_hint": got["id_token"], "ui_locales": "en"}
    page = browser.get("/end_session", params=asked | {"logout_hint": "thienbd"})
    assert ('id="logout-confirm"' in page.text, "Sign out of Diên Hồng?" in page.text) == (True, True)
    done = follow(browser, browser.get("/end_session", params=asked | {"logout_hint": "hanhnth"}))
    assert ('id="signed-out"' in done.text, 'lang="en"' in done.text) == (True, True)


def test_l24_a_slow_application_holds_up_one_person_at_most_and_only_for_two_seconds(house: House) -> None:
    with listening(house, Receiver(delay=4)) as slow:
        let_hear(house, "web", slow.uri)
        spans = []
        for _ in range(4):
            browser = house.browser()
            got = tokens(house, browser)
            started = monotonic()
            page = follow(browser, browser.get("/end_session", params={"id_token_hint": got["id_token"]}))
            spans.append(monotonic() - started)
            assert '<li class="out"' in page.text  # who asked has done its own part
            assert BYE not in page.text
    assert spans[0] < 3.9
    assert min(spans[1:]) < 1.5  # the quickest of three, for a machine that has other work
