"""Who may do what: every route times every role, and everything of a meeting asked for under another."""

import re
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from tests.meetings.inventory import ADMINISTRATOR, ELSEWHERE, NOBODY, OVER, PUBLIC, ROLES, ROWS, SECRETARY, Row
from tests.meetings.scene import World


def name(row: Row) -> str:
    return f"{row.method} {row.full_path}"


def code(answer: Any) -> str:
    return answer.json()["code"] if answer.content and answer.status_code >= 400 else str(answer.status_code)


def test_every_route_stands_in_the_inventory(world):
    there = set()
    for route in iter_route_contexts(world.app.routes):
        methods = {"WS"} if route.methods is None else set(route.methods)
        if route.path == "/api/openapi.json":
            methods -= {"HEAD"}
        there |= {(method, route.path) for method in methods}
    listed = {(row.method, row.full_path) for row in (*ROWS, *OVER)} | set(PUBLIC)
    templates = {(method, same_shape(path)) for method, path in listed}
    missing = {(method, path) for method, path in there if (method, same_shape(path)) not in templates}
    assert not missing, f"give it a line in tests/meetings/inventory.py: who may call it? {missing}"
    assert len(listed) == len(there)


def same_shape(path: str) -> str:
    """Names of parameters aside."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_route_is_open_to_its_roles_and_closed_to_all_others(world, row):
    check_row(world, row, world.ours.ids, {role: role for role in ROLES})


@pytest.mark.parametrize("row", OVER, ids=name)
def test_what_is_done_after_a_meeting_is_open_to_its_roles_and_closed_to_all_others(world, row):
    swapped = {role: role.removeprefix("x-") if role.startswith("x-") else f"x-{role}" for role in ROLES}
    swapped |= {ADMINISTRATOR: ADMINISTRATOR, NOBODY: NOBODY}
    check_row(world, row, world.theirs.ids, swapped)


def check_row(world: World, row: Row, ids: dict[str, str], people: dict[str, str]) -> None:
    before = world.kept()
    for role in [role for role in ROLES if role not in row.allowed]:
        answer = world.call(people[role], **row.request(ids))
        assert answer.status_code == row.status(role), f"{role}: {answer.text}"
        if row.method != "HEAD":
            told = {401: {"not-signed-in"}, 403: {"forbidden"}, 404: {"not-found"}}[row.status(role)]
            assert code(answer) in told, f"{role}: {answer.text}"
    assert world.kept() == before, "a refusal left something behind"
    for role in [role for role in ROLES if role in row.allowed]:
        answer = world.call(people[role], **row.request(ids))
        assert code(answer) not in {"not-signed-in", "forbidden", "not-found"}, f"{role}: {answer.text}"
        assert answer.status_code < 500
        assert row.method not in ("GET", "HEAD") or answer.status_code == 200, f"{role}: {answer.text}"


@pytest.mark.parametrize(("method", "path"), [known for known, status in PUBLIC.items() if status])
def test_what_is_public_needs_no_token_and_takes_no_notice_of_one(world, method, path):
    url = path.replace("{path:path}", "../../app.py")
    answers = {world.web.client.request(method, url).status_code, world.call("x-m3", method, url).status_code}
    assert answers == {PUBLIC[method, path]}


NESTED = [
    (row, part)
    for row in (*ROWS, *OVER)
    for part in re.findall(r"{(\w+)}", row.path + str(row.json))
    if part not in ("meeting_id", "body_id", "note_id")
]


@pytest.mark.parametrize(("row", "part"), NESTED, ids=lambda value: name(value) if isinstance(value, Row) else value)
def test_a_thing_of_another_meeting_does_not_exist_in_this_one(world, row, part):
    before = world.kept()
    for foreign in (world.theirs.ids[part], "unknown", "x" * 60, "../" + world.theirs.ids[part]):
        answer = world.call(SECRETARY, **row.request(world.ours.ids, **{part: foreign}))
        assert answer.status_code in ((404,) if "/" not in foreign else (404, 405)), answer.text
    assert world.kept() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "items", {"title": "a", "parent_id": "{item_id}"}),
        ("POST", "items/{ours}/move", {"parent_id": "{item_id}", "position": 0}),
        ("POST", "lead", {"paper_id": "{paper_id}", "page": 1}),
        ("POST", "lead", {"paper_id": "{desk}", "page": 1}),
        ("POST", "lead", {"paper_id": "{withdrawn}", "page": 1}),
        ("POST", "lead", {"paper_id": "{published}", "page": 2}),
    ],
)
def test_nor_can_it_be_named_in_a_body(world, method, path, body):
    own = world.ours.ids
    known = world.theirs.ids | {
        "ours": own["other_item_id"],
        "desk": own["desk_paper_id"],
        "withdrawn": own["withdrawn_paper_id"],
        "published": own["paper_id"],
    }
    sent = {key: value.format(**known) if isinstance(value, str) else value for key, value in body.items()}
    before = world.kept()
    answer = world.ours.call(SECRETARY, method, path.format(**known), json=sent)
    assert code(answer) == "not-found"
    assert world.kept() == before


def test_of_a_meeting_that_is_over_nothing_changes_but_its_minutes(world):
    """Nor may anybody read or write less of their own; a count that was not declared yet may be."""
    still = {"ticket", "papers/{paper_id}/opened", "papers/{paper_id}/notes/{note_id}", "polls/{closed_poll_id}/declare"}
    rows = [row for row in ROWS if not row.path.startswith("/") and row.method not in ("GET", "HEAD") and row.path not in still]
    before = world.kept()
    answers = {name(row): world.call(ELSEWHERE, **row.request(world.theirs.ids)).status_code for row in rows}
    assert set(answers.values()) == {409}, answers
    assert world.kept() == before


def test_a_note_of_another_person_cannot_be_written_over(world):
    mine = f"papers/{world.ours.ids['paper_id']}/notes/{world.ours.ids['note_id']}"
    body = {"version": 1, "page": 0, "kind": "text", "at": [1, 2], "text": "của người khác", "rev": 1}
    assert code(world.ours.call("m4", "PUT", mine, json=body)) == "not-found"
    other_paper = f"papers/{world.ours.ids['delegates_paper_id']}/notes/{world.ours.ids['note_id']}"
    assert code(world.ours.call("m3", "PUT", other_paper, json=body)) == "not-found"
    [kept] = [note for note in world.ours.call("m3", "GET", "notes").json() if note["id"] == world.ours.ids["note_id"]]
    assert kept["text"] == "Hỏi lại"


def test_no_answer_can_hold_a_secret(world):
    """No field of any answer in the API's description is named like one; addresses stand in the import's preview alone."""
    schemas = world.app.openapi()["components"]["schemas"]
    fields = {(name, field) for name, one in schemas.items() for field in one.get("properties", {})}
    secrets = {"secret", "digest", "subject", "sid", "actor", "jti", "password", "door_code"}
    assert {pair for pair in fields if pair[1] in secrets} == {("CheckIn", "door_code")}
    assert {pair for pair in fields if pair[1] in {"email", "username"}} == {("Row", "email"), ("Row", "username")}
