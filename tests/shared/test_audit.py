"""The record of sensitive acts: appended in the act's own transaction, and no change of it goes unnoticed."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from shared import audit
from shared.audit import AuditEvent, canonical
from shared.clock import now

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def recorded(db):
    with db.write() as tx:
        for number in range(5):
            audit.record(tx, now(), "poll.opened", actor=f"sub-{number}", object="poll", needed=number, title="Dự toán")
    return db


def test_the_chain_holds_from_the_first_record_to_the_last(recorded):
    with recorded.read() as tx:
        rows = tx.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
        assert [row.previous for row in rows] == ["", *(row.hash for row in rows[:-1])]
        assert audit.faults(tx) == []


def test_a_path_with_a_sign_that_no_database_keeps_breaks_no_chain(recorded):
    with recorded.write() as tx:
        audit.record(tx, now(), "refused.not-found", object="GET /api/meetings/\0")
    with recorded.read() as tx:
        assert tx.scalars(select(AuditEvent.object).order_by(AuditEvent.seq.desc())).first() == "GET /api/meetings/\ufffd"
        assert audit.faults(tx) == []


@pytest.mark.parametrize(
    ("tampering", "found_at"),
    [
        ("UPDATE audit_event SET actor = 'someone' WHERE seq = 3", 3),
        ("UPDATE audit_event SET act = 'poll.closed' WHERE seq = 1", 1),
        ("UPDATE audit_event SET object = 'another' WHERE seq = 5", 5),
        ("UPDATE audit_event SET facts = '{\"needed\": 9}' WHERE seq = 2", 2),
        ("UPDATE audit_event SET at = '2020-01-01 00:00:00.000000' WHERE seq = 4", 4),
        ("UPDATE audit_event SET previous = hash WHERE seq = 2", 2),
        ("UPDATE audit_event SET hash = previous WHERE seq = 4", 4),
        ("DELETE FROM audit_event WHERE seq = 3", 3),
        ("DELETE FROM audit_event WHERE seq = 1", 1),
        ("UPDATE audit_event SET seq = 9 WHERE seq = 5", 5),
    ],
)
def test_a_changed_or_missing_record_is_found(recorded, tampering, found_at):
    with recorded.write() as tx:
        tx.execute(text(tampering))
    with recorded.read() as tx:
        assert audit.faults(tx)[0][0] == found_at


def test_two_records_that_change_places_are_found(recorded):
    with recorded.write() as tx:
        for old, new in ((2, 20), (3, 2), (20, 3)):
            tx.execute(update(AuditEvent).where(AuditEvent.seq == old).values(seq=new))
    with recorded.read() as tx:
        assert audit.faults(tx)[0][0] == 2


def test_a_record_goes_with_the_act_that_fails(db):
    def fail() -> None:
        with db.write() as tx:
            audit.record(tx, now(), "poll.opened")
            raise LookupError("half way")

    with pytest.raises(LookupError):
        fail()
    with db.read() as tx:
        assert tx.scalars(select(AuditEvent)).all() == []


def test_records_at_the_same_moment_make_one_chain(db):
    def record() -> None:
        for _ in range(4):
            with db.write() as tx:
                audit.record(tx, now(), "member.marked")

    threads = [threading.Thread(target=record) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert tx.scalars(select(AuditEvent.seq).order_by(AuditEvent.seq)).all() == list(range(1, 21))
        assert audit.faults(tx) == []


@given(PLAIN)
def test_what_is_hashed_has_one_form_only(value):
    assert canonical(value) == canonical({"k": value})[len(b'{"k":') : -1]
    if isinstance(value, dict):
        assert canonical(dict(reversed(list(value.items())))) == canonical(value)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(facts=st.dictionaries(st.from_regex(r"f_[a-z]{1,5}", fullmatch=True), PLAIN, max_size=4))
def test_whatever_the_facts_the_chain_holds_when_they_come_back(db, facts):
    with db.write() as tx:
        audit.record(tx, now(), "anything", **facts)
    with db.read() as tx:
        assert audit.faults(tx) == []
