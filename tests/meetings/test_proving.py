"""Signatures made while a service was away, and the job that proves them later."""

import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from docs_store.models import Document, DocumentVersion
from docs_store.problems import ArchivedDocument
from docs_store.versions import withdraw
from meetings import app as meetings_app
from meetings.minutes import actions
from meetings.minutes.models import Minutes
from meetings.minutes.verify import Report, instant, report
from shared import clock
from shared.audit import AuditEvent
from shared.jobs import Job
from tests.docs_store.pki import PASSPHRASE, Pki, running
from tests.makers import make_house
from tests.meetings.conftest import PUBLIC_URL, Web, make_settings
from tests.meetings.test_signing import hold


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Iterator[Pki]:
    with running(tmp_path_factory.mktemp("pki")) as pki:
        (pki.folder / "root.der").write_bytes(pki.root)
        for name in ("secretary", "chair"):
            (pki.folder / f"{name}.pass").write_text(PASSPHRASE)
        yield pki


@pytest.fixture(scope="module")
def signing(pki, issuer, sqlite_template, tmp_path_factory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("proving")
    shutil.copy(sqlite_template, folder / "meetings.db")
    keys = {"signers_url": str(pki.folder), "tsa_url": pki.tsa, "trust_roots": str(pki.folder / "root.der")}
    app = meetings_app.build(make_settings(f"sqlite:///{folder}/meetings.db", folder, issuer).model_copy(update=keys))
    with TestClient(app, base_url=PUBLIC_URL) as client:
        yield Web(client, issuer, None)


@pytest.fixture
def frozen(signing, pki) -> Iterator[Web]:
    """A meeting of the test's own, its minutes ready to be signed; all services answer again afterwards."""
    hold(signing, make_house(signing.client.app.state.db))
    yield signing
    pki.away.clear()


def sign(web: Web, *names: str) -> bytes:
    for name in names:
        assert web.call(name, "POST", "minutes/sign").status_code == 204
    return web.call("m3", "GET", "minutes.pdf").content


def stamped(web: Web) -> list[bool]:
    return [one["timestamped"] for one in web.call("m3", "GET", "minutes").json()["signatures"]]


def job(web: Web) -> Any:
    state = web.client.app.state
    return partial(actions.prove, state.settings, state.store, state.db, {"meeting_id": web.house.meeting_id})


def waiting(web: Web) -> list[Job]:
    with web.client.app.state.db.read() as tx:
        jobs = tx.scalars(select(Job).where(Job.kind == "minutes.prove", Job.done_at.is_(None)))
        return [one for one in jobs if one.body["meeting_id"] == web.house.meeting_id]


def let_the_worker_run(web: Web) -> None:
    """All jobs are due now; returns when the service's own worker has done them."""
    db = web.client.app.state.db
    with db.write() as tx:
        tx.execute(update(Job).values(run_at=clock.now()))
    db.wake.set()
    until = time.monotonic() + 20
    while waiting(web) and time.monotonic() < until:
        time.sleep(0.05)
    assert waiting(web) == []


def told(web: Web, act: str) -> int:
    with web.client.app.state.db.read() as tx:
        found = tx.scalars(select(AuditEvent).where(AuditEvent.act == act, AuditEvent.object == web.house.meeting_id))
        return len(list(found))


def judge(web: Web, pki: Pki) -> Report:
    return report(web.call("m3", "GET", "minutes.pdf").content, pki.root, "vi")


@pytest.mark.parametrize(("away", "level", "seen"), [("tsa", "B-B", False), ("ocsp", "B-T", True)])
def test_the_proof_that_was_missing_is_added_when_the_service_is_back(frozen, pki, away, level, seen):
    pki.away.add(away)
    before = sign(frozen, "secretary", "chair")
    assert stamped(frozen) == [seen, seen]
    assert [one.level for one in judge(frozen, pki).validation.signatures] == [level, level]
    soon = clock.now() + timedelta(minutes=2)
    assert len(waiting(frozen)) == 2
    assert all(one.run_at < soon for one in waiting(frozen))

    job(frozen)()
    [later] = [one for one in waiting(frozen) if one.run_at > soon]
    assert later.run_at < clock.now() + timedelta(hours=1, seconds=1)
    assert frozen.call("m3", "GET", "minutes.pdf").content == before

    pki.away.clear()
    let_the_worker_run(frozen)
    assert stamped(frozen) == [True, True]
    after = frozen.call("m3", "GET", "minutes.pdf").content
    assert after.startswith(before)
    found = judge(frozen, pki)
    assert found.ok
    assert [one.level for one in found.validation.signatures] == ["B-LT", "B-LT"]
    assert told(frozen, "minutes.proved") == 1
    log = frozen.call("m3", "GET", "minutes/evidence.json").json()["log"]
    assert [event["body"]["type"] for event in log[-2:]] == ["minutes.signed", "minutes.proved"]
    assert log[-1]["body"]["minutes"]["stage"] == "signed"


def test_the_archive_keeps_every_version_and_still_lets_none_go(frozen, pki):
    pki.away.add("tsa")
    sign(frozen, "secretary", "chair")
    pki.away.clear()
    let_the_worker_run(frozen)
    with frozen.client.app.state.db.read() as tx:
        document = tx.get_one(Document, tx.get_one(Minutes, frozen.house.meeting_id).document_id)
        versions = list(tx.scalars(select(DocumentVersion).where(DocumentVersion.document_id == document.id)))
        assert [(one.number, one.state) for one in versions] == [(number, "held") for number in (1, 2, 3, 4)]
        assert (document.current, document.immutable) == (4, True)
        with pytest.raises(ArchivedDocument):
            withdraw(tx, versions[-1])


def test_the_chair_signs_what_was_proved_meanwhile(frozen, pki):
    pki.away.add("tsa")
    half = sign(frozen, "secretary")
    pki.away.clear()
    let_the_worker_run(frozen)
    assert stamped(frozen) == [True]
    assert sign(frozen, "chair").startswith(half)
    found = judge(frozen, pki)
    assert found.ok
    assert [one.level for one in found.validation.signatures] == ["B-LT", "B-LT"]
    assert waiting(frozen) == []


def test_minutes_that_need_no_proof_or_were_sent_back_are_left_alone(frozen):
    whole = sign(frozen, "secretary")
    assert waiting(frozen) == []
    job(frozen)()
    assert frozen.call("m3", "GET", "minutes.pdf").content == whole
    assert frozen.call("chair", "POST", "minutes/return", json={"reason": "Sai ngày"}).status_code == 204
    job(frozen)()
    assert frozen.call("m3", "GET", "minutes").json()["stage"] == "draft"
    assert told(frozen, "minutes.proved") == 0


def test_a_certificate_that_turns_out_revoked_is_recorded_and_not_asked_for_again(frozen, pki):
    own = (pki.folder / "secretary.p12").read_bytes()
    pki.away.add("ocsp")
    try:
        shutil.copy(pki.p12("revoked"), pki.p12("secretary"))
        before = sign(frozen, "secretary")
    finally:
        (pki.folder / "secretary.p12").write_bytes(own)
    pki.away.clear()
    let_the_worker_run(frozen)
    assert (told(frozen, "minutes.not-proved"), told(frozen, "minutes.proved")) == (1, 0)
    assert frozen.call("m3", "GET", "minutes.pdf").content == before


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59+00:00"])
def test_a_time_at_the_edge_of_the_calendar_is_told_as_the_file_has_it(edge):
    assert instant(edge) == edge
