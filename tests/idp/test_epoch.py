"""After a restore nothing that was issued before it counts; and no session outlives its limit because a clock was set back."""

from base64 import b64encode

import pytest

from idp.clients.models import InitialAccessToken
from idp.oidc.epoch import begin_epoch
from shared import clock
from shared.audit import faults
from tests.idp.conftest import APP, House
from tests.idp.test_second_factor import enrol, give, to_code
from tests.idp.walk import answer_of, ask, begin, code_for, exchange, follow, renew, send_form, tokens, who


def new_epoch(house: House) -> None:
    with house.db.write() as tx:
        begin_epoch(tx, house.app.dependency_overrides.get(clock.now, clock.now)(), house.settings)


def test_sessions_codes_and_tokens_of_before_are_dead(house: House) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    page = begin(browser, scope="openid offline_access", prompt="consent")
    allowed = answer_of(follow(browser, send_form(browser, page, decision="allow")))
    forever = exchange(house, allowed["code"]).json()
    code = code_for(house, browser)
    assert who(house, got["access_token"]).status_code == 200
    kid_before = {key["kid"] for key in house.machine().get("/jwks").json()["keys"]}
    new_epoch(house)
    assert begin(browser).is_success, "no session: it is asked who one is"
    assert exchange(house, code).json()["error"] == "invalid_grant"
    for one in (got, forever):
        assert renew(house, one["refresh_token"]).json()["error"] == "invalid_grant"
        assert who(house, one["access_token"]).status_code == 401
    assert not kid_before & {key["kid"] for key in house.machine().get("/jwks").json()["keys"]}, "nobody takes their signatures"
    assert tokens(house, house.browser())["access_token"]
    assert "epoch.begun" in house.acts()
    with house.db.read() as tx:
        assert faults(tx) == []


def test_what_waited_to_be_redeemed_is_forgotten(house: House) -> None:
    basic = b64encode(f"web:{house.filled.web_secret}".encode()).decode()
    headers = {"authorization": f"Basic {basic}"}
    pushed = house.machine().post("/par", data=ask(), headers=headers).json()["request_uri"]
    half_way = house.browser()
    page = begin(half_way)
    new_epoch(house)
    answer = house.browser().get("/authorize", params={"client_id": "web", "request_uri": pushed})
    assert answer.status_code == 400
    assert APP not in answer.headers.get("location", "")
    assert follow(half_way, send_form(half_way, page, username="hanhnth")).status_code == 404
    with house.db.read() as tx:
        assert tx.query(InitialAccessToken).count() == 0
    leave = {"authorization": f"Bearer {house.filled.initial_token}"}
    assert house.machine().post("/register", json={"redirect_uris": [f"{APP}/cb"]}, headers=leave).status_code == 401


def test_a_code_of_a_telephone_and_a_recovery_code_of_before_are_spent(house: House) -> None:
    _, telephone, codes = enrol(house)
    new_epoch(house)
    for code in (telephone.code(house), telephone.code(house, 1), codes[0]):
        browser, page = to_code(house)
        assert not give(browser, page, code).is_redirect
    house.later(seconds=120)
    browser, page = to_code(house)
    assert give(browser, page, telephone.code(house)).is_redirect


@pytest.mark.parametrize(("back", "alive"), [(30, True), (120, False)])
def test_a_clock_that_is_set_back_prolongs_no_session(house: House, back: int, alive: bool) -> None:
    browser = house.browser()
    got = tokens(house, browser)
    house.later(seconds=-back)
    assert begin(browser).is_redirect is alive
    assert (renew(house, got["refresh_token"]).status_code == 200) is alive


def test_the_code_of_a_moment_does_not_come_back_when_the_clock_does(house: House) -> None:
    _, telephone, _ = enrol(house)
    house.later(minutes=5)
    browser, page = to_code(house)
    assert give(browser, page, telephone.code(house)).is_redirect
    house.later(minutes=3)
    browser, page = to_code(house)
    assert not give(browser, page, telephone.code(house)).is_redirect
