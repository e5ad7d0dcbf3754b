"""Every form, told nonsense: a stable code, and nothing half done stays behind."""

import json
from typing import Any

import pytest

from meetings import app as meetings_app
from tests.meetings.conftest import PUBLIC_URL, Web, make_settings
from tests.meetings.inventory import ADMINISTRATOR, OVER, ROWS, SECRETARY, Row
from tests.meetings.scene import NOTE, PLAN, World, key

FORMS = [row for row in (*ROWS, *OVER) if row.json is not None]
NEVER_RIGHT = [{"$": 1}, [[]], "x" * 30_000, 2**63, -(2**63), 1.5, "a\x00b", "\ud800"]
RIGHT_AFTER_ALL = {("starts_at", "1.5"), ("revision", str(2**63))}  # a Unix time; a revision that will never be
SMUGGLED = ("owner", "role", "level", "meeting_id", "is_admin", "weight", "votes", "author_id", "secret", "__class__")


def name(row: Row) -> str:
    return f"{row.method} {row.full_path}"


def ask(world: World, row: Row, content: str | bytes) -> Any:
    """The row's own request with other contents, as someone who may make it."""
    scene = world.theirs if row in OVER else world.ours
    who = SECRETARY if SECRETARY in row.allowed else ADMINISTRATOR
    if scene is world.theirs:
        who = f"x-{who}"
    arguments = row.request(scene.ids)
    arguments.pop("json")
    headers = {"content-type": "application/json"} | arguments.pop("headers", {})
    return world.call(who, **arguments, headers=headers, content=content)


def check_refused(answer: Any, *codes: str) -> None:
    assert answer.json()["code"] in codes, answer.text
    assert answer.status_code in (400, 415, 422)
    assert answer.json()["title"]
    assert "{" not in answer.json()["title"]


@pytest.mark.parametrize("row", FORMS, ids=name)
def test_a_field_of_the_wrong_kind_is_refused(world, row):
    before = world.kept()
    for field in row.json:
        for value in NEVER_RIGHT:
            if (field, str(value)) in RIGHT_AFTER_ALL:
                continue
            check_refused(ask(world, row, json.dumps(row.json | {field: value})), "invalid-input")
    assert world.kept() == before


@pytest.mark.parametrize("row", FORMS, ids=name)
def test_a_field_that_is_not_known_is_refused(world, row):
    before = world.kept()
    for field in SMUGGLED:
        answer = ask(world, row, json.dumps(row.json | {field: "1"}))
        check_refused(answer, "invalid-input")
        assert field in {error["field"] for error in answer.json()["facts"]["errors"]}
    assert world.kept() == before


@pytest.mark.parametrize("row", FORMS, ids=name)
def test_what_is_no_form_at_all_is_refused(world, row):
    before = world.kept()
    for content in (b"", b"{", b"[]", b"null", b'"text"', b"7", b"\xff", b'{"a":' * 9000, b"<a/>"):
        check_refused(ask(world, row, content), "invalid-input", "bad-request")
    assert world.kept() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("items", {"title": "   "}),
        ("items", {"title": ""}),
        ("items", {"title": "\x1c\x1f"}),  # which Python strips, as it does blanks
        ("items", {"title": "a", "minutes": -1}),
        ("items", {"title": "a", "minutes": 1441}),
        ("polls", {"item_id": "{item_id}", "title": "a", "duration": 9}),
        ("polls", {"item_id": "{item_id}", "title": "a", "duration": 3601}),
        ("polls", {"item_id": "{item_id}", "title": "a", "majority": "one"}),
        ("polls/{poll_id}/extend", {"seconds": 601}),
        ("speeches", {"allotted": 59}),
        ("speeches", {"kind": "song"}),
        ("lead", {"paper_id": "{paper_id}", "page": 0}),
        ("papers/{paper_id}/opened", {"version": 0}),
        ("/api/meetings", PLAN | {"body_id": "{body_id}", "starts_at": "2026-12-09T08:00:00"}),
        ("/api/meetings", PLAN | {"body_id": "{body_id}", "starts_at": "0001-01-01T00:00:00+14:00"}),
        ("/api/meetings", PLAN | {"body_id": "{body_id}", "starts_at": "9999-12-31T23:59:59-14:00"}),
        ("/api/meetings", PLAN | {"body_id": "{body_id}", "starts_at": 1e300}),
    ],
)
def test_a_value_beyond_its_bounds_is_refused(world, path, body):
    ids = world.ours.ids
    sent = {field: value.format(**ids) if isinstance(value, str) else value for field, value in body.items()}
    before = world.kept()
    check_refused(world.ours.call(SECRETARY, "POST", path.format(**ids), json=sent), "invalid-input")
    assert world.kept() == before


