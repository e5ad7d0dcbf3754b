"""What anybody may send is kept up to a bound: a flood of it fills no disk, and shuts nobody out whom the province knows."""

import time
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import select
from starlette.requests import Request
from starlette.testclient import TestClient

from idp import app as wiring
from idp.clients.actions import make_initial_access_token
from idp.clients.rules import CIBA, CODE, DEVICE
from idp.login.models import AuthorizationRequest
from idp.login.requests import sender_of
from idp.oidc import floods
from idp.oidc.sweeping import sweep
from shared import clock
from tests.idp.conftest import ISSUER, House
from tests.idp.opinions import SecondOpinions
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


def from_address(house: House, address: str) -> TestClient:
    app = SecondOpinions(house.app)
    return TestClient(app, base_url=ISSUER, follow_redirects=False, headers={"accept": "text/html"}, client=(address, 50000))


@pytest.mark.parametrize(("path", "form"), [("/par", ask(**OF_SPA)), ("/device_authorization", {"client_id": "spa"})])
def test_nobody_takes_the_room_of_others(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str, form: dict[str, str]
) -> None:
    def answer(address: str, **changes: str) -> int:
        house.db.kept.clear()
        return from_address(house, address).post(path, data=form | changes).status_code

    house.change_client("native", grant_types=[CODE, DEVICE])
    monkeypatch.setattr(floods, "MOST_OF_SENDER", 2)
    assert [answer("2001:db8::1") < 300, answer("2001:db8::ffff:2") < 300] == [True, True]
    since = house.events()
    assert (answer("2001:db8::3"), house.acts(since)) == (429, ["flood.refused"])
    monkeypatch.setattr(floods, "MOST_OF_CLIENT", 3)
    assert answer("2001:db8:0:1::1") < 300, "another network has room"
    assert answer("203.0.113.7") == 429, "but not for that client, by whoever"
    other = {"client_id": "native", "redirect_uri": "http://127.0.0.1:9/cb"}
    assert answer("203.0.113.7", **other) < 300, "another client has room, and who was refused has used up none"
    house.later(hours=1, seconds=1)
    assert answer("2001:db8::1") < 300


def test_who_has_one_token_for_registrations_leaves_room_for_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "MOST_WITH_TOKEN", 1)
    assert register(house, NEW).status_code == 201
    house.db.kept.clear()
    assert register(house, NEW).status_code == 429
    with house.db.write() as tx:
        another = make_initial_access_token(tx, clock.now())
    assert house.machine().post("/register", json=NEW, headers={"authorization": f"Bearer {another}"}).status_code == 201


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown" * 9, ("unknown" * 9)[:45]),
        (None, ""),
    ],
)
def test_a_sender_is_an_address_or_a_network_of_one_household(address: str | None, sender: str) -> None:
    assert sender_of(Request({"type": "http", "client": (address, 1) if address else None})) == sender


def test_who_sends_many_requests_for_a_sign_in_crowds_out_his_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "MOST_REQUESTS", 3)
    person, flood = from_address(house, "203.0.113.7"), [from_address(house, "2001:db8::1") for _ in range(4)]
    page = begin(person)
    pages = [begin(one) for one in flood]
    floods.crowd_out(house.db, clock.now())
    assert [one.get(page.request.url).status_code for one, page in zip(flood, pages, strict=True)] == [404, 404, 200, 200]
    assert "code" in answer_of(sign_in(person, page))


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
