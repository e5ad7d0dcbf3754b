"""The minutes: begun by the close, written from the log, corrected, frozen, returned. Signing: test_signing.py."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pikepdf
import pytest
from pypdf import PdfReader
from sqlalchemy import func, select

from docs_store.models import Document
from docs_store.store import derive_key, open_store
from meetings.agenda.actions import Meeting
from meetings.attendance import actions as attendance
from meetings.bodies.models import Member
from meetings.bodies.rules import Role
from meetings.bodies.sheet import Row
from meetings.minutes import actions
from meetings.minutes.draft import UNPRINTABLE, printable
from meetings.minutes.models import Minutes
from meetings.minutes.problems import MinutesChanged, MinutesNotInStage
from meetings.minutes.recount import recount
from meetings.minutes.rules import TURNS, MinutesStage, Signatory, turn
from shared import clock

STALE = {"auth_time": int((clock.now() - timedelta(minutes=6)).timestamp())}


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def over(web):
    """The house's meeting, after a vote, a speech and an excuse, closed."""
    house = web.house
    absent = house.seats["m6"].member_id
    web.call("secretary", "PUT", f"attendance/{absent}", json={"state": "excused", "reason": "đi công tác"})
    house.open(present=5)
    speech = web.call("m3", "POST", "speeches", json={"kind": "debate"}).json()["id"]
    for verb in ("give", "end"):
        assert web.call("chair", "POST", f"speeches/{speech}/{verb}").status_code == 204
    poll = house.open_poll(title="Thông qua Nghị quyết về dự toán")
    for name, choice in (
        ("chair", "in_favour"),
        ("secretary", "in_favour"),
        ("m3", "in_favour"),
        ("m4", "in_favour"),
        ("m5", "against"),
    ):
        house.cast(name, poll, choice)
    house.close_poll(poll)
    assert web.call("chair", "POST", "close").status_code == 204
    return web


def minutes(web, who: str = "secretary") -> dict[str, Any]:
    return web.call(who, "GET", "minutes").json()


def save(web, revision: int, **texts: str) -> Any:
    return web.call("secretary", "PUT", "minutes", json={"revision": revision, "texts": texts})


def test_there_are_no_minutes_before_the_end(web):
    web.house.open()
    for method, path in (
        ("GET", "minutes"),
        ("GET", "minutes.pdf"),
        ("GET", "minutes/evidence.json"),
        ("POST", "minutes/freeze"),
    ):
        assert refused(web.call("secretary", method, path)) == (404, "not-found")
    assert refused(save(web, 1, content="a")) == (404, "not-found")
    assert refused(web.call("chair", "POST", "minutes/sign")) == (404, "not-found")
    assert refused(web.call("chair", "POST", "minutes/return", json={"reason": "a"})) == (404, "not-found")


def test_the_draft_says_what_the_log_says(over):
    draft = minutes(over, "m3")
    assert (draft["stage"], draft["revision"], draft["signatures"]) == ("draft", 1, [])
    assert [section["key"] for section in draft["sections"]] == ["opening", "attendance", "content", "voting", "closing"]
    parts = {section["key"]: " ".join(section["paragraphs"]) for section in draft["sections"]}
    assert "ông Nguyễn Văn Chair" in parts["opening"]
    assert "đi công tác" in parts["attendance"]
    for words in ("6", "5", "1", "Nguyễn Văn M6"):
        assert words in parts["attendance"]
    assert "Dự toán" in parts["content"]
    assert "Sở Tài chính" in parts["content"]
    assert "Nguyễn Văn M3" in parts["content"]
    [vote] = draft["sections"][3]["votes"]
    assert (vote["number"], vote["counts"]) == ("1.1", [4, 1, 0, 0, 1])
    assert "Thông qua Nghị quyết về dự toán" in vote["heading"]
    assert "tán thành 4 (66,7%): thông qua" in vote["sum"]


def test_who_comes_late_is_not_told_as_missing_and_who_goes_early_is_told(web):
    house = web.house
    house.open(present=4)
    house.check_in(["m5"])
    for name, state in (("m4", "excused"), ("m3", "absent"), ("m3", "present")):
        answer = {"state": state, "reason": "đi công tác" if state == "excused" else ""}
        web.call("secretary", "PUT", f"attendance/{house.seats[name].member_id}", json=answer)
    assert web.call("chair", "POST", "close").status_code == 204
    told = minutes(web)["sections"][1]["paragraphs"]
    names = {name: [line for line in told if f"Nguyễn Văn {name}" in line] for name in ("M3", "M4", "M5", "M6")}
    assert [line.partition(":")[0] for line in names["M5"]] == ["Đến sau khi khai mạc"]
    assert names["M6"] == ["Vắng mặt: ông Nguyễn Văn M6 (không nêu lý do)."]
    [gone] = names["M4"]
    assert gone.startswith("Vắng mặt từ ")
    assert gone.endswith("ông Nguyễn Văn M4 (đi công tác).")
    assert names["M3"] == []
    assert "có mặt 4; vắng mặt 2" in told[0]


