"""A stored request belongs to one browser, whoever else opens it in the same instant."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy.orm import Session

from idp.login.problems import RequestUnknown
from idp.login.requests import find_request, store_portal_request
from shared import clock
from tests.idp.conftest import House


@pytest.mark.parametrize("late", ["first", "second"])
def test_a_request_that_two_open_at_once_belongs_to_the_browser_that_was_first(house: House, both: Any, late: str) -> None:
    with house.db.write() as tx:
        request_id = store_portal_request(tx, clock.now(), "192.0.2.1").id
    belongs_to = []

    def open_by(browser: str) -> Callable[[Session], None]:
        return lambda tx: belongs_to.append(find_request(tx, clock.now(), request_id, browser, first_seen_by=browser).browser)

    with nullcontext() if late == "first" else pytest.raises(RequestUnknown):
        both(open_by("first"), open_by(late))
    assert set(belongs_to) == {"first"}
