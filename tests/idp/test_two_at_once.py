"""Two requests of one person in the same instant, on a database that lets both in: none is a fault.

Whoever writes into the audit record takes hold of its end before anything else that two may want: each may have begun with the
use of a session, which is written at most once a minute, or stand behind another's work in a group.
"""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.login.factors import propose
from idp.login.lockout import begin_try, forget_failures, need_code_tries
from idp.login.models import SecondFactor, SignInSession
from idp.login.problems import RequestExpired, RequestUnknown
from idp.login.requests import find_request, mark_answered, store_portal_request
from idp.login.sessions import TOUCH_EVERY, end_session
from idp.oidc import floods, store
from idp.oidc.backchannel import notices
from idp.oidc.ciba import _need_room
from idp.oidc.decoupled import _locked
from idp.oidc.epoch import begin_epoch
from idp.oidc.issuing import keep_alive
from idp.oidc.living import read_grant
from idp.oidc.models import Grant, LogoutNotice
from idp.oidc.par import PUSHED
from idp.oidc.store import Kind
from shared import audit, clock
from shared.db import lock
from tests.idp.conftest import House
from tests.idp.walk import ask, tokens

Deed = Callable[[House, Session, str], Any]


def test_the_page_and_the_job_make_the_same_notices(house: House, both: Any) -> None:
    tokens(house, house.browser())
    with house.db.read() as tx:
        session_id = tx.scalars(select(SignInSession.id)).one()
    both(*2 * [lambda tx: notices(tx, session_id)])
    with house.db.read() as tx:
        assert tx.scalars(select(LogoutNotice.client_id)).all() == ["web"]


def test_two_clicks_begin_one_second_factor(house: House, both: Any) -> None:
    both(*2 * [lambda tx: propose(tx, clock.now(), house.settings, house.filled.subject)])
    with house.db.read() as tx:
        assert tx.scalars(select(SecondFactor.account_id)).all() == [house.filled.subject]


def test_who_uses_a_session_and_who_ends_it_do_not_wait_for_each_other(house: House, both: Any) -> None:
    tokens(house, house.browser())
    later = clock.now() + 2 * TOUCH_EVERY
    with house.db.read() as tx:
        living = read_grant(tx, tx.scalars(select(Grant.id)).one())

    def end(tx: Session) -> None:
        end_session(tx, later, tx.scalars(select(SignInSession)).one(), reason="signed-out")

    both(
        lambda tx: audit.record(tx, later, "grant.given"),
        end,
        lambda tx: keep_alive(tx, later, house.settings, living),
    )
    assert house.acts()[-2:] == ["grant.given", "session.ended"]


def test_of_two_who_end_a_session_at_once_one_does(house: House, both: Any) -> None:
    tokens(house, house.browser())

    def end(tx: Session) -> None:
        end_session(tx, clock.now(), tx.scalars(select(SignInSession)).one(), reason="signed-out")

    both(end, end)
    assert house.acts().count("session.ended") == 1


def record(tx: Session) -> None:
    audit.record(tx, clock.now(), "grant.given")


def opens(_house: House, tx: Session, request_id: str) -> None:
    with suppress(RequestUnknown):
        find_request(tx, clock.now(), request_id, "browser", to_change=True)


def is_first(_house: House, tx: Session, request_id: str) -> None:
    find_request(tx, clock.now(), request_id, "browser", first_seen_by="browser")


def answers(_house: House, tx: Session, request_id: str) -> None:
    with suppress(RequestExpired):
        mark_answered(tx, clock.now(), SimpleNamespace(id=request_id, client=None))  # type: ignore[arg-type]


def asks_a_person(house: House, tx: Session, _request_id: str) -> None:
    call = SimpleNamespace(tx=tx, now=clock.now(), caller=SimpleNamespace(id="web"))
    _need_room(call, SimpleNamespace(id=house.filled.subject))  # type: ignore[arg-type]


DEEDS: dict[str, Deed] = {
    "opens a request": opens,
    "is the first to open it": is_first,
    "answers it": answers,
    "tries a password": lambda _house, tx, _id: begin_try(tx, clock.now(), "hanhnth"),
    "has found the password": lambda _house, tx, _id: forget_failures(tx, "hanhnth"),
    "tries a code": lambda _house, tx, _id: need_code_tries(tx, clock.now(), "user-code/x"),
    "asks a person in the background": asks_a_person,
    "polls, or is answered": lambda _house, tx, _id: _locked(SimpleNamespace(tx=tx), Kind.CIBA, "x"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
@pytest.mark.parametrize("late", [False, True], ids=["record first", "deed first"])
def test_no_two_wait_for_each_other_with_the_audit_record_between_them(house: House, both: Any, deed: Deed, late: bool) -> None:
    with house.db.write() as tx:
        begin_try(tx, clock.now(), "hanhnth")
        request_id = store_portal_request(tx, clock.now(), "192.0.2.1").id

    def does(tx: Session) -> None:
        deed(house, tx, request_id)

    one, other = (does, record) if late else (record, does)

    def in_the_other_order(tx: Session) -> None:
        other(tx)
        one(tx)

    both(one, in_the_other_order, other)
    assert house.acts().count("grant.given") == 2


def test_nor_do_two_tabs_with_the_same_pushed_request(house: House, both: Any) -> None:
    browser = house.browser()
    tokens(house, browser)
    pushed = house.machine().post("/par", data=ask(), auth=("web", house.filled.web_secret)).json()["request_uri"]
    found = []
    both(
        record,
        lambda _tx: found.append(browser.get("/authorize", params={"client_id": "web", "request_uri": pushed})),
        lambda tx: store.use(tx, Kind.PUSHED, pushed.removeprefix(PUSHED), clock.now()),
    )
    assert [answer.status_code for answer in found] == [400]


def test_nor_does_who_begins_an_epoch_or_clears_a_flood(house: House, both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "MOST_REQUESTS", 0)

    def epoch(tx: Session) -> None:
        begin_epoch(tx, clock.now(), house.settings)

    for deed in (epoch, lambda _tx: floods.crowd_out(house.db, clock.now())):
        with house.db.write() as tx:
            request_id = store_portal_request(tx, clock.now(), "192.0.2.1").id
        both(record, deed, lambda tx, id_=request_id: opens(house, tx, id_))
    both(lambda tx: lock(tx, "signing-keys"), epoch, record)
    assert house.acts().count("epoch.begun") == 2
