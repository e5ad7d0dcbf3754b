"""Story 1: one login for the portal and two applications, and one sign-out that ends them all."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.flows.browser import Screen


@pytest.fixture
def secretary(browser, demo) -> Iterator[Screen]:
    screen = Screen(browser, demo).sign_in("secretary", at=demo.facts["issuer"])
    yield screen
    screen.close()


def test_one_login_opens_the_portal_and_both_applications_and_one_logout_ends_all(secretary, demo):
    page = secretary.page
    expect(page.locator("#portal-apps")).to_be_visible()
    for app in ("meetings-web", "calendar"):
        expect(page.locator(f"#app-{app}")).to_be_visible()
    secretary.check("dark", "en")
    page.get_by_role("link", name="Đổi mật khẩu").click()
    secretary.check("dark")
    secretary.go("/")
    expect(page.get_by_text("Kỳ họp thứ 4").first).to_be_visible()
    page.goto(demo.facts["calendar"])
    page.get_by_role("link", name="Đăng nhập").click()
    expect(page.get_by_text("hanhnth").first).to_be_visible()
    page.goto(demo.facts["issuer"])
    page.locator("#sign-out").click()
    if page.locator("#logout-confirm").count():
        page.locator("#logout-confirm").click()
    expect(page.locator("#signed-out")).to_be_visible()
    for app in ("meetings-web", "calendar"):
        expect(page.locator(f"#signed-out-{app}")).to_be_visible()
    secretary.check("dark")
    page.goto(demo.facts["calendar"] + "/login")
    expect(page.locator("#username")).to_be_visible()
    secretary.go("/")
    expect(page.locator("#username")).to_be_visible()
    assert secretary.faults == []


def test_a_wrong_password_says_so_in_words_and_keeps_the_name(browser, demo):
    screen = Screen(browser, demo, "portrait")
    screen.page.goto(demo.facts["issuer"] + "/authorize?client_id=nobody")
    screen.check("dark", "en")
    screen.page.goto(demo.facts["issuer"])
    assert screen.small() == []
    screen.check("dark", "en")
    screen.answer_sign_in(demo.people("member")[20], "không phải mật khẩu này")
    expect(screen.page.locator("#error-summary")).to_be_focused()
    assert screen.small() == []
    assert screen.page.title().startswith("Lỗi:")
    screen.check("dark")
    screen.close()
