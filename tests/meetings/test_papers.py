"""Papers: taken in, published, replaced, withdrawn, read by whom they are for, and refused without a trace."""

import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from prometheus_client import generate_latest
from sqlalchemy import func, select

from docs_store import places, sandbox
from docs_store.models import Document, DocumentVersion
from docs_store.pdf import Inspected
from docs_store.store import Blob, Store
from meetings.live import log
from meetings.minutes import actions as minutes
from meetings.papers import actions
from meetings.papers.models import Paper, Release
from meetings.papers.problems import NothingToPublish
from shared import clock
from shared.audit import AuditEvent
from tests.docs_store.papers import one_page, paper
from tests.meetings.scene import PDF, upload

SECOND = one_page(b"BT /F1 12 Tf 72 700 Td (Ban thu hai) Tj ET")


def add(web, content: bytes = PDF, name: str = "to-trinh.pdf", who: str = "secretary", **form: str) -> Any:
    return web.call(who, "POST", f"items/{web.house.item_id}/papers", data=form, **upload(content, name))


def added(web, *arguments: Any, **form: str) -> str:
    answer = add(web, *arguments, **form)
    assert answer.status_code == 201, answer.text
    return answer.json()["paper_id"]


def publish(web) -> dict[str, Any]:
    return web.call("secretary", "POST", "publish").json()


def seen(web, who: str) -> dict[str, int]:
    """Title to version, as this person's screen has it."""
    return {one["title"]: one["version"] for one in web.call(who, "GET", "").json()["state"]["papers"].values()}