def test_the_signatures_never_stand_alone_on_the_last_page(over):
    seen = set()
    for revision, lines in enumerate(range(0, 60, 4), 1):
        assert save(over, revision, content="\n".join(["Đại biểu thảo luận."] * lines)).status_code == 204
        pages = PdfReader(io.BytesIO(over.call("m3", "GET", "minutes.pdf").content)).pages
        seen.add(len(pages))
        last = pages[-1].extract_text()
        assert "THƯ KÝ" in last
        assert "nhật ký sự kiện" in last, f"{lines} lines"
    assert len(seen) > 1


def test_the_secretarys_words_are_kept_by_revision(over):
    assert save(over, 1, content="  Đại biểu thảo luâ\u0323n ", closing="").status_code == 204
    draft = minutes(over)
    assert draft["revision"] == 2
    assert {section["key"]: section["text"] for section in draft["sections"] if section["text"]} == {
        "content": "Đại biểu thảo luận"
    }
    late = save(over, 1, content="Của người khác")
    assert refused(late) == (409, "minutes-changed")
    assert late.json()["facts"] == {"revision": 2}
    assert minutes(over) == draft
    for wrong in ({"votes": "31"}, {"opening": "x" * 20_001}):
        assert refused(save(over, 2, **wrong)) == (422, "invalid-input")


