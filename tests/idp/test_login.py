"""User name and password: what a stranger can and cannot learn or do."""

import re
import threading

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from idp.accounts import passwords
from idp.accounts.actions import deactivate
from idp.accounts.models import Account, find_by_username
from idp.login.models import SignInSession
from shared import clock
from shared.ids import digest
from tests.idp.conftest import PASSWORD, House
from tests.idp.walk import (
    OWN_PAGE,
    answer_of,
    begin,
    follow,
    name_then_password,
    read_form,
    send_form,
    sign_in,
    tokens,
    who,
)


def without_what_differs(page: str, name: str) -> str:
    page = page.replace(name, "NAME")
    return re.sub(r"request=[a-z0-9]{26}|value=\"[0-9a-f]{64}\"|[a-z0-9]{26}", "*", page)


def test_known_and_unknown_and_closed_names_get_the_same_pages(house: House) -> None:
    with house.db.write() as tx:
        account = find_by_username(tx, "thienbd")
        assert account
        deactivate(tx, clock.now(), account)
    seen = []
    for name in ("hanhnth", "nobody1", "thienbd"):
        browser = house.browser()
        page = follow(browser, send_form(browser, begin(browser), username=name))
        pages = [page]
        for _ in range(6):
            page = send_form(browser, page, password="wrong-password-1")
            pages.append(page)
        seen.append([(one.status_code, without_what_differs(one.text, name)) for one in pages])
    assert seen[0] == seen[1] == seen[2]
    assert "Nguyễn" not in seen[0][1][1]


def test_tries_are_counted_then_the_account_waits_longer_and_longer(house: House) -> None:
    browser = house.browser()
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    for left in (4, 3, 2, 1):
        page = send_form(browser, page, password="wrong-password-1")
        assert page.status_code == 401
        assert f"Còn {left} lần thử." in page.text
        assert "<title>Lỗi:" in page.text
        assert 'id="error-summary" data-code="wrong-password" role="alert" tabindex="-1" autofocus' in page.text
    page = send_form(browser, page, password="wrong-password-1")
    assert (page.status_code, page.headers["retry-after"]) == (429, "60")
    assert 'data-code="account-waits"' in page.text
    page = send_form(browser, page, password=PASSWORD)
    assert page.status_code == 429
    house.later(seconds=61)
    page = send_form(browser, page, password="wrong-password-1")
    assert (page.status_code, page.headers["retry-after"]) == (429, "120")
    house.later(minutes=4)
    assert send_form(browser, page, password=PASSWORD).status_code == 303
    again = house.browser()
    assert "Còn 4 lần thử." in name_then_password(again, begin(again), "hanhnth", "wrong-password-1").text
    assert "sign-in.refused" in house.acts()


def test_failures_are_forgotten_after_an_hour(house: House) -> None:
    browser = house.browser()
    page = name_then_password(browser, begin(browser), "hanhnth", "wrong-password-1")
    house.later(minutes=61)
    page = begin(browser)
    assert "Còn 4 lần thử." in name_then_password(browser, page, "hanhnth", "wrong-password-1").text


def test_an_empty_user_name_is_asked_for_again(house: House) -> None:
    browser = house.browser()
    page = send_form(browser, begin(browser), username="  ")
    assert (page.status_code, 'data-code="username-missing"' in page.text) == (422, True)


def test_the_password_page_cannot_be_reached_without_a_name(house: House) -> None:
    browser = house.browser()
    page = begin(browser)
    straight = browser.get("/login/password", params={"request": page.request.url.params["request"]})
    assert straight.headers["location"].startswith("/authorize")
    action, hidden = read_form(page)
    forced = browser.post(action.replace("/login", "/login/password"), data=hidden | {"password": ""}, headers=OWN_PAGE)
    assert forced.status_code == 401


def test_a_name_is_shown_only_on_a_device_that_has_signed_in(house: House) -> None:
    browser = house.browser()
    tokens(house, browser)
    page = begin(browser, prompt="login")
    assert 'value="hanhnth"' in page.text
    assert "Nguyễn Thị Hồng Hạnh" in follow(browser, send_form(browser, page, username="HanhNTH ")).text
    stranger = house.browser()
    page = follow(stranger, send_form(stranger, begin(stranger), username="hanhnth"))
    assert "Nguyễn Thị Hồng Hạnh" not in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.test"},
        {"origin": "null"},
    ],
)
def test_a_form_from_another_site_is_refused(house: House, headers: dict[str, str]) -> None:
    browser = house.browser()
    action, hidden = read_form(begin(browser))
    answer = browser.post(action, data=hidden | {"username": "hanhnth"}, headers=headers)
    assert (answer.status_code, 'id="problem-cross-site"' in answer.text) == (403, True)


