"""Passwords are hashed while no transaction is open: nobody waits for the database, and what has changed by then counts."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from httpx2 import Response
from sqlalchemy import select

from idp.accounts import passwords
from idp.accounts.models import Account
from idp.login.lockout import begin_try
from idp.login.models import SignInSession
from idp.login.sessions import end_session
from shared import clock
from tests.idp.conftest import PASSWORD, House
from tests.idp.walk import begin, follow, send_form, sign_in

FRESH = "mot-cau-khac-de-nho"
Ask = Callable[[], Response]


def change(house: House) -> Ask:
    browser = house.browser()
    sign_in(browser, follow(browser, browser.get("/")))
    page = browser.get("/password")
    return lambda: send_form(browser, page, current=PASSWORD, fresh=FRESH, again=FRESH)


def signing_in(house: House) -> Ask:
    browser = house.browser()
    page = follow(browser, send_form(browser, begin(browser), username="hanhnth"))
    return lambda: send_form(browser, page, password=PASSWORD)


@contextmanager
def hashing(ask: Ask) -> Iterator[Future[Response]]:
    """In this block the request has come as far as the hash, which waits for the end of it."""
    go_on, queue = threading.Event(), passwords._pool._work_queue

    def wait_until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    with ThreadPoolExecutor(1) as elsewhere:
        try:
            for _ in range(passwords.AT_ONCE):
                passwords._pool.submit(go_on.wait)
            wait_until(queue.empty)
            answer = elsewhere.submit(ask)
            wait_until(lambda: not queue.empty() or answer.done())
            yield answer
        finally:
            go_on.set()


@pytest.mark.parametrize("prepare", [change, signing_in])
def test_others_write_while_a_password_is_hashed(house: House, prepare: Callable[[House], Ask]) -> None:
    def write() -> None:
        with house.db.write() as tx:
            begin_try(tx, clock.now(), "hanhnth")  # what the request has held as well

    with ThreadPoolExecutor(1) as other, hashing(prepare(house)) as answer:
        other.submit(write).result(timeout=5)
        assert not answer.done()
    assert answer.result().status_code in (200, 303)


def test_a_password_that_was_replaced_meanwhile_is_not_the_current_one(house: House) -> None:
    with hashing(change(house)) as answer, house.db.write() as tx:
        tx.scalars(select(Account).where(Account.username == "hanhnth")).one().password_hash = "another"
    assert 'data-code="current-password-wrong"' in answer.result().text


def test_who_was_signed_out_meanwhile_changes_nothing(house: House) -> None:
    with hashing(change(house)) as answer, house.db.write() as tx:
        end_session(tx, clock.now(), tx.scalars(select(SignInSession)).one(), reason="ended-elsewhere")
    assert answer.result().status_code == 401
    assert "password.changed" not in house.acts()


def test_when_too_many_wait_a_change_is_not_counted_as_a_try(house: House) -> None:
    ask, taken = change(house), passwords.AT_ONCE + passwords.WAITING
    for _ in range(taken):
        passwords._queue.acquire()
    try:
        page = ask()
        assert (page.status_code, page.headers["retry-after"]) == (503, "20")
        assert 'data-code="sign-in-busy"' in page.text
    finally:
        for _ in range(taken):
            passwords._queue.release()
    with house.db.write() as tx:
        assert begin_try(tx, clock.now(), "hanhnth").facts == {"left": 4}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one niceness")
def test_who_asks_for_a_token_goes_before_a_hash() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert passwords._pool.submit(niceness).result() == min(19, before + passwords.BEHIND)
    assert niceness() == before