def test_a_draft_can_be_read_as_pdf_and_says_that_it_is_one(over):
    answer = over.call("m3", "GET", "minutes.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    with pikepdf.open(io.BytesIO(answer.content)) as pdf:
        assert len(pdf.attachments) == 0
        assert "/AcroForm" not in pdf.Root


def test_frozen_minutes_do_not_change_by_a_byte_and_carry_their_evidence(over):
    save(over, 1, content="Thảo luận")
    assert over.call("secretary", "POST", "minutes/freeze").status_code == 204
    frozen = minutes(over)
    assert frozen["stage"] == "frozen"
    first, second = (over.call(who, "GET", "minutes.pdf") for who in ("m3", "chair"))
    assert first.content == second.content
    assert first.headers["etag"] == f'"{frozen["sha256"]}"'
    with pikepdf.open(io.BytesIO(first.content)) as pdf:
        attached = json.loads(pdf.attachments[actions.EVIDENCE].get_file().read_bytes())
        assert [str(field.T) for field in pdf.Root.AcroForm.Fields] == ["secretary", "chair"]
    assert recount(attached).faults == []
    assert [one["counts"] for one in frozen["sections"][3]["votes"]] == [[4, 1, 0, 0, 1]]
    assert refused(save(over, 2, content="Sửa")) == (409, "minutes-not-in-stage")
    assert refused(over.call("secretary", "POST", "minutes/freeze")) == (409, "minutes-not-in-stage")
    assert over.call("m3", "GET", "minutes.pdf").content == first.content


def test_the_evidence_can_be_read_and_counted(over):
    answer = over.call("m4", "GET", "minutes/evidence.json")
    found = recount(answer.json())
    assert (found.faults, [poll["tally"]["in_favour"] for poll in found.polls]) == ([], [4])
    assert refused(over.call("guest", "GET", "minutes/evidence.json")) == (403, "forbidden")


@pytest.mark.parametrize(
    ("frozen", "who", "token", "answer"),
    [
        (False, "secretary", {}, (409, "minutes-not-in-stage")),
        (True, "chair", {}, (403, "not-your-turn")),
        (True, "secretary", STALE, (401, "fresh-sign-in-needed")),
        (True, "secretary", {}, (409, "no-signing-key")),
        (True, "m3", {}, (403, "forbidden")),
    ],
)
def test_a_signature_has_its_conditions(over, frozen, who, token, answer):
    from tests.meetings.conftest import PUBLIC_URL

    if frozen:
        over.call("secretary", "POST", "minutes/freeze")
    before = minutes(over)
    asked = over.call(who, "POST", "minutes/sign", token=over.issuer.token(who, audience=PUBLIC_URL, **token))
    assert refused(asked) == answer
    if answer[0] == 401:
        assert asked.headers["www-authenticate"] == 'Bearer error="insufficient_user_authentication", max_age="300"'
    if answer[1] == "no-signing-key":
        assert asked.json()["facts"] == {"username": "secretary"}
    assert minutes(over) == before


def test_the_chair_sends_the_minutes_back_and_they_are_a_draft_again(over):
    over.call("secretary", "POST", "minutes/freeze")
    first = minutes(over)["sha256"]
    reason = {"reason": "Thiếu ý kiến của đại biểu M3"}
    assert refused(over.call("secretary", "POST", "minutes/return", json=reason)) == (403, "not-your-turn")
    assert refused(over.call("chair", "POST", "minutes/return", json={"reason": "  "})) == (422, "invalid-input")
    assert over.call("chair", "POST", "minutes/return", json=reason).status_code == 204
    draft = minutes(over)
    assert (draft["stage"], draft["revision"], draft["sha256"]) == ("draft", 2, None)
    assert refused(over.call("chair", "POST", "minutes/return", json=reason)) == (409, "minutes-not-in-stage")
    assert save(over, 2, content="Đã bổ sung").status_code == 204
    assert over.call("secretary", "POST", "minutes/freeze").status_code == 204
    again = minutes(over)
    assert again["sha256"] not in (None, first)
    assert again["stage"] == "frozen"


def test_an_import_for_the_next_meeting_changes_nothing_in_the_minutes_of_the_last(over):
    asked = ("", "minutes/evidence.json")
    before, others = minutes(over)["sections"], [over.call("secretary", "GET", path).json() for path in asked]
    over.house.bridge("Suối Ngang", "m3")
    rows = [Row("Bà", "Lê Khác", "m6", "", "", "", "", Role.MEMBER, votes=False)]
    rows.append(Row("Bà", "Lê Mới", "moi", "", "", "", "", Role.MEMBER, votes=True))
    with over.house.db.write() as tx:
        body_id = tx.get_one(Meeting, over.house.meeting_id).body_id
        attendance.import_members(tx, clock.now(), body_id, rows, [], "-")
    assert minutes(over)["sections"] == before
    assert "Nguyễn Văn M6" in str(before)
    assert [over.call("secretary", "GET", path).json() for path in asked] == others
    assert all("Nguyễn Văn M6" in str(one) for one in others)


ODD = "Một 😀 ① ☐ 日本 \ue000 \u0007 \u200f\t½ № → ₫ <b>#eval($x$)*_`</b> \\u{41}"


def test_no_sign_in_a_title_a_name_or_a_text_keeps_the_minutes_from_being_made(web):
    """A letter that the font lacks would stop the typesetter, for good: after the close nothing can be renamed."""
    house = web.house
    with house.db.write() as tx:
        tx.get_one(Meeting, house.meeting_id).title = f"Kỳ họp {ODD}"
        member = tx.get_one(Member, house.seats["m6"].member_id)
        member.full_name, member.post = f"Nguyễn {ODD}", ODD
    web.call("secretary", "PUT", f"items/{house.item_id}", json={"title": ODD, "presenter": ODD})
    web.call("secretary", "PUT", f"attendance/{house.seats['m6'].member_id}", json={"state": "excused", "reason": ODD})
    house.open(present=5)
    house.close_poll(house.open_poll(title=ODD))
    web.call("chair", "POST", "close")
    assert save(web, 1, content=ODD, closing="\n\n" + ODD).status_code == 204
    assert web.call("m3", "GET", "minutes.pdf").status_code == 200
    assert web.call("secretary", "POST", "minutes/freeze").status_code == 204
    assert web.call("m3", "GET", "minutes/evidence.json").json()["polls"][0]["title"].startswith("Một 😀 ①")


def test_every_sign_that_is_called_printable_can_be_set(over):
    signs = "".join(sign for sign in map(chr, range(0x3000)) if not UNPRINTABLE.match(sign))
    assert len(signs) > 1500
    assert printable({"a": [signs, 7, None], "b": "😀"}) == {"a": [signs, 7, None], "b": "\ufffd"}
    assert save(over, 1, content=signs).status_code == 204
    assert over.call("m3", "GET", "minutes.pdf").status_code == 200


@pytest.mark.parametrize("stage", MinutesStage)
@pytest.mark.parametrize("role", [None, *Signatory])
def test_the_secretary_signs_first_and_then_the_chair(stage, role):
    roles = {"is_secretary": role is Signatory.SECRETARY, "is_chair": role is Signatory.CHAIR}
    if stage in TURNS and TURNS[stage][0] is role:
        assert turn(stage, **roles) == TURNS[stage]
    else:
        with pytest.raises(Exception, match=r"not-your-turn|minutes-not-in-stage") as refusal:
            turn(stage, **roles)
        assert (refusal.value.code == "not-your-turn") is (stage in TURNS)


def close(house) -> None:
    house.open()
    with house.db.write() as tx:
        actions.close_meeting(tx, clock.now(), house.seats["chair"])


def test_of_two_who_save_at_once_only_the_first_is_taken(house):
    close(house)

    def put(text: str) -> str:
        try:
            with house.db.write() as tx:
                actions.save_texts(tx, clock.now(), house.seats["secretary"], 1, {"content": text})
        except MinutesChanged:
            return "refused"
        return text

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(put, "abcde"))
    assert answers.count("refused") == 4
    with house.db.read() as tx:
        kept = tx.get_one(Minutes, house.meeting_id)
        assert (kept.revision, [kept.texts["content"]]) == (2, [one for one in answers if one != "refused"])


def test_of_two_who_freeze_at_once_only_the_first_is_taken(house):
    close(house)
    store = open_store("memory://", derive_key("x" * 32, "documents"))

    def freeze(_: int) -> str:
        try:
            actions.freeze(house.db, store, clock.now(), house.seats["secretary"])
        except MinutesNotInStage as refusal:
            return refusal.code
        return "frozen"

    with ThreadPoolExecutor(3) as pool:
        answers = sorted(pool.map(freeze, range(3)))
    assert answers == ["frozen", "minutes-not-in-stage", "minutes-not-in-stage"]
    with house.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(Document)) == 1
