"""A stored request belongs to one browser, whoever else opens it in the same instant."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from idp.login.problems import RequestUnknown
from idp.login.requests import find_request, store_portal_request
from shared import clock
from tests.idp.conftest import House

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


@pytest.mark.parametrize("late", ["first", "second"])
def test_a_request_that_two_open_at_once_belongs_to_the_browser_that_was_first(house: House, late: str) -> None:
    if house.db.is_sqlite:
        pytest.skip("one writes at a time")
    with house.db.write() as tx:
        request_id = store_portal_request(tx, clock.now()).id

    def opened_by(browser: str) -> str | None:
        with house.db.write() as tx:
            return find_request(tx, clock.now(), request_id, browser, first_seen_by=browser).browser

    with ThreadPoolExecutor(1) as elsewhere:
        with house.db.write() as tx:
            find_request(tx, clock.now(), request_id, "first", first_seen_by="first")
            other, deadline = elsewhere.submit(opened_by, late), time.monotonic() + 30
            with house.db.read() as looking:
                while not looking.scalar(WAITING):
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
        if late == "first":
            assert other.result(30) == "first"
        else:
            with pytest.raises(RequestUnknown):
                other.result(30)
