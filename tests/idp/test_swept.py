"""Whatever is swept away, and whenever: nothing comes back to life by it, and nothing that is under way is lost."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.login.models import Remembered, SignInFailure
from idp.oidc.sweeping import sweep
from shared import clock
from tests.idp.conftest import House
from tests.idp.walk import answer_of, ask, begin, code_for, exchange, follow, name_then_password, sign_in, tokens, who

Sweep = Callable[..., None]


@pytest.fixture
def swept(house: House, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Time passes, and then what is past its time is swept."""

    def pass_by(**span: float) -> None:
        instant = clock.now() + timedelta(**span)
        house.app.dependency_overrides[clock.now] = lambda: instant
        with monkeypatch.context() as patch:
            patch.setattr(clock, "now", lambda: instant)
            sweep(house.db, {})

    return pass_by


def test_a_revoked_token_stays_revoked_as_long_as_it_would_be_taken(house: House, swept: Sweep) -> None:
    revoked, kept = (tokens(house, house.browser())["access_token"] for _ in range(2))
    house.machine().post("/revoke", data={"token": revoked}, auth=("web", house.filled.web_secret))
    swept(minutes=9, seconds=50)
    assert (who(house, revoked).status_code, who(house, kept).status_code) == (401, 200)


def test_a_code_that_comes_again_ends_its_grant_though_it_has_long_expired(house: House, swept: Sweep) -> None:
    code = code_for(house, house.browser())
    got = exchange(house, code).json()
    swept(minutes=9)
    assert who(house, got["access_token"]).status_code == 200
    assert exchange(house, code).json()["error"] == "invalid_grant"
    assert who(house, got["access_token"]).status_code == 401


def test_who_signs_in_slowly_is_answered_though_the_pushed_request_is_old(house: House, swept: Sweep) -> None:
    secret, browser = house.filled.web_secret, house.browser()
    pushed = [house.machine().post("/par", data=ask(), auth=("web", secret)).json()["request_uri"] for _ in range(2)]
    short, late = ({"client_id": "web", "request_uri": one} for one in pushed)
    page = follow(browser, browser.get("/authorize", params=short))
    other_tab = follow(browser, browser.get("/authorize", params=short))
    swept(minutes=5)
    assert "code" in answer_of(sign_in(browser, page))
    assert follow(browser, browser.get(f"/authorize?{other_tab.request.url.query.decode()}")).status_code == 400
    assert browser.get("/authorize", params=late).status_code == 400


def test_an_account_is_remembered_as_long_as_its_device_keeps_its_cookie(house: House, swept: Sweep) -> None:
    def left() -> int:
        with house.db.read() as tx:
            return tx.query(Remembered).count()

    tokens(house, house.browser())
    swept(days=399)
    assert left() == 1
    swept(days=401)
    assert left() == 0


def test_failures_are_counted_as_long_as_they_matter_and_not_kept_longer(house: House, swept: Sweep) -> None:
    """Anybody can make rows of them, one for each name that they type."""

    def fails() -> str:
        browser = house.browser()
        return name_then_password(browser, begin(browser), "nobody", "wrong").text

    assert "Còn 4 lần" in fails()
    swept(minutes=59)
    assert "Còn 3 lần" in fails()
    swept(minutes=121)
    with house.db.read() as tx:
        assert tx.query(SignInFailure).count() == 0
