"""Bodies and their members: who makes them, who imports, and all rows or none."""

import io
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import select

from meetings.access import actions as access
from meetings.access.problems import LastAdministrator, NotAnAdministrator
from meetings.bodies import actions
from meetings.bodies.models import Body, Member, members_of
from meetings.bodies.problems import RowsInvalid, UsernameTaken
from meetings.bodies.rules import LAWS, Kind, Role, Share
from meetings.bodies.sheet import COLUMNS, RowError
from shared import clock
from shared.audit import AuditEvent
from shared.problems import NotFound
from tests.makers import make_body
from tests.meetings.conftest import PUBLIC_URL
from tests.meetings.lines import ticket, turned_away

HEADINGS = list(COLUMNS)


def xlsx(*rows: list[Any]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADINGS, *rows]):
            sheet.write_row(number, 0, row)
    return buffer.getvalue()


def person(username: str, name: str = "Lê Mới", role: str = "Thành viên", votes: str = "x") -> list[str]:
    return ["Bà", name, username, f"{username}@binhlam.example", "Đại biểu", "Tổ 2", "B7", role, votes]


@pytest.fixture
def body(web):
    """The house's body, and an administrator."""
    with web.client.app.state.db.write() as tx:
        access.name_administrator(tx, clock.now(), "administrator")
        return tx.scalars(select(Body.id)).one()


def send(web, body: str, content: bytes, *, verb: str = "import", who: str = "secretary", name: str = "a.xlsx") -> Any:
    return web.call(
        who, "POST", f"/api/bodies/{body}/members/{verb}", files={"file": (name, content, "application/octet-stream")}
    )


def members(web, body: str) -> dict[str, Member]:
    with web.client.app.state.db.read() as tx:
        return {member.username: member for member in members_of(tx, body)}


@pytest.mark.parametrize("kind", Kind)
def test_a_body_has_the_rules_of_its_law(web, body, kind):
    made = web.call("administrator", "POST", "/api/bodies", json={"name": "  UBND xã  ", "kind": kind})
    law = LAWS[kind]
    assert made.status_code == 201
    assert {name: made.json()[name] for name in ("name", "quorum", "majority", "chair_breaks_tie", "my_role")} == {
        "name": "UBND xã",
        "quorum": law.quorum,
        "majority": law.majority,
        "chair_breaks_tie": law.chair_breaks_tie,
        "my_role": None,
    }
    assert (law.quorum is Share.TWO_THIRDS) is (kind is not Kind.OTHER)


def test_an_administrator_sees_every_body_and_others_their_own(web, body):
    with web.client.app.state.db.write() as tx:
        other = make_body(tx)
        tx.query(Member).filter(Member.body_id == other, Member.username != "m3").delete()
    seen = {who: web.call(who, "GET", "/api/bodies").json() for who in ("administrator", "secretary", "m3", "stranger")}
    assert {one["id"] for one in seen["administrator"]} == {body, other}
    assert {(one["id"], one["my_role"]) for one in seen["secretary"]} == {(body, "secretary")}
    assert {(one["id"], one["my_role"]) for one in seen["m3"]} == {(body, "member"), (other, "member")}
    assert seen["stranger"] == []


def test_everyone_is_told_whether_they_may_make_bodies(web, body):
    told = {who: web.call(who, "GET", "/api/me").json() for who in ("administrator", "secretary", "stranger")}
    assert told == {who: {"administrator": who == "administrator"} for who in told}


def test_a_preview_tells_what_an_import_would_do_and_does_nothing(web, body):
    content = xlsx(person("new1"), person("m3", "Nguyễn Văn Ba"), person("?"), person("new2", role="Vua"))
    answer = send(web, body, content, verb="preview").json()
    assert (answer["new"], answer["known"]) == (1, 1)
    assert [row["username"] for row in answer["rows"]] == ["new1", "m3"]
    assert answer["errors"] == [
        {"row": 4, "column": "Tên đăng nhập", "rule": "not-a-username"},
        {"row": 5, "column": "Vai trò", "rule": "unknown"},
    ]
    assert set(members(web, body)) == {*web.house.names, "teller", "guest"}


