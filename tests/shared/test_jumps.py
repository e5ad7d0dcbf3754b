"""A clock that was set is marked in the audit record; one that merely goes is not."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from shared import clock, jumps
from shared.audit import AuditEvent


@pytest.mark.parametrize("hours", [2, -2, 24])
def test_a_jump_is_marked_once_and_nothing_else_is(db, monkeypatch, hours):
    apart = [timedelta()]
    monkeypatch.setattr(jumps, "now", lambda: clock.now() + apart[0])
    monkeypatch.setattr(jumps, "EVERY", 0.01)
    watch = jumps.Watch(db)
    watch.start()
    time.sleep(0.05)
    apart[0] = timedelta(hours=hours)
    deadline, marked = time.monotonic() + 20, []
    while not marked and time.monotonic() < deadline:
        with db.read() as tx:
            marked = [event.facts["seconds"] for event in tx.scalars(select(AuditEvent))]
    watch.stop()
    watch.join(20)
    with db.read() as tx:
        assert [event.act for event in tx.scalars(select(AuditEvent))] == ["clock.jumped"]
    assert marked == [pytest.approx(hours * 3600, abs=2)]
