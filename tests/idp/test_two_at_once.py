"""Two requests of one person in the same instant, on a database that lets both in: none is a fault."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.login.factors import propose
from idp.login.models import SecondFactor, SignInSession
from idp.login.sessions import TOUCH_EVERY, end_session
from idp.oidc.backchannel import notices
from idp.oidc.issuing import keep_alive
from idp.oidc.living import read_grant
from idp.oidc.models import Grant, LogoutNotice
from shared import audit, clock
from tests.idp.conftest import House
from tests.idp.walk import tokens


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