def test_an_import_adds_the_new_and_brings_the_known_up_to_date(web, body):
    old = members(web, body)["m3"]
    answer = send(web, body, xlsx(person("new1"), person("m3", "Nguyễn Văn Ba", votes="")))
    assert answer.json() == {"added": 1, "changed": 1}
    now = members(web, body)
    assert (now["m3"].id, now["m3"].full_name, now["m3"].votes) == (old.id, "Nguyễn Văn Ba", False)
    assert (now["new1"].role, now["new1"].group, now["new1"].honorific) == (Role.MEMBER, "Tổ 2", "Bà")
    state = web.call("m4", "GET", "").json()["state"]
    assert state["quorum"]["total"] == 6
    assert "Lê Mới" in {one["full_name"] for one in state["members"].values()}
    assert send(web, body, xlsx(person("new1"))).json() == {"added": 0, "changed": 1}


def test_one_bad_row_keeps_all_others_out(web, body):
    before = {name: member.full_name for name, member in members(web, body).items()}
    content = xlsx(person("new1"), person("m3", "Tên khác"), person("new1"), person("new3", name="12"))
    answer = send(web, body, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "rows-invalid")
    assert answer.json()["facts"]["errors"] == [
        {"row": 4, "column": "Tên đăng nhập", "rule": "duplicate"},
        {"row": 5, "column": "Họ và tên", "rule": "not-a-name"},
    ]
    assert {name: member.full_name for name, member in members(web, body).items()} == before


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (b"", "not-a-table", 422),
        (b"a,b,c\n1,2,3\n", "not-a-table", 422),
        (b"PK\x03\x04" + bytes(100), "not-a-table", 422),
        (b"%PDF-1.7\n", "not-a-table", 422),
        (b"<html></html>", "not-a-table", 422),
        (bytes(10 << 20), "too-large", 413),
    ],
    ids=["empty", "csv", "broken-zip", "pdf", "html", "large"],
)
@pytest.mark.parametrize("verb", ["preview", "import"])
def test_what_is_no_spreadsheet_is_refused(web, body, content, code, status, verb):
    answer = send(web, body, content, verb=verb)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_table_without_headings_and_a_form_without_a_file_are_refused(web, body):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.add_worksheet().write_row(0, 0, ["Tên", "Tuổi"])
    answer = send(web, body, buffer.getvalue())
    assert (answer.status_code, answer.json()["code"]) == (422, "headings-missing")
    for arguments in ({}, {"data": {"file": "text"}}, {"files": {"other": ("a", b"b")}}, {"json": {"file": "a"}}):
        answer = web.call("secretary", "POST", f"/api/bodies/{body}/members/import", **arguments)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_the_form_is_a_file_to_fill_in(web, body):
    answer = web.call("secretary", "GET", f"/api/bodies/{body}/members.xlsx")
    assert answer.headers["content-disposition"] == 'attachment; filename="thanh-vien.xlsx"'
    assert answer.content.startswith(b"PK")
    assert send(web, body, answer.content, verb="preview").json() == {"rows": [], "errors": [], "new": 0, "known": 0}


def test_members_stand_in_the_order_of_their_names(web, body):
    send(web, body, xlsx(person("a1", "Trần Văn Đạt"), person("a2", "Bùi Thị An"), person("a3", "Lê Văn Dũng")))
    names = [one["full_name"].split()[-1] for one in web.call("secretary", "GET", f"/api/bodies/{body}/members").json()]
    assert names.index("An") < names.index("Chair") < names.index("Dũng") < names.index("Đạt") < names.index("Guest")


def test_a_user_name_stands_once_in_a_body(db):
    with db.write() as tx:
        body_id = make_body(tx)
        same = {"username": "m3", "full_name": "Nguyễn Khác", "role": Role.MEMBER, "votes": True}
        with pytest.raises(UsernameTaken) as refusal:
            actions.add_member(tx, body_id, **same)
        assert (refusal.value.code, refusal.value.facts) == ("username-taken", {"username": "m3"})
        actions.add_member(tx, make_body(tx, voters=2), **same)


