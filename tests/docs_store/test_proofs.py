"""How long a signature can be proved: services that are slow or away, and files that are read years later."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.docs_store.signatures import Case

YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def services(case: Case) -> Iterator[None]:
    yield
    case.pki.away.clear()
    case.pki.slow.clear()


def levels(case: Case, pdf: bytes) -> list[str]:
    verdict = case.judge(pdf)
    assert (verdict.ok, verdict.faults) == (True, ())
    return [signature.level for signature in verdict.signatures]


def test_a_slow_answer_on_revocation_is_as_good_as_a_quick_one(case: Case) -> None:
    case.pki.slow["ocsp"] = 2.1  # so that it is dated after the beginning of the signing, beyond pyHanko's tolerance of 1 s
    made = case.sign(case.blank, "secretary")
    assert (made.level, made.pending) == ("B-LT", "")
    assert levels(case, made.data) == ["B-LT"]


@pytest.mark.parametrize(("away", "level", "pending"), [("ocsp", "B-T", "revocation"), ("tsa", "B-B", "timestamp")])
def test_the_proof_of_one_signature_takes_nothing_from_another(case: Case, away: str, level: str, pending: str) -> None:
    case.pki.away.add(away)
    early = case.sign(case.blank, "secretary")
    assert (early.level, early.pending) == (level, pending)
    assert levels(case, early.data) == [level]
    case.pki.away.clear()
    both = case.sign(early.data, "chair")
    assert levels(case, both.data) == [level, "B-LT"]
    mended = case.extend(both.data)
    assert mended.startswith(both.data)
    assert levels(case, mended) == ["B-LT", "B-LT"]


def test_a_signature_is_stamped_by_the_document_timestamp_after_it_where_it_has_none(case: Case) -> None:
    case.pki.away.add("tsa")
    early = case.sign(case.blank, "secretary")
    case.pki.away.clear()
    verdict = case.judge(case.sign(case.extend(early.data), "chair").data)
    assert verdict.ok
    secretary, chair = verdict.signatures
    assert secretary.stamped_at == verdict.timestamps[0].at
    assert chair.stamped_at is not None
    assert (secretary.level, chair.level) == ("B-LT", "B-LT")


@pytest.mark.parametrize("later", [timedelta(days=8), timedelta(days=100), 20 * YEAR])
def test_signed_minutes_hold_long_after_the_proofs_in_them_were_fresh(case: Case, later: timedelta) -> None:
    for pdf in (case.twice.data, case.extend(case.twice.data)):
        verdict = case.judge(pdf, later)
        assert (verdict.ok, verdict.faults) == (True, ())


def test_a_timestamp_does_not_outlive_its_authoritys_certificate(case: Case) -> None:
    late = 80 * YEAR  # the certificates end in 2100
    assert {(fault.kind, fault.field) for fault in case.judge(case.twice.data, late).faults} == {
        ("timestamp", "secretary"),
        ("timestamp", "chair"),
    }
    [fault] = case.judge(case.extend(case.twice.data), late).faults
    assert fault.kind == "untrusted"
    assert fault.field.startswith("Timestamp")