@pytest.mark.parametrize(
    "change",
    [
        {"page": -1},
        {"page": 100_001},
        {"kind": "box"},
        {"color": "red"},
        {"color": "#1E4C9A;}"},
        {"at": [1]},
        {"at": [1, 2, 3]},
        {"at": [200_001, 0]},
        {"at": "10,20"},
        {"width": 0},
        {"quads": [[1] * 7]},
        {"quads": [[1] * 8] * 501},
        {"strokes": [[[1, 2]]]},
        {"strokes": [[[1, 2, 3]]] * 201},
        {"strokes": [[[0, 0, float("inf")]]]},
        {"rev": -1},
        {"text": "x" * 5001},
    ],
    ids=str,
)
def test_a_crooked_note_is_refused(world, change):
    path = f"papers/{world.ours.ids['paper_id']}/notes/{'0' * 32}"
    before = world.kept()
    content = json.dumps(NOTE | change)
    answer = world.ours.call("m3", "PUT", path, content=content, headers={"content-type": "application/json"})
    check_refused(answer, "invalid-input")
    assert world.kept() == before


@pytest.mark.parametrize("note_id", ["x", "0" * 31, "0" * 37, "Z" * 32, "0" * 32 + "%0a", "..%2f" + "0" * 30])
def test_a_note_needs_an_id_of_the_right_shape(world, note_id):
    answer = world.ours.call("m3", "PUT", f"papers/{world.ours.ids['paper_id']}/notes/{note_id}", json=NOTE)
    assert answer.json()["code"] in ("invalid-input", "not-found", "method-not-allowed")


@pytest.mark.parametrize("wrong", [None, "", "short", "x" * 65, "a b" * 8, "é" * 16, "k" * 15, "'; --" * 5])
def test_a_ballot_needs_a_key_of_the_right_shape(world, wrong):
    path = f"polls/{world.ours.ids['poll_id']}/ballots"
    raw = {} if wrong is None else {"Idempotency-Key": wrong.encode()}
    before = world.kept()
    check_refused(world.ours.call("m4", "POST", path, json={"choice": "in_favour"}, headers=raw), "invalid-input")
    assert world.kept() == before


@pytest.mark.parametrize("choice", ["yes", "IN_FAVOUR", "", None, 1, True, ["in_favour"], {"in_favour": 1}, 2**63])
def test_a_ballot_has_one_of_the_three_choices(world, choice):
    path = f"polls/{world.ours.ids['poll_id']}/ballots"
    before = world.kept()
    check_refused(world.ours.call("m4", "POST", path, json={"choice": choice}, **key()), "invalid-input")
    assert world.kept() == before


@pytest.mark.parametrize("query", ["version=0", "version=-1", "version=a", f"version={10**20}", "version=2", "version="])
@pytest.mark.parametrize("part", ["file", "text?q=a", "copy"])
def test_a_version_that_is_not_there_is_refused(world, query, part):
    path = f"papers/{world.ours.ids['delegates_paper_id']}/{part}"
    answer = world.ours.call("m3", "GET", f"{path}{'&' if '?' in path else '?'}{query}")
    assert answer.json()["code"] in ("invalid-input", "not-found")


@pytest.mark.parametrize("query", ["", "?q=", "?q=" + "x" * 101])
def test_a_search_needs_words(world, query):
    check_refused(world.ours.call("m3", "GET", f"papers/{world.ours.ids['paper_id']}/text{query}"), "invalid-input")


def test_on_postgresql_too_no_sign_of_the_address_or_the_body_is_a_bug(postgres_urls, issuer, tmp_path):
    from starlette.testclient import TestClient

    from tests.makers import make_house

    assert postgres_urls
    for url in postgres_urls.values():
        app = meetings_app.build(make_settings(url, tmp_path, issuer))
        with TestClient(app, base_url=PUBLIC_URL) as client:
            web = Web(client, issuer, make_house(app.state.db))
            for path in ("/api/meetings/%00", f"/api/bodies/{'%00' * 3}/members", "polls/%00/open", "papers/a%00b/file"):
                method = "POST" if path.endswith("open") else "GET"
                assert web.call("chair", method, path).json()["code"] in ("not-found", "invalid-input")
            check_refused(web.call("secretary", "PATCH", "", json={"title": "a\x00b"}), "invalid-input")
            form = {"files": {"file": ("a\x00b.pdf", b"%PDF-", "application/pdf")}, "data": {"title": "a\x00b"}}
            answer = web.call("secretary", "POST", f"items/{web.house.item_id}/papers", **form)
            assert answer.json()["code"] in ("broken-pdf", "invalid-input")