def test_faults_and_unknown_bodies_stop_an_import(db):
    with db.write() as tx:
        body_id = make_body(tx)
        with pytest.raises(RowsInvalid):
            actions.import_members(tx, clock.now(), body_id, [], [RowError(2, "Vai trò", "unknown")], "-")
        with pytest.raises(NotFound):
            actions.import_members(tx, clock.now(), "unknown", [], [], "-")


def test_who_takes_over_the_user_name_of_an_administrator_is_none_until_named(web, body):
    first, other = (web.issuer.token("administrator", audience=PUBLIC_URL, sub=sub) for sub in ("sub-one", "sub-another"))

    def may(token: str) -> tuple[bool, int, int, int]:
        asked = [("GET", f"/api/bodies/{body}/members"), ("GET", "/api/bodies"), ("POST", "/api/bodies")]
        plan = {"json": {"name": "UBND xã", "kind": "other"}}
        listed, every, made = (web.call("", *one, token=token, **(plan if one[0] == "POST" else {})) for one in asked)
        told = web.call("", "GET", "/api/me", token=token).json()["administrator"]
        return told, listed.status_code, min(1, len(every.json())), made.status_code

    assert [may(first), may(other), may(first)] == [(True, 200, 1, 201), (False, 404, 0, 403), (True, 200, 1, 201)]
    with web.client.app.state.db.write() as tx:
        access.name_administrator(tx, clock.now(), "administrator")
    assert [may(other), may(first)] == [(True, 200, 1, 201), (False, 404, 0, 403)]


def test_an_administrator_loses_the_right_at_the_next_request_and_the_last_one_keeps_it(web, body):
    plan = {"json": {"name": "UBND xã", "kind": "other"}}
    assert web.call("administrator", "POST", "/api/bodies", **plan).status_code == 201
    with web.client.app.state.db.write() as tx:
        with pytest.raises(LastAdministrator):
            access.remove_administrator(tx, clock.now(), "administrator")
        access.name_administrator(tx, clock.now(), "another")
        with pytest.raises(NotAnAdministrator):
            access.remove_administrator(tx, clock.now(), "secretary")
        access.remove_administrator(tx, clock.now(), "administrator")
        assert not access.bind_administrator(tx, "administrator", "sub-administrator")  # as one does who asked just before
        assert access.bind_administrator(tx, "another", "sub-one")
        assert not access.bind_administrator(tx, "another", "sub-other")
        assert tx.scalars(select(AuditEvent.act).order_by(AuditEvent.seq.desc())).first() == "administrator.removed"
    assert web.call("administrator", "POST", "/api/bodies", **plan).status_code == 403
    assert web.call("administrator", "GET", f"/api/bodies/{body}/members").status_code == 404
    assert web.call("administrator", "GET", "/api/me").json() == {"administrator": False}


def test_who_takes_over_a_user_name_does_not_take_over_the_seat(web, body):
    assert web.call("secretary", "GET", "seat").status_code == 200  # binds it to the issuer's lasting id of the person
    other = web.issuer.token("secretary", audience=PUBLIC_URL, sub="sub-another")
    plan = {"body_id": body, "title": "Phiên họp", "starts_at": "2026-12-09T08:00:00Z"}
    asked = [("GET", f"/api/bodies/{body}/members", {}), ("POST", "/api/meetings", {"json": plan})]
    for method, path, arguments in asked:
        assert web.call("secretary", method, path, token=other, **arguments).status_code == 404
        assert web.call("secretary", method, path, **arguments).status_code in (200, 201)
    assert [web.call("secretary", "GET", "/api/bodies", token=one).json() == [] for one in (other, None)] == [True, False]


@pytest.mark.parametrize("lost", ["import", "post"])
def test_a_ticket_to_the_socket_does_not_outlive_the_rights_for_which_it_was_given(web, body, lost):
    if lost == "import":
        entry = ticket(web, "m3")
        assert send(web, body, xlsx(person("m3", role="Khách mời", votes=""))).status_code == 200
    else:
        assert web.call("secretary", "PATCH", "", json={"chair_id": web.house.seats["m3"].member_id}).status_code == 204
        entry = ticket(web, "m3")
        assert web.call("secretary", "PATCH", "", json={"chair_id": web.house.seats["m4"].member_id}).status_code == 204
    assert turned_away(web, entry) == 403
