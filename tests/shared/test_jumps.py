"""A clock that was set is marked in the audit record; one that merely goes is not."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from shared import clock, jumps
from shared.audit import AuditEvent


@pytest.mark.parametrize(("hours", "marked"), [(2, [7200]), (-2, [-7200]), (24, [86400]), (0, [])])
def test_a_jump_is_marked(db, monkeypatch, hours, marked):
    apart = timedelta()
    turns = 0

    def now() -> datetime:
        return clock.now() + apart

    class Enough(Exception):
        pass

    def sleep(_seconds: float) -> None:
        nonlocal apart, turns
        turns += 1
        apart = timedelta(hours=hours)
        if turns > 3:
            raise Enough

    monkeypatch.setattr(jumps, "now", now)
    monkeypatch.setattr(jumps.time, "sleep", sleep)
    with pytest.raises(Enough):
        jumps.Watch(db).run()
    with db.read() as tx:
        events = tx.scalars(select(AuditEvent).where(AuditEvent.act == "clock.jumped")).all()
    assert [round(event.facts["seconds"], -1) for event in events] == marked
