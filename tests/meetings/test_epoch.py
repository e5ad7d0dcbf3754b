"""After a restore: tokens, tickets and sockets of before are dead, and everybody begins with a fresh snapshot."""

from datetime import timedelta

import pytest

from meetings.access.actions import begin_epoch
from meetings.live import hub
from shared import clock
from tests.meetings.lines import line, ticket, turned_away


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("TICK", 0.02), ("NET", 0.02), ("RIGHTS", 0.02), ("COALESCE", 0.0)):
        monkeypatch.setattr(hub, name, seconds)


def new_epoch(web) -> None:
    with web.client.app.state.db.write() as tx:
        begin_epoch(tx, clock.now())


def token(web, seconds: int) -> str:
    at = int((clock.now() + timedelta(seconds=seconds)).timestamp())
    return web.issuer.token("m3", audience=web.client.app.state.settings.public_url, iat=at)


def test_a_token_of_before_is_refused_and_one_of_after_is_taken(web):
    old = token(web, 0)
    assert web.call("m3", "GET", "/api/me", token=old).status_code == 200
    new_epoch(web)
    refused = web.call("m3", "GET", "/api/me", token=old)
    assert (refused.status_code, refused.json()["code"], refused.json()["facts"]) == (401, "invalid-token", {"reason": "epoch"})
    assert web.call("m3", "GET", "/api/me", token=token(web, 2)).status_code == 200


def test_a_ticket_of_before_lets_nobody_in(web):
    entry = ticket(web, "m3")
    new_epoch(web)
    assert turned_away(web, entry) == 403


def test_a_socket_of_before_is_told_to_come_back_and_gets_a_snapshot_of_the_new_epoch(web, quick):
    with line(web, "m3") as one:
        before = one.hello()["snapshot"]
        new_epoch(web)
        assert one.closed() == hub.RESTART
    answer = web.call("m3", "POST", "ticket", token=token(web, 2))
    with line(web, entry=answer.json()["ticket"]) as again:
        again.say({"type": "hello", "epoch": before["epoch"], "since": before["seq"]})
        after = again.until("snapshot", "events")["snapshot"]
    assert after["epoch"] != before["epoch"]
    assert after["seq"] == before["seq"]
