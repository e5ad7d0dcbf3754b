"""Two requests of one person in the same instant, on a database that lets both in: none is a fault."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from idp.login.factors import propose
from idp.login.models import SignInSession
from idp.oidc.backchannel import notices
from shared import clock
from tests.idp.conftest import House
from tests.idp.walk import tokens

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.fixture
def both(house: House) -> Callable[..., None]:
    """The second deed begins before the first is committed, which happens when the second waits for it."""
    if house.db.is_sqlite:
        pytest.skip("SQLite lets one writer in")

    def run(first: Callable[[Session], Any], second: Callable[[Session], Any]) -> None:
        def work() -> None:
            with house.db.write() as tx:
                second(tx)

        with ThreadPoolExecutor(1) as pool:
            with house.db.write() as tx:
                first(tx)
                tx.flush()
                late = pool.submit(work)
                with house.db.read() as looking:
                    while not late.done() and not looking.scalar(WAITING):
                        pass
            late.result(timeout=30)

    return run


def test_the_page_and_the_job_make_the_same_notices(house: House, both: Any) -> None:
    tokens(house, house.browser())
    with house.db.read() as tx:
        session_id = tx.scalars(select(SignInSession.id)).one()
    both(*2 * [lambda tx: notices(tx, session_id)])


def test_two_clicks_begin_one_second_factor(house: House, both: Any) -> None:
    both(*2 * [lambda tx: propose(tx, clock.now(), house.settings, house.filled.subject)])
