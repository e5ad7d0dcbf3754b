"""Ballots of others, or the same one on another node, that are under way at the same time."""

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import text

from meetings.voting import box
from shared import clock
from shared.db import Database
from shared.problems import NotFound
from tests.faults.processes import until

HELD_UP = "SELECT count(*) FROM pg_locks WHERE relation = 'ended_session'::regclass AND NOT granted"


def test_a_changed_ballot_that_goes_in_while_its_retry_is_looked_at_is_acknowledged_and_not_refused(house):
    if house.db.is_sqlite:
        pytest.skip("there a retry waits for the transaction before")
    poll = house.open().open_poll()
    first = house.cast("m3", poll, "in_favour", key="f" * 20)
    other, told = Database(house.db.engine.url.render_as_string(hide_password=False)), []
    changed = box.Cast(
        house.meeting_id, poll, house.seats["m3"].member_id, "s", "against", "c" * 20, first.receipt, clock.now()
    )

    def again() -> None:
        with other.write() as tx:
            told.extend(box.cast_together(tx, [changed]))

    retry = threading.Thread(target=again)
    with house.db.write() as tx:
        [receipt] = box.cast_together(tx, [changed])
        tx.execute(text("LOCK TABLE ended_session"))  # the retry has not found its key, and looks whether it may vote
        retry.start()
        with house.db.read() as beside:
            until(lambda: beside.scalar(text(HELD_UP)), 60, "the retry is not held up")
    retry.join()
    other.close()
    assert told == [receipt]


def test_a_poll_whose_name_no_database_keeps_is_not_found_and_spoils_no_other_ballot(house):
    poll = house.open().open_poll()
    member, at = house.seats["m3"].member_id, clock.now()
    casts = [box.Cast(house.meeting_id, one, member, "s", "against", "k" * 20, None, at) for one in ("a\0b", poll)]

    async def both() -> list[Any]:
        return await asyncio.gather(*map(box.Box(house.db).put, casts), return_exceptions=True)

    strange, receipt = asyncio.run(both())
    assert (type(strange), receipt.member_id) == (NotFound, member)
