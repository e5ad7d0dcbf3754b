"""Whatever is swept away, and whenever: nothing comes back to life by it, and nothing that is under way is lost."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.oidc.sweeping import sweep
from shared import clock
from tests.idp.conftest import House
from tests.idp.walk import answer_of, ask, follow, sign_in, tokens, who

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
