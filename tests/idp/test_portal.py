"""My applications, where I am signed in, my password."""

import pytest

from idp.portal.rules import browser_and_system
from tests.idp.conftest import PASSWORD, House
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
)

FRESH = "mot-cau-moi-de-nho"


def home(house: House):  # type: ignore[no-untyped-def]
    browser = house.browser()
    return browser, sign_in(browser, follow(browser, browser.get("/")))


def test_the_portal_asks_for_a_sign_in_of_its_own_and_lists_applications(house: House) -> None:
    _, page = home(house)
    assert page.status_code == 200
    assert 'id="portal-apps"' in page.text
    for app in ("web", "spa", "native", "other"):
        assert f'id="app-{app}"' in page.text
    assert "Nguyễn Thị Hồng Hạnh" in page.text
    assert "máy này" in page.text


def test_other_places_can_be_signed_out_and_this_one_stays(house: House) -> None:
    elsewhere, (browser, _) = house.browser(), home(house)
    got = tokens(house, elsewhere)
    page = browser.get("/")
    assert page.text.count('id="place-') == 2
    page = follow(browser, send_form(browser, page, session="others"))
    assert page.text.count('id="place-') == 1
    assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert elsewhere.get("/").is_redirect


def test_a_session_of_another_person_cannot_be_ended(house: House) -> None:
    other, (browser, page) = house.browser(), home(house)
    sign_in(other, follow(other, other.get("/")), "thienbd", PASSWORD + "2")
    theirs = other.get("/").text.split('id="place-')[1][:26]
    _, hidden = read_form(page)
    answer = browser.post("/sessions/end", data=hidden | {"session": theirs}, headers=OWN_PAGE)
    assert (answer.status_code, 'id="problem-not-found"' in answer.text) == (404, True)
    assert house.acts().count("refused.not-found") == 1
    assert other.get("/").status_code == 200


OFFLINE = {"scope": "openid offline_access", "prompt": "consent"}


def allow(house: House, browser) -> dict:  # type: ignore[no-untyped-def, type-arg]
    """A grant of `web` that outlives its session."""
    page = begin(browser, **OFFLINE)
    page = page if 'id="consent-allow"' in page.text else sign_in(browser, page)
    return exchange(house, answer_of(follow(browser, send_form(browser, page, decision="allow")))["code"]).json()


def test_an_application_that_holds_grants_is_listed_and_they_can_be_taken_back(house: House) -> None:
    browser, page = home(house)
    assert 'id="held"' not in page.text
    got, offline = tokens(house, browser), allow(house, browser)
    page = browser.get("/")
    assert page.text.count('id="held-web"') == 1
    assert "cả khi đã đăng xuất" in page.text
    _, hidden = read_form(page)
    done = browser.post("/apps/end", data=hidden | {"app": "web"}, headers=OWN_PAGE)
    assert 'id="held"' not in follow(browser, done).text
    for one in (got, offline):
        assert renew(house, one["refresh_token"]).json()["error"] == "invalid_grant"
    again = browser.post("/apps/end", data=hidden | {"app": "web"}, headers=OWN_PAGE)
    assert (again.status_code, 'id="consent-allow"' in begin(browser, **OFFLINE).text) == (404, True)


def test_a_grant_that_outlives_the_session_ends_with_a_sign_out_everywhere(house: House) -> None:
    elsewhere, (browser, _) = house.browser(), home(house)
    there, here = allow(house, elsewhere), allow(house, browser)
    page = browser.get("/")
    _, hidden = read_form(page)
    browser.post("/sign-out", data=hidden, headers=OWN_PAGE)
    here = renew(house, here["refresh_token"]).json()
    assert "access_token" in here
    page = sign_in(browser, follow(browser, browser.get("/")))
    _, hidden = read_form(page)
    done = browser.post("/sessions/end", data=hidden | {"session": "everywhere"}, headers=OWN_PAGE)
    assert 'id="signed-out"' in follow(browser, done).text
    for one in (there, here):
        assert renew(house, one["refresh_token"]).json()["error"] == "invalid_grant"
    assert browser.get("/").is_redirect
    assert elsewhere.get("/").is_redirect


def test_signing_out_here(house: House) -> None:
    browser, page = home(house)
    _, hidden = read_form(page)
    assert 'id="signed-out"' in follow(browser, browser.post("/sign-out", data=hidden, headers=OWN_PAGE)).text
    assert browser.get("/").is_redirect


def test_a_new_password_ends_all_other_sessions_and_every_grant(house: House) -> None:
    elsewhere, (browser, _) = house.browser(), home(house)
    there, here = tokens(house, elsewhere), tokens(house, browser)
    page = send_form(browser, browser.get("/password"), current=PASSWORD, fresh=FRESH, again=FRESH)
    assert 'id="password-changed"' in page.text
    for got in (there, here):
        assert renew(house, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert elsewhere.get("/").is_redirect
    assert "code" in answer_of(begin(browser, prompt="none"))
    stranger = house.browser()
    assert name_then_password(stranger, begin(stranger), "hanhnth", PASSWORD).status_code == 401
    stranger = house.browser()
    assert name_then_password(stranger, begin(stranger), "hanhnth", FRESH).status_code == 303
    assert "password.changed" in house.acts()


@pytest.mark.parametrize(
    ("current", "fresh", "again", "field", "code"),
    [
        ("wrong-password-1", FRESH, FRESH, "current", "current-password-wrong"),
        (PASSWORD, FRESH, FRESH + "x", "again", "passwords-differ"),
        (PASSWORD, "ngan", "ngan", "fresh", "password-too-short"),
        (PASSWORD, "hanhnth-12345", "hanhnth-12345", "fresh", "password-is-username"),
        (PASSWORD, "ế" * 400, "ế" * 400, "fresh", "password-too-long"),
    ],
)
def test_a_new_password_is_refused_with_the_reason_at_its_field(
    house: House, current: str, fresh: str, again: str, field: str, code: str
) -> None:
    browser, _ = home(house)
    page = send_form(browser, browser.get("/password"), current=current, fresh=fresh, again=again)
    assert page.status_code == 422
    assert f'data-code="{code}"' in page.text
    assert f'<a href="#{field}">' in page.text
    assert f'id="{field}-why"' in page.text
    assert house.acts().count("password-change.refused") == 1
    again_browser = house.browser()
    assert name_then_password(again_browser, begin(again_browser), "hanhnth", PASSWORD).status_code == 303


def test_guessing_the_current_password_makes_the_account_wait(house: House) -> None:
    browser, _ = home(house)
    page = browser.get("/password")
    for _ in range(5):
        page = send_form(browser, page, current="wrong-password-1", fresh=FRESH, again=FRESH)
    page = send_form(browser, page, current=PASSWORD, fresh=FRESH, again=FRESH)
    assert (page.status_code, "Đã thử sai nhiều lần." in page.text) == (429, True)


def test_pages_of_a_person_need_a_sign_in(house: House) -> None:
    browser = house.browser()
    begin(browser)
    page = browser.get("/password")
    assert (page.status_code, 'id="problem-not-signed-in"' in page.text, 'id="home"' in page.text) == (401, True, True)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML) Chrome/140.0 Safari/537.36", ("Chrome", "Windows")),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", ("Edge", "Windows")),
        ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", ("Safari", "iPad")),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", ("Chrome", "Android")),
        ("curl/8", ("", "")),
    ],
)
def test_a_browser_is_named_in_words_that_people_know(agent: str, words: tuple[str, str]) -> None:
    assert browser_and_system(agent) == words
