"""A: what belongs to another meeting, body or level, and every way round to it. docs/attacks.md has the table.

The matrix itself, every route and message times every role, is in tests/meetings/test_rights.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text

from docs_store.pdf import Inspected
from idp.settings import IdpSettings
from meetings.agenda.models import Meeting
from meetings.bodies.models import Member
from meetings.bridges.actions import add_bridge, note
from meetings.bridges.sheet import BridgeRow
from meetings.invitations.letter import compose
from meetings.minutes.evidence import collect, export
from meetings.minutes.recount import recount
from meetings.papers import actions as papers
from meetings.settings import MeetingsSettings
from shared import clock
from shared.settings import WEAK_SECRETS, Settings
from tests.meetings.inventory import ADMINISTRATOR, CHAIR, ELSEWHERE, GUEST, MEMBER, OVER, ROLES, ROWS, SECRETARY, STRANGER
from tests.meetings.lines import line, ticket
from tests.meetings.scene import PDF, upload
from tests.meetings.test_bodies import person, xlsx
from tests.meetings.test_relay_line import relay_token

ROOT = Path(__file__).parents[3]
KIN = "Tai lieu kin cua thu ky"


def put_paper(web: Any, audience: str, title: str) -> str:
    """Published, without the sandbox that takes in what comes over HTTP."""
    store, seat = web.client.app.state.store, web.house.seats["secretary"]
    blob, found = store.put(PDF), Inspected(PDF, "", 1, ((595.0, 842.0),), ("Du toan",), (), signed=False)
    put = {"item_id": web.house.item_id, "name": f"{title}.pdf", "title": title, "audience": audience, "blob": blob}
    with web.house.db.write() as tx:
        paper, _ = papers.add_paper(tx, clock.now(), seat, **put, found=found)
        papers.publish(tx, clock.now(), seat)
        return str(paper.id)


def body_id_of(web: Any) -> str:
    with web.client.app.state.db.read() as tx:
        return str(tx.get_one(Meeting, web.house.meeting_id).body_id)


def test_a03_the_evidence_in_the_minutes_tells_nothing_that_is_the_desks_alone(standing, fresh_house):
    desk, _ = put_paper(standing, "desk", KIN), put_paper(standing, "delegates", "Cho dai bieu")
    fresh_house.open()
    poll = fresh_house.open_poll()
    fresh_house.cast("m3", poll, "against")
    fresh_house.close_poll(poll)
    with fresh_house.db.write() as tx:
        hall = add_bridge(tx, clock.now(), body_id_of(standing), BridgeRow("Xã Đạ Hòa", "", "", "", ""), "-")
        note(tx, clock.now(), fresh_house.seats["secretary"], hall, KIN)
    put_paper(standing, "desk", f"{KIN} 2")
    assert standing.call("chair", "POST", "close").status_code == 204
    told = standing.call("m3", "GET", "minutes/evidence.json")
    assert ("Cho dai bieu" in told.text, KIN in told.text, desk in told.text) == (True, False, False)
    assert KIN not in standing.call("m3", "GET", "minutes").text
    with fresh_house.db.read() as tx:
        assert recount(collect(tx, fresh_house.meeting_id)).faults == []
        whole = export(tx, fresh_house.meeting_id)
    assert [one["seq"] for one in whole["log"]] == [one["seq"] for one in told.json()["log"]]
    assert str(whole["log"]).count(KIN) == 3, "an auditor has all of it"
    assert {paper["title"] for paper in whole["papers"]} == {KIN, f"{KIN} 2", "Cho dai bieu"}


def test_a03_what_one_may_not_see_is_answered_like_what_is_not_there(world):
    ids = world.ours.ids
    for paper in ("desk_paper_id", "waiting_paper_id", "withdrawn_paper_id", "delegates_paper_id"):
        for method, path in (("GET", "file"), ("HEAD", "file"), ("GET", "text?q=du"), ("GET", "file?version=1")):
            for headers in ({}, {"range": "bytes=0-3"}, {"if-none-match": "*"}):
                answers = []
                for one in (ids[paper], "0" * len(ids[paper])):
                    answer = world.ours.call(GUEST, method, f"papers/{one}/{path}", headers=headers)
                    kept = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
                    told = answer.json() | {"request_id": ""} if answer.content else {}
                    answers.append((answer.status_code, kept, told))
                assert answers[0] == answers[1]
                assert answers[0][0] == 404


def test_a03_a_letter_names_no_paper_and_a_list_no_meeting_of_others(standing, fresh_house):
    put_paper(standing, "all", KIN)
    with fresh_house.db.read() as tx:
        meeting, member = tx.get_one(Meeting, fresh_house.meeting_id), tx.get_one(Member, fresh_house.seats["m3"].member_id)
        assert KIN not in compose(standing.client.app.state.settings, meeting, member).as_string()
    for who in ("x-m3", "x-secretary", ADMINISTRATOR, "nobody-knows"):
        assert fresh_house.meeting_id not in standing.call(who, "GET", "/api/meetings").text


def test_a04_every_form_of_the_api_takes_its_own_fields_only(world):
    schema = world.app.openapi()
    parts = schema["components"]["schemas"]

    def named(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                one = value["$ref"].rpartition("/")[2]
                yield one
                yield from named(parts[one])
            for inner in value.values():
                yield from named(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from named(inner)

    bodies = [route.get("requestBody", {}) for path in schema["paths"].values() for route in path.values()]
    forms = {one for body in bodies for one in named(body.get("content", {}).get("application/json", {}))}
    open_ = {one for one in forms if "properties" in parts[one] and parts[one].get("additionalProperties") is not False}
    assert len(forms) > 15
    assert not open_, f"derive from meetings.live.wire.Wire: {open_}"


def test_a04_fields_beside_an_upload_change_nothing(standing, fresh_house):
    smuggled = {
        "meeting_id": standing.theirs.meeting_id,
        "version": "99",
        "level": "0",
        "withdrawn": "true",
        "document_id": "x",
    }
    form = {"data": smuggled | {"audience": "desk"}, **upload(name="a.pdf")}
    made = standing.call("secretary", "POST", f"items/{fresh_house.item_id}/papers", **form).json()
    [shown] = standing.call("chair", "GET", "papers/desk").json()
    assert (shown["id"], shown["audience"], shown["withdrawn"]) == (made["paper_id"], "desk", False)
    assert [one["number"] for one in shown["versions"]] == [1]


def test_a05_no_answer_holds_a_secret_of_the_database(world):
    """The values themselves, in whatever is answered to whom: also where no schema describes it."""
    secrets = {world.app.state.settings.secret.get_secret_value()}
    with world.app.state.db.read() as tx:
        secrets |= set(tx.scalars(text("SELECT secret FROM poll UNION SELECT digest FROM ticket")))
        people = set(tx.scalars(text("SELECT email FROM member WHERE email != '' UNION SELECT subject FROM member")))
    assert len(secrets) > 8
    for row, scene in [(row, world.ours) for row in ROWS] + [(row, world.theirs) for row in OVER]:
        if row.method != "GET" or row.path.endswith(("file", "copy", ".pdf", ".svg", ".xlsx", "text")):
            continue
        who = next(role for role in (SECRETARY, CHAIR, ADMINISTRATOR, MEMBER) if role in row.allowed)
        told = scene.call(who, **row.request(scene.ids)).text
        # The log's proof needs who acted, by the issuer's lasting id of the person; nothing else tells it.
        known = secrets if row.path == "minutes/evidence.json" else secrets | people - {None}
        assert not [secret for secret in known if secret in told], row.full_path


DEVELOPERS = (
    *("/docs", "/redoc", "/openapi.json", "/api/docs", "/api/redoc", "/docs/oauth2-redirect", "/api/openapi.yaml"),
    *("/debug", "/api/debug", "/__debug__", "/admin", "/api/admin", "/console", "/_internal", "/graphql"),
    *("/metrics/", "/api/metrics", "/api/..%2fmetrics", "/status", "/server-status", "/actuator", "/healthz/x"),
    *("/env", "/.env", "/.git/config", "/config", "/settings", "/assets/../../app.py", "/api/live", "/api/live/relay"),
)


def test_a06_no_page_of_a_developer_is_open(standing):
    for path in DEVELOPERS:
        for method in ("GET", "POST", "TRACE", "OPTIONS", "CONNECT"):
            answer = standing.client.request(method, path)
            assert answer.status_code in (404, 405), (method, path)
            assert not any(sign in answer.text for sign in ("Traceback", "site-packages", "sqlite", "postgres"))
    for headers in ({}, {"x-forwarded-for": "127.0.0.1"}, {"host": "127.0.0.1"}):
        assert standing.client.get("/metrics", headers=headers).status_code == 404


def test_a07_who_manages_one_body_manages_no_other_and_gives_nobody_rights_there(standing, fresh_house):
    """A secretary imports people into the own body; what they are elsewhere stays as it is."""
    theirs = {"files": {"file": ("a.xlsx", xlsx(person("secretary", role="Thư ký"), person("administrator"), person("x-m3")))}}
    ours = body_id_of(standing)
    assert fresh_house.meeting_id != standing.theirs.meeting_id
    for verb in ("preview", "import"):
        assert standing.call("x-secretary", "POST", f"/api/bodies/{ours}/members/{verb}", **theirs).status_code == 404
        assert standing.call("m3", "POST", f"/api/bodies/{ours}/members/{verb}", **theirs).status_code == 403
    assert standing.call("secretary", "POST", f"/api/bodies/{ours}/members/import", **theirs).status_code == 200
    for who in ("x-m3", "administrator"):
        assert standing.call(who, "GET", "/api/me").json() == {"administrator": who == "administrator"}
    assert standing.call("x-m3", "GET", f"/api/bodies/{ours}/members").status_code == 403
    assert standing.call("secretary", "GET", f"/api/meetings/{standing.theirs.meeting_id}").status_code == 404
    granting = [row.full_path for row in (*ROWS, *OVER) if "admin" in row.full_path]
    assert not granting, "administrators are named by the command alone"


def test_a07_the_secretary_of_another_body_is_a_stranger_here():
    assert {ELSEWHERE, STRANGER} <= set(ROLES)
    signed_in = {row.full_path for row in (*ROWS, *OVER) if ELSEWHERE in row.allowed}
    assert signed_in == {"/api/me", "/api/bodies", "/api/meetings"}, "lists of one's own"


RUNS_WORDS = re.compile(
    r"(?<![\w.])(eval|exec|compile|__import__)\(|\.(from_string|unsafe_load|full_load)\(|shell=True"
    r"|^\s*(import|from) (pickle|marshal|shelve|yaml|dill|code|codeop)\b",
    re.MULTILINE,
)


def test_a08_no_word_of_a_person_is_ever_run():
    """Nothing in the service evaluates or unpickles what it was told, or makes a template or a line for a shell of it."""
    code = [path for package in ("shared", "docs_store", "meetings", "idp") for path in (ROOT / package).rglob("*.py")]
    assert len(code) > 100
    assert {str(path): found[0] for path in code if (found := RUNS_WORDS.search(path.read_text("utf-8")))} == {}


CODE = '{0.__class__} {title} {{7*7}} ${7*7} #{7*7} <%= 7*7 %> #read("/etc/passwd") $(id) `id` %s <script>alert(1)</script>'


def test_a08_what_looks_like_code_comes_back_as_it_was_put(standing, fresh_house):
    item = {"title": CODE, "presenter": CODE, "minutes": 5}
    assert standing.call("secretary", "POST", "items", json=item | {"parent_id": None}).status_code == 201
    assert standing.call("secretary", "PATCH", "", json={"title": CODE, "place": CODE}).status_code in (200, 204)
    state = standing.call("m3", "GET", "").json()["state"]
    assert CODE in {one["title"] for one in state["agenda"].values()}
    assert state["meeting"]["title"] == CODE
    with fresh_house.db.read() as tx:
        meeting, member = tx.get_one(Meeting, fresh_house.meeting_id), tx.get_one(Member, fresh_house.seats["m3"].member_id)
        letter = compose(standing.client.app.state.settings, meeting, member)
    assert CODE in letter.get_body().get_content()
    answer = standing.call("secretary", "POST", "polls", json={"item_id": CODE, "title": CODE})
    assert "49" not in re.sub(r"[0-9a-f]{8,}", "", answer.text)
    assert answer.status_code in (404, 422)


def test_a09_who_becomes_a_guest_in_the_middle_hears_and_reads_no_more_than_a_guest(standing, fresh_house):
    fresh_house.open()
    paper = put_paper(standing, "delegates", "Cho dai bieu")
    path = f"papers/{paper}/file"
    first = standing.call("m3", "GET", path)
    assert (first.status_code, "no-cache" in first.headers["cache-control"]) == (200, True), "a browser asks each time"
    sheet = xlsx(person("m3", "Nguyễn Văn Ba", role="Khách mời", votes=""))
    with line(standing, "m3") as mine, line(standing, "m4") as other:
        mine.hello()
        other.hello()
        files = {"file": ("a.xlsx", sheet, "application/octet-stream")}
        assert standing.call("secretary", "POST", f"/api/bodies/{body_id_of(standing)}/members/import", files=files).is_success
        put_paper(standing, "delegates", KIN)
        assert mine.closed() == 1012
        assert KIN not in str(mine.heard)
        while KIN not in str(other.until("events")):
            pass
    for headers in ({}, {"if-none-match": first.headers["etag"]}, {"range": "bytes=0-9"}):
        assert standing.call("m3", "GET", path, headers=headers).status_code == 404
    with line(standing, "m3") as again:
        assert paper not in str(again.hello())


def test_a10_nothing_but_a_token_of_the_reader_opens_a_file(world):
    """There are no signed addresses: what could be copied from a screen opens nothing."""
    path = f"/api/meetings/{world.ours.ids['meeting_id']}/papers/{world.ours.ids['paper_id']}/file"
    whole = world.call("m3", "GET", path)
    token = world.web.issuer.token("m3", audience="http://localhost:8500")
    entry = world.ours.call("m3", "POST", "ticket").json()["ticket"]
    for query in ("", f"?ticket={entry}", f"?token={token}", f"?access_token={token}", f"?etag={whole.headers['etag']}"):
        assert world.web.client.get(path + query).status_code == 401
    for bearer in (entry, relay_token(world.web), whole.headers["etag"], world.ours.ids["member_id"]):
        assert world.web.client.get(path, headers={"authorization": f"Bearer {bearer}"}).status_code in (401, 403)
    assert whole.status_code == 200


@pytest.mark.parametrize("since", [2**53, 2**63, 2**64, 10**30])
def test_a11_a_place_in_the_log_that_there_is_not_gets_the_state_anew(standing, since):
    with line(standing, "m3") as mine:
        epoch = mine.hello()["snapshot"]["epoch"]
        assert mine.say({"type": "hello", "epoch": epoch, "since": since}).until("snapshot")


@pytest.mark.parametrize("change", [{"since": "1; DROP TABLE event"}, {"since": -1}, {"since": 1.5}, {"epoch": "' OR 1=1 --"}])
def test_a11_an_edited_place_in_the_log_ends_the_socket(standing, change):
    with line(standing, "m3") as mine:
        assert mine.say({"type": "hello", "epoch": None, "since": None} | change).closed() == 4400


def test_a11_nothing_of_an_address_reaches_the_database_as_sql(world):
    before = world.kept()
    for value in ("' OR '1'='1", "1; DROP TABLE poll", "\\", "%25", "_", "*", "0 UNION SELECT secret FROM poll"):
        for path in (
            f"papers/{value}/file",
            f"polls/{value}/ballots/mine",
            f"papers/{world.ours.ids['paper_id']}/notes?since={value}",
        ):
            answer = world.ours.call("m3", "GET", path)
            assert answer.status_code in (200, 404, 405, 422)
            assert answer.status_code != 200 or "notes?" in path
        query = {"params": {"version": value}}
        assert world.ours.call("m3", "GET", f"papers/{world.ours.ids['paper_id']}/file", **query).status_code == 422
    assert world.kept() == before


@pytest.mark.parametrize("service", [Settings, MeetingsSettings, IdpSettings])
def test_a12_no_service_starts_with_a_secret_that_everybody_knows(service, monkeypatch):
    said = {"public_url": "https://a.example", "database_url": "sqlite:///x.db", "issuer": "https://b.example"}
    said |= {"client_id": "web", "audience": "https://a.example"}
    monkeypatch.delenv("SECRET", raising=False)
    monkeypatch.delenv("SECRETS_DIR", raising=False)
    for secret in (*sorted(WEAK_SECRETS), "x" * 31, None):
        with pytest.raises(ValidationError, match=r"(?i)secret"):
            service(**said, **({} if secret is None else {"secret": secret}))
    assert service.model_fields["secret"].is_required(), "no default"


def test_a01_a_ticket_is_for_the_meeting_it_was_asked_for_and_its_asker(standing):
    entry = ticket(standing, "guest")
    with line(standing, entry=entry) as mine:
        assert mine.hello()["snapshot"]["state"]["meeting"]["id"] == standing.house.meeting_id
        assert not [one for one in mine.heard if one["type"] == "presence"]
    with standing.client.app.state.db.read() as tx:
        assert tx.scalar(select(Member.role).where(Member.id == standing.house.seats["guest"].member_id)) == GUEST
