"""Second factors: enrolled in the portal, asked for at each sign-in, guessed by nobody, used once."""

import re
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from httpx2 import Response
from jose import jwt as second_opinion
from starlette.testclient import TestClient

from idp.accounts.actions import deactivate, set_password
from idp.accounts.models import Account
from idp.login.totp import PERIOD, address, code_at, matching_step
from shared import clock
from tests.idp.conftest import PASSWORD, House
from tests.idp.walk import OWN_PAGE, answer_of, begin, exchange, follow, name_then_password, read_form, send_form, sign_in

ACR = "urn:dienhong:acr:two-factor"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        *((59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert code_at(b"12345678901234567890", seconds // PERIOD) == code  # RFC 6238, appendix B


def test_a_clock_may_be_wrong_by_one_step_and_no_more() -> None:
    secret, now = b"12345678901234567890", datetime(2026, 12, 9, 8, 0, tzinfo=UTC)
    step = int(now.timestamp()) // PERIOD
    found = [matching_step(secret, code_at(secret, step + off), now) for off in (-2, -1, 0, 1, 2)]
    assert found == [None, step - 1, step, step + 1, None]


def test_the_address_names_issuer_and_person() -> None:
    text = address(b"12345678901234567890", "hanhnth", "Diên Hồng")
    assert text.startswith(
        "otpauth://totp/Di%C3%AAn%20H%E1%BB%93ng%3Ahanhnth?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Di"
    )


class Telephone:
    """An authenticator application: shows the code of an instant."""

    def __init__(self, page: str) -> None:
        readable = re.search(r'id="factor-secret"[^>]*>([A-Z2-7 ]+)<', page)
        assert readable
        self.secret = b32decode(readable[1].replace(" ", ""))

    def code(self, house: House, steps: int = 0) -> str:
        now = house.app.dependency_overrides.get(clock.now, clock.now)()
        return code_at(self.secret, int(now.timestamp()) // PERIOD + steps)


def post(browser: TestClient, path: str, **fields: str) -> Response:
    hidden = read_form(browser.get("/password"))[1]
    return follow(browser, browser.post(path, data=hidden | fields, headers=OWN_PAGE))


def enrol(house: House) -> tuple[TestClient, Telephone, list[str]]:
    """Sign in, add the factor; the browser, the telephone and the recovery codes."""
    house.later(seconds=0)  # the clock stands still, so that no step ends between showing a code and typing it
    browser = house.browser()
    sign_in(browser, follow(browser, browser.get("/")))
    page = post(browser, "/second-factor/begin")
    assert "<svg" in page.text
    telephone = Telephone(page.text)
    page = post(browser, "/second-factor/confirm", code=telephone.code(house, -1))
    assert 'id="factor-added"' in page.text
    return browser, telephone, re.findall(r"<li><b>([0-9A-Z-]{11})</b></li>", page.text)


def to_code(house: House, **changes: str) -> tuple[TestClient, Response]:
    """A new browser, as far as the page that asks for the code."""
    browser = house.browser()
    page = sign_in(browser, begin(browser, **changes))
    assert 'name="code"' in page.text
    return browser, page


def give(browser: TestClient, page: Response, code: str) -> Response:
    return follow(browser, send_form(browser, page, code=code))


def test_with_a_factor_the_password_alone_signs_nobody_in(house: House) -> None:
    _, telephone, codes = enrol(house)
    assert len(codes) == 10
    browser, page = to_code(house)
    assert "idp" not in {name.removeprefix("__Host-") for name in browser.cookies}  # no session at all, in no sense
    assert 'name="username"' in follow(browser, browser.get("/")).text
    claims = exchange(house, answer_of(give(browser, page, telephone.code(house)))["code"]).json()
    told = second_opinion.get_unverified_claims(claims["id_token"])
    assert (told["acr"], told["amr"]) == (ACR, ["pwd", "otp"])
    assert begin(browser, prompt="none").headers["location"].count("code=") == 1


def test_enrolling_raises_this_session_and_ends_those_begun_by_the_password_alone(house: House) -> None:
    elsewhere = house.browser()
    sign_in(elsewhere, follow(elsewhere, elsewhere.get("/")))
    browser, _, _ = enrol(house)
    answer = exchange(house, answer_of(begin(browser))["code"]).json()
    assert second_opinion.get_unverified_claims(answer["id_token"])["acr"] == ACR
    assert 'name="username"' in follow(elsewhere, elsewhere.get("/")).text


def test_a_secret_that_was_never_confirmed_counts_for_nothing(house: House) -> None:
    browser = house.browser()
    sign_in(browser, follow(browser, browser.get("/")))
    page = post(browser, "/second-factor/begin")
    assert 'data-code="wrong-code"' in post(browser, "/second-factor/confirm", code="000000").text
    assert Telephone(page.text).secret
    other = house.browser()
    assert "code" in answer_of(sign_in(other, begin(other)))


def test_a_code_counts_once_also_at_the_same_instant(house: House) -> None:
    _, telephone, _ = enrol(house)
    pages = [to_code(house) for _ in range(4)]
    code = telephone.code(house)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: give(*one, code), pages))
    assert sum(answer.is_redirect for answer in answers) == 1
    assert sum('data-code="wrong-code"' in answer.text for answer in answers) == 3


def test_five_wrong_codes_in_any_number_of_sessions_close_the_factor(house: House) -> None:
    _, telephone, codes = enrol(house)
    for _ in range(5):
        browser, page = to_code(house)
        assert 'data-code="wrong-code"' in give(browser, page, "000000").text
    browser, page = to_code(house)
    for code in (telephone.code(house), codes[0]):
        refused = give(browser, page, code)
        assert refused.status_code == 429
    house.later(minutes=15)
    browser, page = to_code(house)
    assert give(browser, page, telephone.code(house)).is_redirect
    assert house.acts().count("second-factor.refused") == 5 + 2


def test_a_recovery_code_is_good_for_one_sign_in(house: House) -> None:
    _, _, codes = enrol(house)
    browser, page = to_code(house)
    assert give(browser, page, codes[3].lower()).is_redirect
    browser, page = to_code(house)
    assert 'data-code="wrong-code"' in give(browser, page, codes[3]).text
    assert give(browser, page, codes[4]).is_redirect
    assert house.acts().count("recovery-code.used") == 2


def test_another_persons_recovery_code_is_worth_nothing(house: House) -> None:
    _, _, codes = enrol(house)
    browser = house.browser()
    sign_in(browser, follow(browser, browser.get("/")), "thienbd", PASSWORD + "2")
    telephone = Telephone(post(browser, "/second-factor/begin").text)
    post(browser, "/second-factor/confirm", code=telephone.code(house, -1))
    other = house.browser()
    page = sign_in(other, begin(other), "thienbd", PASSWORD + "2")
    assert 'data-code="wrong-code"' in give(other, page, codes[0]).text


def test_new_recovery_codes_kill_the_old_ones(house: House) -> None:
    browser, telephone, codes = enrol(house)
    page = post(browser, "/second-factor/codes", code=telephone.code(house))
    assert 'id="factor-codes"' in page.text
    fresh = re.findall(r"<li><b>([0-9A-Z-]{11})</b></li>", page.text)
    assert len(fresh) == 10
    assert not set(fresh) & set(codes)
    other, page = to_code(house)
    assert 'data-code="wrong-code"' in give(other, page, codes[0]).text
    assert give(other, page, fresh[0]).is_redirect


def test_it_is_removed_only_with_a_code(house: House) -> None:
    browser, telephone, _ = enrol(house)
    assert 'data-code="wrong-code"' in post(browser, "/second-factor/remove", code="000000").text
    assert 'id="factor-removed"' in post(browser, "/second-factor/remove", code=telephone.code(house)).text
    other = house.browser()
    assert "code" in answer_of(sign_in(other, begin(other)))
    assert "second-factor.removed" in house.acts()


def test_beginning_anew_never_replaces_a_factor_that_counts(house: House) -> None:
    browser, telephone, _ = enrol(house)
    assert 'id="factor-on"' in post(browser, "/second-factor/begin").text
    assert 'data-code="wrong-code"' in post(browser, "/second-factor/confirm", code=telephone.code(house)).text
    other, page = to_code(house)
    assert give(other, page, telephone.code(house)).is_redirect


def test_a_session_that_was_left_open_is_not_enough_to_enrol(house: House) -> None:
    browser = house.browser()
    sign_in(browser, follow(browser, browser.get("/")))
    house.later(minutes=16)
    for path in ("begin", "confirm", "codes", "remove"):
        assert 'name="username"' in post(browser, f"/second-factor/{path}", code="000000").text
    page = follow(browser, browser.get("/second-factor"))
    assert 'id="factor-off"' in sign_in(browser, page).text
    assert browser.post("/second-factor/begin").status_code == 403


def test_the_password_waits_ten_minutes_for_its_code_in_one_browser_only(house: House) -> None:
    _, telephone, _ = enrol(house)
    browser, page = to_code(house)
    stranger = house.browser()
    stranger.get("/authorize")
    assert stranger.get(read_form(page)[0]).status_code in (400, 404)
    house.later(minutes=11)
    assert 'name="username"' in give(browser, page, telephone.code(house)).text


def test_the_page_of_the_code_cannot_be_reached_without_the_password(house: House) -> None:
    _, telephone, _ = enrol(house)
    browser = house.browser()
    page = begin(browser)
    address_ = read_form(page)[0].replace("/login?", "/login/code?")
    assert 'name="username"' in follow(browser, browser.get(address_)).text
    fields = read_form(page)[1] | {"code": telephone.code(house)}
    assert 'name="username"' in follow(browser, browser.post(address_, data=fields, headers=OWN_PAGE)).text


@pytest.mark.parametrize("change", ["password", "closed"])
def test_what_changes_in_between_makes_the_password_void(house: House, change: str) -> None:
    _, telephone, _ = enrol(house)
    browser, page = to_code(house)
    with house.db.write() as tx:
        account = tx.get_one(Account, house.filled.subject)
        if change == "password":
            set_password(tx, clock.now(), account, "mot-cau-hoan-toan-khac")
        else:
            deactivate(tx, clock.now(), account)
    assert 'name="username"' in give(browser, page, telephone.code(house)).text


def test_another_account_can_be_chosen_at_the_code(house: House) -> None:
    enrol(house)
    browser, page = to_code(house)
    switch = re.search(r'id="switch-account" href="([^"]+)"', page.text)
    assert switch
    answer = follow(browser, name_then_password(browser, browser.get(switch[1]), "thienbd", PASSWORD + "2"))
    assert "code" in answer_of(answer)