def test_a_form_without_its_own_token_is_refused(house: House) -> None:
    browser, other = house.browser(), house.browser()
    action, _ = read_form(begin(browser))
    _, foreign = read_form(begin(other))
    for fields in ({}, foreign, {"form_token": "é"}):
        assert browser.post(action, data=fields | {"username": "hanhnth"}, headers=OWN_PAGE).status_code == 403


def test_the_cookie_is_new_at_sign_in_locked_down_and_stored_as_a_digest(house: House) -> None:
    browser = house.browser()
    browser.cookies.set("__Host-idp", "f" * 43)
    answer = name_then_password(browser, begin(browser), "hanhnth", PASSWORD)
    cookie, state = answer.headers.get_list("set-cookie")
    assert answer.status_code == 303
    assert re.match(r"__Host-idp=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure$", cookie)
    assert re.match(r"__Host-idp-state=[0-9a-f]{32}; Path=/; SameSite=none; Secure$", state)
    token = cookie.split("=")[1].split(";")[0]
    with house.db.read() as tx:
        assert tx.scalars(select(SignInSession.digest)).all() == [digest(token)]


@pytest.mark.parametrize("cookie", ["", "x", "f" * 43, "f" * 5000, "é" * 43])
def test_a_broken_session_cookie_is_nobody(house: House, cookie: str) -> None:
    answer = house.browser().get("/", headers={"cookie": f"__Host-idp={cookie}".encode()})
    assert answer.headers["location"].startswith("/authorize")


def test_another_person_in_the_same_browser_gets_another_session(house: House) -> None:
    browser = house.browser()
    first = tokens(house, browser)
    answer = sign_in(browser, begin(browser, prompt="login"), "thienbd", PASSWORD + "2")
    assert "code" in answer_of(answer)
    assert who(house, first["access_token"]).status_code == 401
    with house.db.read() as tx:
        sessions = tx.scalars(select(SignInSession)).all()
    assert [session.ended_at is None for session in sorted(sessions, key=lambda one: one.auth_time)] == [False, True]


def test_when_too_many_wait_the_try_is_not_counted(house: House) -> None:
    taken = passwords.AT_ONCE + passwords.WAITING
    for _ in range(taken):
        passwords._queue.acquire()
    try:
        browser = house.browser()
        page = name_then_password(browser, begin(browser), "hanhnth", "wrong-password-1")
        assert (page.status_code, page.headers["retry-after"]) == (503, "20")
        assert 'data-code="sign-in-busy"' in page.text
    finally:
        for _ in range(taken):
            passwords._queue.release()
    assert "Còn 4 lần thử." in send_form(browser, page, password="wrong-password-1").text


def test_parallel_guesses_get_no_more_tries_than_guesses_in_a_row(house: House) -> None:
    browser = house.browser()
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(send_form(browser, page, password="wrong").status_code))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [401] * 4 + [429] * 8


def test_an_old_hash_is_made_anew_at_sign_in(
    house: House, quick_passwords: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = passwords.hash_password(PASSWORD)
    monkeypatch.setattr(passwords, "_hasher", quick_passwords)
    with house.db.write() as tx:
        account = find_by_username(tx, "hanhnth")
        assert account
        account.password_hash = weak
    tokens(house, house.browser())
    with house.db.read() as tx:
        stored = tx.scalars(select(Account.password_hash).where(Account.username == "hanhnth")).one()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_of_a_megabyte_is_refused_before_hashing(house: House) -> None:
    browser = house.browser()
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    assert send_form(browser, page, password="x" * 2000).status_code == 422
    assert send_form(browser, page, password="x" * 1_000_000).status_code == 413


@pytest.mark.parametrize("left_open", ["username", "password"])
def test_a_form_left_open_while_another_tab_signs_in_goes_on(house: House, left_open: str) -> None:
    browser = house.browser()
    form = begin(browser)
    if left_open == "password":
        form = follow(browser, send_form(browser, form, username="hanhnth"))
    tokens(house, browser)
    answer = send_form(browser, form, **{left_open: "hanhnth" if left_open == "username" else "what was typed by then"})
    assert "code" in answer_of(follow(browser, answer))
    assert "sign-in.refused" not in house.acts()


def test_a_form_left_open_in_which_another_person_is_named_asks_for_their_password(house: House) -> None:
    browser = house.browser()
    form = begin(browser)
    tokens(house, browser)
    page = follow(browser, send_form(browser, form, username="thienbd"))
    assert 'name="password"' in page.text
    assert "code" in answer_of(follow(browser, send_form(browser, page, password=PASSWORD + "2")))