def refused(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_paper_waits_until_it_is_published(web):
    answer = add(web, title="  Tờ trình  ")
    assert answer.status_code == 201
    draft = answer.json()
    assert (draft["version"], draft["pages"], draft["replaced"]) == (1, 1, False)
    file = f"papers/{draft['paper_id']}/file"
    assert (seen(web, "secretary"), refused(web.call("m3", "GET", file))) == ({}, (404, "not-found"))
    assert web.call("secretary", "GET", file).status_code == 200
    assert publish(web) == {"first": False, "papers": 1, "notices": 0}
    assert seen(web, "m3") == {"Tờ trình": 1}
    assert web.call("m3", "GET", file).content.startswith(b"%PDF-")


def test_the_same_name_under_the_item_makes_a_new_version_and_the_old_one_stays(web):
    paper_id = added(web)
    publish(web)
    again = add(web, SECOND).json()
    assert (again["paper_id"], again["version"], again["replaced"]) == (paper_id, 2, True)
    assert seen(web, "m3") == {"to-trinh": 1}
    for path in (f"papers/{paper_id}/file?version=2", f"papers/{paper_id}/copy?version=2"):
        assert refused(web.call("m3", "GET", path)) == (404, "not-found")
    assert publish(web)["papers"] == 1
    assert seen(web, "m3") == {"to-trinh": 2}
    first, second = (web.call("m3", "GET", f"papers/{paper_id}/file?version={number}").content for number in (1, 2))
    assert first != second == web.call("m3", "GET", f"papers/{paper_id}/file").content
    third = web.call("secretary", "POST", f"papers/{paper_id}/versions", **upload(PDF, "ten-khac.pdf")).json()
    assert (third["paper_id"], third["version"], third["replaced"]) == (paper_id, 3, True)


@pytest.mark.parametrize(
    ("audience", "readers"),
    [
        ("all", {"chair", "secretary", "m3", "teller", "guest"}),
        ("delegates", {"chair", "secretary", "m3", "teller"}),
        ("desk", {"chair", "secretary"}),
    ],
)
def test_a_paper_is_for_its_audience_in_every_way_it_can_be_reached(web, audience, readers):
    paper_id = added(web, audience=audience, title="Tờ trình")
    publish(web)
    for who in ("chair", "secretary", "m3", "teller", "guest"):
        may = who in readers
        assert ("Tờ trình" in seen(web, who)) is may
        copies = [("GET", "copy")] if who in ("m3", "guest") else []  # each takes a process of its own
        for method, path in (("GET", "file"), ("HEAD", "file"), ("GET", "text?q=du"), ("GET", "notes"), *copies):
            answer = web.call(who, method, f"papers/{paper_id}/{path}")
            if may and not (who == "guest" and path in ("copy", "notes")):
                assert answer.status_code == 200
            else:
                assert answer.status_code in (403, 404)
        tag = web.call("secretary", "GET", f"papers/{paper_id}/file").headers["etag"]
        known = web.call(who, "GET", f"papers/{paper_id}/file", headers={"if-none-match": tag, "range": "bytes=0-1"})
        assert known.status_code == (304 if may else 404)


def test_who_may_read_is_settled_before_publishing(web):
    paper_id = added(web)
    assert web.call("secretary", "PATCH", f"papers/{paper_id}", json={"audience": "desk"}).status_code == 204
    publish(web)
    assert seen(web, "m3") == {}
    answer = web.call("secretary", "PATCH", f"papers/{paper_id}", json={"audience": "all", "title": "Khác"})
    assert refused(answer) == (409, "paper-already-published")
    assert seen(web, "secretary") == {"to-trinh": 1}
    assert web.call("secretary", "PATCH", f"papers/{paper_id}", json={"audience": "desk", "title": "Khác"}).status_code == 204
    assert (seen(web, "secretary"), seen(web, "m3")) == ({"Khác": 1}, {})


def test_a_withdrawn_paper_is_closed_to_all_but_the_desk_and_its_name_is_free(web):
    paper_id = added(web)
    publish(web)
    web.call("m3", "POST", f"papers/{paper_id}/opened", json={"version": 1})
    assert web.call("secretary", "POST", f"papers/{paper_id}/withdraw").status_code == 204
    for path in ("file", "text?q=a", "copy", "notes"):
        assert refused(web.call("m3", "GET", f"papers/{paper_id}/{path}")) == (404, "not-found")
    assert web.call("chair", "GET", f"papers/{paper_id}/file").status_code == 200
    assert web.call("m3", "GET", "").json()["state"]["papers"][paper_id]["withdrawn"]
    fresh = add(web).json()
    assert (fresh["version"], fresh["paper_id"] != paper_id) == (1, True)


def test_the_file_comes_whole_by_range_and_revalidated(web):
    paper_id = added(web)
    publish(web)
    path = f"papers/{paper_id}/file"
    whole = web.call("m3", "GET", path)
    content, tag = whole.content, whole.headers["etag"]
    assert tag == f'"{hashlib.sha256(content).hexdigest()}"'
    assert whole.headers["content-disposition"].startswith("inline;")
    assert whole.headers["content-security-policy"].startswith("sandbox")
    assert whole.headers["cache-control"].startswith("private")
    part = web.call("m3", "GET", path, headers={"range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, content[5:15])
    assert part.headers["content-range"] == f"bytes 5-14/{len(content)}"
    beyond = web.call("m3", "GET", path, headers={"range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.content) == (416, b"")
    assert web.call("m3", "GET", path, headers={"if-none-match": tag}).status_code == 304
    head = web.call("m3", "HEAD", path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))


def test_words_are_found_with_and_without_marks(web):
    paper_id = added(web, paper(pages=2))
    publish(web)

    def hits(query: str) -> list[tuple[int, str]]:
        answer = web.call("m3", "GET", f"papers/{paper_id}/text", params={"q": query})
        return [(hit["page"], hit["match"]) for hit in answer.json()["hits"]]

    assert (
        hits("chính quyền địa phương")
        == hits("chinh quyen dia phuong")
        == [(page, "chính quyền địa phương") for page in (1, 2)]
    )
    assert hits("chính quyển") == []


ENCRYPTED = io.BytesIO()
with pikepdf.open(io.BytesIO(PDF)) as document:
    document.save(ENCRYPTED, encryption=pikepdf.Encryption(owner="chu", user=""))


@pytest.mark.parametrize(
    ("content", "name", "form", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.pdf", {}, 415, "not-a-pdf"),
        (b"PK\x03\x04", "a.docx", {}, 415, "not-a-pdf"),
        (b"", "a.pdf", {}, 415, "not-a-pdf"),
        (b"junk\n" * 300 + PDF, "a.pdf", {}, 415, "not-a-pdf"),
        (ENCRYPTED.getvalue(), "a.pdf", {}, 422, "encrypted-pdf"),
        (b"%PDF-1.7\n" + b"x" * 3000, "a.pdf", {}, 422, "broken-pdf"),
        (one_page(media_box=b"[0 0 2000000 842]"), "a.pdf", {}, 422, "hostile-pdf"),
        (PDF, "Ke hoach (TUYET MAT).pdf", {}, 422, "state-secret"),
        (one_page(b"BT /F1 12 Tf 72 700 Td (TUYET MAT) Tj ET"), "a.pdf", {}, 422, "state-secret"),
        (PDF, "a.pdf", {"audience": "everyone"}, 422, "invalid-input"),
        (PDF, "a.pdf", {"title": "x" * 501}, 422, "invalid-input"),
    ],
)
def test_a_file_that_is_refused_leaves_one_record_and_nothing_else_behind(web, content, name, form, status, code):
    path = f"items/{web.house.item_id}/papers"
    before = web.call("secretary", "GET", "").json()
    answer = web.call("secretary", "POST", path, data=form, **upload(content, name))
    assert refused(answer) == (status, code)
    assert web.call("secretary", "GET", "").json() == before
    app = web.client.app
    with app.state.db.read() as tx:
        for table in (Paper, Document, DocumentVersion):
            assert tx.scalar(select(func.count()).select_from(table)) == 0
        told = [row for row in tx.scalars(select(AuditEvent)) if row.act.startswith("refused.")]
    expected = [] if code == "invalid-input" else [(f"refused.{code}", f"POST /api/meetings/{web.house.meeting_id}/{path}")]
    assert [(row.act, row.object) for row in told] == expected
    if code != "invalid-input":
        assert [file for file in Path(app.state.settings.storage_url).rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("arguments", [{}, {"data": {"file": "text"}}, {"json": {}}, {"files": {"file": ("", PDF)}}])
def test_a_form_without_a_file_is_refused(web, arguments):
    for path in (f"items/{web.house.item_id}/papers", "papers/x/versions"):
        assert refused(web.call("secretary", "POST", path, **arguments)) == (422, "invalid-input")


def test_a_form_of_too_many_parts_is_refused_at_once(web):
    many = [("file", (f"{number}.pdf", b"%PDF-")) for number in range(1100)]
    answer = web.call("secretary", "POST", f"items/{web.house.item_id}/papers", files=many)
    assert refused(answer) == (400, "bad-request")
    declared = {"content-length": str(200 << 20), "content-type": "multipart/form-data; boundary=x"}
    answer = web.call("secretary", "POST", f"items/{web.house.item_id}/papers", content=b"--x", headers=declared)
    assert refused(answer) == (413, "too-large")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.pdf", "..\\x.pdf", "C:\\x.pdf", "a\nSet-Cookie: x.pdf", "x" * 900 + ".pdf", "\u202efdp.exe"]
)
def test_a_name_of_a_file_is_only_a_name(web, name):
    answer = add(web, PDF, name)
    assert answer.status_code == 201
    file = web.call("secretary", "GET", f"papers/{answer.json()['paper_id']}/file")
    header = file.headers["content-disposition"]
    assert header.isascii()
    assert not set("/\\\n") & set(header)


def test_active_content_is_cut_out_and_told_to_the_desk(web):
    script = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
    answer = add(web, one_page(catalog=b"/OpenAction " + script)).json()
    assert [warning["code"] for warning in answer["warnings"]].count("active-content-removed") == 1
    assert b"JavaScript" not in web.call("secretary", "GET", f"papers/{answer['paper_id']}/file").content
    [shown] = web.call("chair", "GET", "papers/desk").json()
    assert shown["versions"][0]["warnings"] == answer["warnings"]


def test_the_desk_sees_who_has_read_the_newest_version(web):
    paper_id = added(web)
    assert refused(web.call("m3", "POST", f"papers/{paper_id}/opened", json={"version": 1})) == (404, "not-found")
    publish(web)
    ids = {name: web.house.seats[name].member_id for name in web.house.seats}
    for who in ("m3", "m3", "m4"):
        assert web.call(who, "POST", f"papers/{paper_id}/opened", json={"version": 1}).status_code == 204
    readers = web.call("secretary", "GET", f"papers/{paper_id}/readers").json()
    assert set(readers["opened"]) == {ids["m3"], ids["m4"]}
    assert set(readers["not_opened"]) == set(ids.values()) - {ids["m3"], ids["m4"], ids["guest"]}
    [shown] = web.call("secretary", "GET", "papers/desk").json()
    assert (shown["opened"], shown["openable"]) == (2, 7)
    add(web, SECOND)
    publish(web)
    assert web.call("secretary", "GET", f"papers/{paper_id}/readers").json()["opened"] == []


def test_the_chair_leads_all_to_a_page_that_all_may_see(web):
    web.house.open()
    paper_id = added(web, paper(pages=2))
    assert refused(web.call("chair", "POST", "lead", json={"paper_id": paper_id, "page": 1})) == (404, "not-found")
    publish(web)
    assert web.call("chair", "POST", "lead", json={"paper_id": paper_id, "page": 2}).status_code == 204
    assert web.call("m3", "GET", "").json()["state"]["meeting"]["lead"] == {"paper_id": paper_id, "page": 2}
    for wrong in ({"paper_id": paper_id, "page": 3}, {"paper_id": paper_id}):
        assert refused(web.call("chair", "POST", "lead", json=wrong)) == (404, "not-found")
    assert web.call("chair", "POST", "lead", json={"paper_id": None}).status_code == 204
    assert web.call("m3", "GET", "").json()["state"]["meeting"]["lead"] is None


@pytest.mark.parametrize("risen", [False, True])
def test_a_page_of_a_paper_that_is_withdrawn_is_shown_no_longer(web, risen):
    web.house.open()
    papers = [added(web), added(web, SECOND, "khac.pdf")]
    publish(web)
    assert web.call("chair", "POST", "lead", json={"paper_id": papers[0], "page": 1}).status_code == 204
    assert not risen or web.call("chair", "POST", "adjourn").status_code == 204
    for paper_id, lead in ((papers[1], {"paper_id": papers[0], "page": 1}), (papers[0], None)):
        assert web.call("secretary", "POST", f"papers/{paper_id}/withdraw").status_code == 204
        assert web.call("m3", "GET", "").json()["state"]["meeting"]["lead"] == lead
    with web.client.app.state.db.read() as tx:
        told = [line.body["type"] for line in log.tail(tx, web.house.meeting_id, 0)]
    assert told[-3:] == ["paper.withdrawn", "paper.withdrawn", "page.led"]


def test_two_who_publish_at_once_let_a_version_out_once(house):
    found = Inspected(b"", "0" * 64, 1, ((595.0, 842.0),), ("",), (), signed=False)
    with house.db.write() as tx:
        put = {
            "item_id": house.item_id,
            "name": "a.pdf",
            "title": None,
            "audience": "all",
            "blob": Blob("0" * 64, 9),
            "found": found,
        }
        actions.add_paper(tx, clock.now(), house.seats["secretary"], **put)

    def let_out(_: int) -> str:
        try:
            with house.db.write() as tx:
                return str(actions.publish(tx, clock.now(), house.seats["secretary"]))
        except NothingToPublish as refusal:
            return refusal.code

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(let_out, range(4)))
    assert sorted(answers) == [*["(False, 1, 0)"], *["nothing-to-publish"] * 3]
    with house.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(Release)) == 1


@pytest.mark.parametrize(
    ("path", "where", "name"),
    [("papers/{}/copy", sandbox, "run"), ("papers/{}/file", Store, "read"), ("minutes.pdf", minutes, "typeset")],
)
def test_no_transaction_is_open_while_a_paper_is_fetched_or_made(web, monkeypatch, path, where, name):
    """The store may be far away, and there are few places for those who wait for a process."""
    db, at_work, free = web.client.app.state.db, getattr(where, name), []

    def look(*arguments: Any, **named: Any) -> Any:
        # Asked more than once: the worker of the jobs takes a connection now and then.
        free.append(any(not (db.engine.pool.checkedout() or db._turn.locked()) or time.sleep(0.01) for _ in range(200)))
        return at_work(*arguments, **named)

    paper_id = added(web)
    publish(web)
    web.house.open()
    web.call("chair", "POST", "close")
    monkeypatch.setattr(where, name, look)
    assert web.call("m3", "GET", path.format(paper_id)).status_code == 200
    assert free == [True]


def test_with_a_disk_nearly_full_no_paper_is_taken_and_the_vote_goes_on(web, monkeypatch):
    web.house.open()
    poll = web.house.open_poll()
    monkeypatch.setattr(places, "LEAST_FREE", 1 << 62)
    assert refused(add(web)) == (507, "no-room")
    assert "dienhong_storage_nearly_full 1.0" in generate_latest().decode()
    assert web.house.cast("m3", poll, "in_favour").receipt
    assert web.client.get("/readyz").status_code == 200
    monkeypatch.undo()
    assert add(web).status_code == 201
