"""Who may come in: access tokens (RFC 9068) and sign-ins that the issuer has ended (OIDC Back-Channel Logout 1.0)."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from meetings.access import actions
from meetings.access.models import EndedSession
from meetings.access.routes import LOGOUT_EVENT
from meetings.live.models import Ticket
from shared import clock, tokens
from shared.audit import AuditEvent
from tests.meetings.conftest import PUBLIC_URL, Web
from tests.meetings.issuer import Issuer

STRANGER = tokens.generate_key("ES256")
LOGGED_OUT = {LOGOUT_EVENT: {}}


def at(seconds: float) -> int:
    return int(clock.now().timestamp() + seconds)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://evil.example"}, "invalid-token"),
        ({"aud": "https://other.example"}, "invalid-token"),
        ({"aud": "meetings-web"}, "invalid-token"),  # an ID token's audience
        ({"exp": at(-3600)}, "invalid-token"),
        ({"exp": None}, "invalid-token"),
        ({"iat": at(3600)}, "invalid-token"),
        ({"typ": "JWT"}, "invalid-token"),
        ({"typ": "logout+jwt"}, "invalid-token"),
        ({"key": STRANGER}, "invalid-token"),
        *[
            ({claim: None}, "invalid-token")
            for claim in ("sub", "preferred_username", "name", "client_id", "sid", "auth_time", "aud", "iss", "iat")
        ],
        ({"auth_time": "yesterday"}, "invalid-token"),
        ({"amr": 7}, "invalid-token"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else value,
)
def test_a_token_that_does_not_hold_is_refused(web, changes, code):
    arguments = {"audience": PUBLIC_URL} | changes
    if "aud" in changes:
        arguments["audience"] = changes["aud"]
    answer = web.call("chair", "GET", "seat", token=web.issuer.token("chair", **arguments))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    "header",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Bearer "}, {"authorization": "Basic YTpi"}],
)
def test_without_a_token_nobody_is_signed_in(web, header):
    answer = web.client.get(f"/api/meetings/{web.house.meeting_id}", headers=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("place", ["query", "cookie", "form"])
def test_a_token_is_taken_from_its_header_only(web, place):
    token = web.issuer.token("chair", audience=PUBLIC_URL)
    arguments: dict[str, Any] = {
        "query": {"params": {"access_token": token}},
        "cookie": {"headers": {"cookie": f"access_token={token}; authorization=Bearer {token}"}},
        "form": {"params": {"authorization": f"Bearer {token}"}},
    }[place]
    answer = web.client.get("/api/meetings", **arguments)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")


def test_the_seat_belongs_to_the_person_who_took_it_first(web):
    """A user name that the issuer gives to someone else later does not inherit the seat."""
    assert web.call("m3", "GET", "seat").status_code == 200
    other = web.issuer.token("m3", audience=PUBLIC_URL, sub="sub-somebody-else")
    assert web.call("m3", "GET", "seat", token=other).json()["code"] == "not-found"
    assert web.call("m3", "GET", "/api/meetings", token=other).json() == []
    assert web.call("m3", "GET", "seat").status_code == 200


def told(web: Web) -> list[str]:
    with web.client.app.state.db.read() as tx:
        return [row.act for row in tx.scalars(select(AuditEvent)) if row.act.startswith("refused.")]


def logout(web: Web, **changes: Any) -> Any:
    arguments = {"audience": "meetings-web", "typ": "logout+jwt", "events": LOGGED_OUT, "jti": "jti-1"} | changes
    return web.client.post("/api/backchannel-logout", data={"logout_token": web.issuer.token("m3", **arguments)})


def ended(web: Web) -> list[str]:
    with web.client.app.state.db.read() as tx:
        return list(tx.scalars(select(EndedSession.sid)))


def test_a_sign_in_that_the_issuer_ends_is_over_and_others_go_on(web):
    assert web.call("m3", "GET", "seat").status_code == 200
    assert logout(web).status_code == 200
    answer = web.call("m3", "GET", "seat")
    assert (answer.status_code, answer.json()["code"]) == (401, "session-ended")
    assert web.call("m4", "GET", "seat").status_code == 200
    again = web.issuer.token("m3", audience=PUBLIC_URL, sid="sid-new")
    assert web.call("m3", "GET", "seat", token=again).status_code == 200


def test_a_repeated_logout_changes_nothing(web):
    assert [logout(web).status_code for _ in range(3)] == [200, 200, 200]
    assert logout(web, jti="jti-2").status_code == 200
    assert ended(web) == ["sid-m3"]
    with web.client.app.state.db.read() as tx:
        acts = select(AuditEvent.object).where(AuditEvent.act == "session.ended")
        assert tx.scalars(acts).all() == ["sid-m3"]


def test_a_logout_token_cannot_be_used_for_another_sign_in(web):
    assert logout(web).status_code == 200
    answer = logout(web, sid="sid-m4")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-logout-token")
    assert ended(web) == ["sid-m3"]


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"audience": "other-client"},
        {"audience": PUBLIC_URL},
        {"exp": at(-3600)},
        {"exp": None},
        {"iat": None},
        {"iat": at(3600)},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"key": STRANGER},
        {"nonce": "n"},
        {"nonce": ""},
        {"events": None},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"events": [LOGOUT_EVENT]},
        {"events": LOGOUT_EVENT},
        {"sid": None},
        {"sid": ""},
        {"sid": 7},
        {"sid": ["sid-m3"]},
        {"jti": None},
        {"jti": ""},
        {"jti": {"a": 1}},
    ],
    ids=",".join,
)
def test_a_logout_token_that_does_not_hold_ends_nothing(web, changes):
    answer = logout(web, **changes)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-logout-token")
    assert ended(web) == []
    assert told(web) == ["refused.invalid-logout-token"]
    assert web.call("m3", "GET", "seat").status_code == 200


@pytest.mark.parametrize("content", ["", "logout_token=", "logout_token=a.b.c", "logout_token=" + "x" * 9000, "other=1"])
def test_what_is_no_logout_token_at_all_is_refused(web, content):
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = web.client.post("/api/backchannel-logout", content=content, headers=form)
    assert (answer.status_code, answer.json()["code"]) in {(422, "invalid-input"), (400, "invalid-logout-token")}
    assert ended(web) == []


def test_a_token_is_checked_before_the_database_is_taken(web, monkeypatch):
    """While the issuer does not answer, nobody else waits for SQLite's one write lock."""
    asked, answered = threading.Event(), threading.Event()
    fetch = web.client.app.state.issuer_keys._fetch

    def slowly(url: str) -> dict[str, Any]:
        asked.set()
        assert answered.wait(10)
        return fetch(url)

    monkeypatch.setattr(web.client.app.state.issuer_keys, "_fetch", slowly)
    posting = threading.Thread(target=logout, args=(web,))
    posting.start()
    assert asked.wait(10)
    with web.client.app.state.db.write() as tx:
        actions.name_administrator(tx, clock.now(), "an")
    answered.set()
    posting.join()
    assert ended(web) == ["sid-m3"]


def test_tickets_of_an_ended_sign_in_are_void(web):
    for name in ("m3", "m4"):
        assert web.call(name, "POST", "ticket").status_code == 201
    logout(web)
    with web.client.app.state.db.read() as tx:
        assert tx.scalars(select(Ticket.sid)).all() == ["sid-m4"]


def test_while_the_issuer_is_away_the_answer_is_unavailable(settings):
    from starlette.testclient import TestClient

    from meetings import app as meetings_app

    gone = Issuer()
    gone.close()
    app = meetings_app.build(settings.model_copy(update={"issuer": gone.url}))
    with TestClient(app, base_url=PUBLIC_URL) as client:
        header = {"authorization": f"Bearer {gone.token('m3', audience=PUBLIC_URL)}"}
        answer = client.get("/api/meetings", headers=header)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_the_configuration_tells_strangers_no_secret(web):
    answer = web.client.get("/api/config")
    assert answer.json() == {
        "issuer": web.issuer.url,
        "client_id": "meetings-web",
        "audience": PUBLIC_URL,
        "province": "tỉnh Bình Lâm",
    }
