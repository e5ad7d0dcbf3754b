"""A delegate's notes: on every device the same, to others invisible unless shared, and carried along on a copy."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pikepdf
import pytest
from sqlalchemy import select

from docs_store import annotations
from docs_store.pdf import Inspected
from docs_store.store import Blob
from meetings.notes import actions as notes
from meetings.notes.models import Note
from meetings.papers import actions as papers
from shared import clock
from shared.audit import AuditEvent
from shared.problems import Problem
from tests.meetings.scene import NOTE, PDF, upload

INK = {"version": 1, "page": 0, "kind": "ink", "strokes": [[[100, 100, 50], [200, 150, 70]]]}
HIGHLIGHT = {"version": 1, "page": 0, "kind": "highlight", "quads": [[0, 10, 90, 10, 0, 0, 90, 0]], "color": "#FFE066"}


FOUND = Inspected(PDF, "0" * 64, 1, ((595.0, 842.0),), ("Du toan ngan sach",), (), signed=False)


@pytest.fixture
def paper_id(web) -> str:
    """A published paper of one page; how it is taken in is tested in test_papers.py."""
    app, secretary = web.client.app, web.house.seats["secretary"]
    blob = app.state.store.put(PDF)
    plan = {"item_id": web.house.item_id, "name": "a.pdf", "title": "Tờ trình", "audience": "all"}
    with app.state.db.write() as tx:
        made = papers.add_paper(tx, clock.now(), secretary, **plan, blob=blob, found=FOUND)[0].id
        papers.publish(tx, clock.now(), secretary)
    return made


def put(web, who: str, paper_id: str, body: dict[str, Any], note_id: str | None = None) -> Any:
    return web.call(who, "PUT", f"papers/{paper_id}/notes/{note_id or uuid4()}", json=body)


def listed(web, who: str, paper_id: str) -> dict[str, dict[str, Any]]:
    return {note["id"]: note for note in web.call(who, "GET", f"papers/{paper_id}/notes").json()}


def events(web, who: str) -> int:
    return web.call(who, "GET", "").json()["seq"]


def refused(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("body", [INK, HIGHLIGHT, NOTE], ids=lambda body: body["kind"])
def test_a_note_comes_back_as_it_was_put(web, paper_id, body):
    made = put(web, "m3", paper_id, body).json()
    assert {name: made[name] for name in body} == body
    assert (made["rev"], made["mine"], made["shared"], made["deleted"]) == (1, True, False, False)
    assert listed(web, "m3", paper_id) == {made["id"]: made}


def test_the_same_again_changes_nothing_whatever_the_revision(web, paper_id):
    first = put(web, "m3", paper_id, NOTE).json()
    before = events(web, "m3")
    for rev in (0, 1, 99):
        assert put(web, "m3", paper_id, NOTE | {"rev": rev}, first["id"]).json() == first
    assert events(web, "m3") == before


def test_a_change_that_knows_the_last_one_is_taken_and_an_older_one_is_a_conflict(web, paper_id):
    note_id = put(web, "m3", paper_id, NOTE).json()["id"]
    changed = put(web, "m3", paper_id, NOTE | {"text": "Lần hai", "rev": 1}, note_id).json()
    assert (changed["rev"], changed["text"]) == (2, "Lần hai")
    for rev in (0, 1, 3):
        late = put(web, "m3", paper_id, NOTE | {"text": "Máy khác, chuyện riêng", "rev": rev}, note_id)
        assert refused(late) == (409, "note-conflict")
        assert (late.json()["facts"]["note"]["text"], late.json()["facts"]["note"]["rev"]) == ("Lần hai", 2)
    assert listed(web, "m3", paper_id)[note_id] == changed


def test_the_record_of_a_conflict_holds_no_word_of_a_private_note(web, paper_id):
    note_id = put(web, "m3", paper_id, INK | {"text": "chuyện riêng"}).json()["id"]
    assert refused(put(web, "m3", paper_id, INK | {"text": "chuyện khác"}, note_id)) == (409, "note-conflict")
    with web.client.app.state.db.read() as tx:
        [record] = tx.scalars(select(AuditEvent).where(AuditEvent.act == "refused.note-conflict")).all()
    assert record.facts == {"facts": {}}


def test_a_deleted_note_leaves_a_tombstone_for_its_author_alone(web, paper_id):
    note_id = put(web, "m3", paper_id, NOTE | {"shared": True}).json()["id"]
    assert note_id in listed(web, "m4", paper_id)
    gone = {"version": 1, "page": 0, "kind": "text", "deleted": True, "shared": True, "rev": 1}
    assert put(web, "m3", paper_id, gone, note_id).json()["rev"] == 2
    assert listed(web, "m3", paper_id)[note_id]["deleted"]
    assert (listed(web, "m4", paper_id), web.call("m3", "GET", "notes").json()) == ({}, [])


def test_a_private_note_is_its_authors_alone(web, paper_id):
    before = events(web, "chair")
    note_id = put(web, "m3", paper_id, NOTE | {"text": "chuyện riêng"}).json()["id"]
    assert events(web, "chair") == before
    for who in ("chair", "secretary", "m4", "teller"):
        assert listed(web, who, paper_id) == {}
        assert web.call(who, "GET", "notes").json() == []
        assert "riêng" not in web.call(who, "GET", "").text
        assert refused(put(web, who, paper_id, NOTE | {"rev": 1}, note_id)) == (404, "not-found")
    assert b"/NM" not in web.call("chair", "GET", f"papers/{paper_id}/copy").content
    assert refused(web.call("guest", "GET", f"papers/{paper_id}/notes")) == (403, "forbidden")


def test_a_shared_note_is_seen_by_delegates_until_it_is_private_again(web, paper_id):
    note_id = put(web, "m3", paper_id, NOTE | {"shared": True}).json()["id"]
    seen = listed(web, "m4", paper_id)[note_id]
    assert (seen["mine"], seen["author_id"], seen["text"]) == (False, web.house.seats["m3"].member_id, "Hỏi lại")
    before = events(web, "m4")
    put(web, "m3", paper_id, NOTE | {"rev": 1}, note_id)
    assert listed(web, "m4", paper_id) == {}
    assert events(web, "m4") == before + 1  # so that the others' screens take it away
    assert web.call("m4", "GET", "notes").json() == []


def test_after_the_close_a_note_is_written_and_taken_back_but_not_shared(web, paper_id):
    note_id = put(web, "m3", paper_id, NOTE | {"shared": True}).json()["id"]
    web.house.open()
    assert web.call("chair", "POST", "close").status_code == 204
    own = put(web, "m3", paper_id, NOTE).json()["id"]
    for changed, rev in ((own, 1), (note_id, 1)):
        answer = put(web, "m3", paper_id, NOTE | {"shared": True, "rev": rev, "text": "Nói thêm"}, changed)
        assert refused(answer) == (409, "meeting-not-in-stage")
    assert [note["text"] for note in listed(web, "m4", paper_id).values()] == ["Hỏi lại"]
    assert put(web, "m3", paper_id, NOTE | {"shared": True, "deleted": True, "rev": 1}, note_id).status_code == 200
    assert listed(web, "m4", paper_id) == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "ink"}, "note-empty"),
        ({"kind": "highlight"}, "note-empty"),
        ({"kind": "text", "at": None}, "note-empty"),
        ({"kind": "ink", "strokes": []}, "note-empty"),
        ({"kind": "ink", "strokes": [[]]}, "invalid-input"),
        ({"page": 1}, "note-page-missing"),
        ({"page": 100_000, "deleted": True}, "note-page-missing"),
        ({"version": 2}, "not-found"),
    ],
)
def test_a_note_that_stands_nowhere_is_refused(web, paper_id, change, code):
    answer = put(web, "m3", paper_id, NOTE | change)
    assert answer.json()["code"] == code
    assert answer.status_code == (404 if code == "not-found" else 422)
    assert listed(web, "m3", paper_id) == {}


def test_notes_are_searched_without_marks(web, paper_id):
    texts = ["Hỏi lại Sở Tài chính", "Đồng ý", "Ho\u0309i thêm"]
    for text in texts:
        put(web, "m3", paper_id, NOTE | {"text": text})

    def found(query: str) -> set[str]:
        return {note["text"] for note in web.call("m3", "GET", "notes", params={"q": query}).json()}

    assert found("hoi") == {"Hỏi lại Sở Tài chính", "Hỏi thêm"}
    assert found("DONG Y") == {"Đồng ý"}
    assert len(found("")) == 3
    assert found("không có") == set()


def test_a_copy_carries_ones_own_and_the_shared_notes_as_annotations(web, paper_id):
    put(web, "m3", paper_id, INK)
    put(web, "m3", paper_id, HIGHLIGHT)
    put(web, "m3", paper_id, NOTE | {"text": "Của tôi <script>"})
    put(web, "m4", paper_id, NOTE | {"text": "Chung", "shared": True})
    put(web, "m4", paper_id, NOTE | {"text": "Riêng của m4"})
    gone = put(web, "m3", paper_id, NOTE | {"text": "Xóa rồi"}).json()["id"]
    put(web, "m3", paper_id, NOTE | {"deleted": True, "rev": 1}, gone)
    answer = web.call("m3", "GET", f"papers/{paper_id}/copy")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "T%E1%BB%9D%20tr%C3%ACnh%20-%20ghi%20ch%C3%BA.pdf" in answer.headers["content-disposition"]
    with pikepdf.open(io.BytesIO(answer.content)) as pdf:
        found = {
            (str(one.Subtype), str(one.T).rsplit(maxsplit=1)[-1], str(one.get("/Contents", ""))) for one in pdf.pages[0].Annots
        }
    assert found == {
        ("/Ink", "M3", ""),
        ("/Highlight", "M3", ""),
        ("/Text", "M3", "Của tôi <script>"),
        ("/Text", "M4", "Chung"),
    }
    original = web.call("m3", "GET", f"papers/{paper_id}/file").content
    assert answer.content.startswith(original)


def test_others_who_share_more_ink_than_a_copy_holds_spoil_nobodys_copy(web, paper_id, monkeypatch):
    monkeypatch.setattr(annotations, "MAX_POINTS", 3)
    for who in ("m4", "m3", "m5"):
        put(web, who, paper_id, INK | {"shared": True})
    for who, name in (("m3", "M3"), ("m5", "M5")):
        with pikepdf.open(io.BytesIO(web.call(who, "GET", f"papers/{paper_id}/copy").content)) as pdf:
            assert [str(one.T).split()[-1] for one in pdf.pages[0].Annots] == [name]
    put(web, "m3", paper_id, INK)
    refused = web.call("m3", "GET", f"papers/{paper_id}/copy")
    assert (refused.status_code, refused.json()["code"], refused.json()["facts"]) == (422, "too-much-ink", {"limit": 3})
    assert "3 điểm" in refused.json()["title"]


def test_notes_stay_with_the_version_they_were_written_on(web, paper_id):
    note_id = put(web, "m3", paper_id, NOTE).json()["id"]
    web.call("secretary", "POST", f"papers/{paper_id}/versions", **upload())
    web.call("secretary", "POST", "publish")
    assert listed(web, "m3", paper_id)[note_id]["version"] == 1
    assert b"/NM" not in web.call("m3", "GET", f"papers/{paper_id}/copy").content
    assert b"/NM" in web.call("m3", "GET", f"papers/{paper_id}/copy?version=1").content


@pytest.fixture
def on_paper(house) -> Callable[..., str]:
    """Puts a note, its number repeated as its id, on a published paper; its text, or the refusal."""
    secretary, blob = house.seats["secretary"], Blob("0" * 64, 9)
    plan = {"item_id": house.item_id, "name": "a.pdf", "title": None, "audience": "all"}
    with house.db.write() as tx:
        paper = papers.add_paper(tx, clock.now(), secretary, **plan, blob=blob, found=FOUND)[0].id
        papers.publish(tx, clock.now(), secretary)
    usual = {"strokes": [], "quads": [], "color": "#1E4C9A", "width": 15, "shared": False, "deleted": False, "rev": 0}

    def on_paper(number: int, text: str, who: str = "m3", **changes: Any) -> str:
        body = NOTE | usual | {"text": text} | changes
        try:
            with house.db.write() as tx:
                return notes.put_note(tx, clock.now(), house.seats[who], paper, str(number) * 32, body).text
        except Problem as refusal:
            return refusal.code

    return on_paper


def test_what_one_person_may_keep_on_a_paper_is_bounded_and_may_still_be_made_less(on_paper, monkeypatch):
    monkeypatch.setattr(notes, "MOST", 4500)
    assert on_paper(9, "", strokes=[[[100, 100, 50]] * 400]) == "notes-full"
    assert [on_paper(number, "Hỏi lại") for number in (1, 2, 3, 4, 5)] == [*["Hỏi lại"] * 4, "notes-full"]
    assert on_paper(1, "Hỏi", rev=1) == "Hỏi"
    assert on_paper(1, "Hỏi lại", rev=2) == "notes-full", "each change counts, so that nobody tells the others of one for ever"
    assert on_paper(2, "Hỏi lại", rev=1, deleted=True) == "Hỏi lại"
    assert on_paper(2, "Hỏi lại", rev=2) == "notes-full"
    assert on_paper(6, "", deleted=True) == "notes-full", "a tombstone takes room too"
    assert on_paper(7, "Hỏi lại", "m4") == "Hỏi lại"


def test_a_note_sent_by_two_devices_at_once_is_one_note(house, on_paper):
    def device(text: str) -> str:
        return on_paper(0, text)

    with ThreadPoolExecutor(6) as pool:
        same = set(pool.map(device, ["a"] * 6))
        other = sorted(pool.map(device, ["b"] * 3))
    assert (same, other) == ({"a"}, ["note-conflict"] * 3)
    with house.db.read() as tx:
        [kept] = tx.scalars(select(Note)).all()
    assert (kept.rev, kept.text) == (1, "a")
