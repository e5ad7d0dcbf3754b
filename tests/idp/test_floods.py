"""What anybody may send is kept up to a bound: a flood of it fills no disk, and shuts nobody out whom the province knows."""

import time
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import select

from idp import app as wiring
from idp.clients.rules import CIBA, CODE, DEVICE
from idp.login.models import AuthorizationRequest
from idp.oidc import floods
from idp.oidc.sweeping import sweep
from shared import clock
from tests.idp.conftest import House
from tests.idp.test_registration import NEW, register
from tests.idp.walk import answer_of, ask, begin, sign_in

OF_SPA = {"client_id": "spa", "redirect_uri": "http://localhost:8500/cb"}
BACKGROUND = {"scope": "openid", "login_hint": "hanhnth"}


@pytest.fixture
def house(house: House) -> House:
    house.change_client("web", grant_types=[CODE, DEVICE, CIBA])
    house.change_client("spa", grant_types=[CODE, DEVICE])
    return house


def send(house: House, path: str, form: dict[str, str]) -> Response:
    house.db.kept.clear()  # a second has passed
    auth = None if form.get("client_id") == "spa" else ("web", house.filled.web_secret)
    return house.machine().post(path, data=form, auth=auth)


@pytest.mark.parametrize(
    ("path", "form", "registered_by_itself"),
    [
        ("/par", ask(**OF_SPA), False),
        ("/device_authorization", {"client_id": "spa"}, False),
        ("/par", ask(), True),
        ("/device_authorization", {}, True),
        ("/bc-authorize", BACKGROUND, True),
    ],
)
def test_what_unknown_clients_send_is_kept_up_to_a_bound(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str, form: dict[str, str], registered_by_itself: bool
) -> None:
    monkeypatch.setattr(floods, "MOST", 2)
    known = {"/par": ask(), "/device_authorization": {}, "/bc-authorize": BACKGROUND}[path]
    assert [send(house, path, known).is_success for _ in range(2)] == [True, True]
    if registered_by_itself:
        assert send(house, path, known).is_success, "the province's own are not bound by it"
        house.change_client("web", registration_token_digest="x")
    since = house.events()
    refused = send(house, path, form)
    assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
    assert refused.headers["retry-after"] == "60"
    assert house.acts(since) == ["flood.refused"]
    for name, (_, full) in [*house.db.kept.items()]:
        house.db.kept[name] = inf, full  # the second goes on
    again = house.machine().post(path, data=form, auth=("web", house.filled.web_secret) if registered_by_itself else None)
    assert (again.status_code, house.acts(since)) == (429, ["flood.refused"]), "not one each: they would fill the disk, too"
    later = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    sweep(house.db, {})
    assert send(house, path, form).is_success


def test_so_many_register_themselves_in_a_day_also_those_who_have_left_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers() -> int:
        house.db.kept.clear()
        return register(house, NEW).status_code

    with house.db.read() as tx:
        monkeypatch.setattr(floods, "MOST_A_DAY", len(tx.scalars(select(floods.Client.id)).all()) + 1)
    client = register(house, NEW).json()
    mine = {"authorization": f"Bearer {client['registration_access_token']}"}
    assert house.machine().delete(f"/register/{client['client_id']}", headers=mine).status_code == 204
    assert (answers(), house.acts()[-1]) == (429, "flood.refused")
    house.later(hours=25)
    assert answers() == 201


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_of_too_many_requests_for_a_sign_in_the_oldest_make_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> list[Any]:
        with house.db.read() as tx:
            return list(tx.scalars(select(AuthorizationRequest.id)))

    monkeypatch.setattr(floods, "MOST_REQUESTS", 3)
    monkeypatch.setattr(wiring, "LOOK", 0.05)
    assert send(house, "/bc-authorize", BACKGROUND).is_success
    browsers = [house.browser() for _ in range(5)]
    pages = [begin(browser) for browser in browsers]
    with house.machine():
        wait_until(lambda: len(kept()) == 4)  # three, and the one that waits in the background
        gone = browsers[1].get(pages[1].request.url)
        assert (gone.status_code, 'id="problem-request-unknown"' in gone.text) == (404, True)
        assert "code" in answer_of(sign_in(browsers[2], pages[2]))
        assert house.acts().count("flood.crowded-out") == 1
