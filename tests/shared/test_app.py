"""What every service of the house answers, whatever it serves: refusals, bounds, headers, health."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Form
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from shared import problems
from shared.audit import AuditEvent, faults
from shared.problems import (
    BadRequest,
    Conflict,
    CrossSite,
    Forbidden,
    FreshSignInNeeded,
    InvalidInput,
    MethodNotAllowed,
    Misdirected,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from shared.transactions import Read, Tx
from shared.words import say

REFUSALS = {
    BadRequest: (400, "bad-request"),
    NotSignedIn: (401, "not-signed-in"),
    FreshSignInNeeded: (401, "fresh-sign-in-needed"),
    Forbidden: (403, "forbidden"),
    CrossSite: (403, "cross-site"),
    NotFound: (404, "not-found"),
    MethodNotAllowed: (405, "method-not-allowed"),
    Conflict: (409, "conflict"),
    TooLarge: (413, "too-large"),
    Misdirected: (421, "misdirected"),
    InvalidInput: (422, "invalid-input"),
    TooManyRequests: (429, "too-many-requests"),
    Unavailable: (503, "unavailable"),
}
router = APIRouter()


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=5000)]
    number: int


@router.get("/refuse/{name}")
def refuse(name: str) -> None:
    raise getattr(problems, name)(limit="1 MB", max_age=300, note={"text": "riêng"}, rows=["riêng"])


@router.post("/body")
def take_body(body: Body) -> str:
    return body.name


@router.post("/form")
def take_form(word: str = Form(max_length=10)) -> str:
    return word


@router.post("/large")
def take_large(body: Body) -> int:
    return len(body.name)


@router.get("/bug")
def bug() -> None:
    raise RuntimeError("the password is swordfish")


@router.get("/read")
def read(tx: Read) -> int:
    return len(tx.scalars(select(AuditEvent)).all())


@router.post("/keep")
def keep(tx: Tx, name: str) -> None:
    tx.execute(select(AuditEvent).where(AuditEvent.actor == name))


@pytest.mark.parametrize(("kind", "told"), REFUSALS.items(), ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_refusal_is_a_problem_document_in_the_callers_language(serve, kind, told, language):
    with serve(router) as browser:
        answer = browser.get(f"/refuse/{kind.__name__}", headers={"accept-language": language})
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["code"]) == (told[0], *told)
    assert body["type"] == f"urn:dienhong:problem:{told[1]}"
    assert body["title"] == say(language, ("shared",), f"problem.{told[1]}", limit="1 MB")
    assert body["title"] != f"problem.{told[1]}"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert ("WWW-Authenticate" in answer.headers) is (told[0] == 401)
    assert ("Retry-After" in answer.headers) is (told[0] in (429, 503))


def test_every_shared_refusal_stands_in_this_table():
    known = {kind for kind in problems.Problem.__subclasses__() if kind.__module__ == "shared.problems"}
    assert known == set(REFUSALS)


def test_a_step_up_challenge_says_how_fresh_the_sign_in_must_be(serve):
    with serve(router) as browser:
        challenge = browser.get("/refuse/FreshSignInNeeded").headers["www-authenticate"]
    assert challenge == 'Bearer error="insufficient_user_authentication", max_age="300"'


@pytest.mark.parametrize(
    ("wish", "title"),
    [
        ({"params": {"lang": "en"}}, "Not found, or not yours to see."),
        ({"params": {"ui_locales": "en vi"}}, "Not found, or not yours to see."),
        ({"headers": {"cookie": "lang=en"}}, "Not found, or not yours to see."),
        ({"headers": {"cookie": "lang=vi", "accept-language": "en"}}, "Không tìm thấy, hoặc không có quyền xem."),
        ({"params": {"lang": "\x00<script>"}}, "Không tìm thấy, hoặc không có quyền xem."),
        ({}, "Không tìm thấy, hoặc không có quyền xem."),
    ],
)
def test_the_language_comes_from_the_address_a_cookie_or_the_browser(serve, wish, title):
    with serve(router) as browser:
        assert browser.get("/nowhere", **wish).json()["title"] == title


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/../../etc/passwd", 404, "not-found"),
        ("GET", "/body", 405, "method-not-allowed"),
        ("DELETE", "/body", 405, "method-not-allowed"),
        ("TRACE", "/body", 405, "method-not-allowed"),
        ("OPTIONS", "/body", 405, "method-not-allowed"),
        ("DEBUG", "/body", 405, "method-not-allowed"),
        ("post", "/body", 405, "method-not-allowed"),
        ("HEAD", "/body", 405, "method-not-allowed"),
    ],
)
def test_an_unknown_path_and_a_wrong_method_are_refused(serve, method, path, status, code):
    with serve(router) as browser:
        request = browser.build_request("GET", path)
        request.method = method
        answer = browser.send(request)
    assert answer.status_code == status
    assert method == "HEAD" or answer.json()["code"] == code
    assert status != 405 or answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("content", "status", "code", "fields"),
    [
        (b'{"name": "a", "number": "many"}', 422, "invalid-input", {"number"}),
        (b'{"name": 7, "number": 7}', 422, "invalid-input", {"name"}),
        (b'{"name": "a"}', 422, "invalid-input", {"number"}),
        (b'{"name": "a", "number": 1, "is_admin": true}', 422, "invalid-input", {"is_admin"}),
        (b'{"name": "\\ud800", "number": 1}', 422, "invalid-input", {"name"}),
        (b'{"name": "a", "number": NaN}', 422, "invalid-input", {"number"}),
        (b'{"name": "a", "number": 1e400}', 422, "invalid-input", {"number"}),
        (b'["name"]', 422, "invalid-input", {""}),
        (b"{", 422, "invalid-input", {"1"}),
        (b"", 422, "invalid-input", {""}),
        (b'{"\xff": 1}', 400, "bad-request", None),
        (b'{"name":' * 20_000, 400, "bad-request", None),
    ],
)
def test_a_wrong_body_is_refused_field_by_field_and_never_repeated(serve, content, status, code, fields):
    with serve(router) as browser:
        answer = browser.post("/body", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if fields is not None:
        errors = answer.json()["facts"]["errors"]
        assert {error["field"] for error in errors} == fields
        assert all(set(error) == {"field", "rule"} for error in errors)


def test_json_that_calls_itself_plain_text_is_not_taken(serve):
    with serve(router) as browser:
        plain = {"content-type": "text/plain"}
        answer = browser.post("/body", content=b'{"name": "a", "number": 1}', headers=plain)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


@pytest.mark.parametrize(
    ("path", "chunked"),
    [("/body", False), ("/form", False), ("/keep", False), ("/nowhere", False), ("/body", True), ("/form", True)],
)
def test_a_body_over_the_bound_is_refused_declared_or_not(serve, path, chunked):
    content = b"word=" + b"x" * 3000
    with serve(router, service={"max_body": 2000}) as browser:
        kind = {"content-type": "application/x-www-form-urlencoded" if path == "/form" else "application/json"}
        answer = browser.post(path, content=iter([content[:1000], content[1000:]]) if chunked else content, headers=kind)
    assert (answer.status_code, answer.json()["code"], answer.json()["facts"]) == (413, "too-large", {"limit": "0 MB"})
    assert answer.json()["title"] == "Dữ liệu quá lớn: nhiều nhất 0 MB."
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "", "²", "99999999999999999999"])
def test_a_length_that_is_no_small_number_is_refused(serve, length):
    with serve(router) as browser:
        answer = browser.post("/body", content=b"{}", headers={"content-length": length.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_only_the_whole_path_has_a_bound_of_its_own(serve):
    bounds = {"max_body": 100, "large_bodies": {"/large": 5000}}
    body = {"name": "x" * 1000, "number": 1}
    with serve(router, service=bounds) as browser:
        assert browser.post("/large", json=body).json() == 1000
        assert browser.post("/large/", json=body).status_code == 413
        assert browser.post("/body", json=body).status_code == 413


def test_a_bug_is_told_as_nothing(serve):
    with serve(router) as browser:
        answer = browser.get("/bug")
    assert answer.status_code == 500
    assert answer.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal"}


def test_a_database_that_is_away_is_503_and_not_ready(serve, tmp_path):
    with serve(router, database_url=f"sqlite:///{tmp_path}/no/such/folder/x.db") as browser:
        answer = browser.get("/read")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
        ready = browser.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "database away")
        assert browser.get("/healthz").text == "ok"
        assert browser.get("/refuse/Forbidden").json()["code"] == "forbidden"  # although it cannot be recorded


def test_no_connection_left_to_the_database_is_503_and_no_bug(serve, postgres_urls):
    for url in [*postgres_urls.values()][:1]:
        with serve(router, database_url=url) as browser:
            pool = browser.app.state.db.engine.pool
            pool._timeout = 0.05
            taken = [pool.connect() for _ in range(pool.size())]
            answer = browser.get("/read")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"]
            assert browser.get("/readyz").status_code == 503
            for one in taken:
                one.close()
            assert browser.get("/read").status_code == 200


def test_text_that_no_database_keeps_is_invalid_input_and_no_bug(serve, postgres_urls):
    for url in postgres_urls.values():
        with serve(router, database_url=url) as browser:
            answer = browser.post("/keep", params={"name": "a\x00b"})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
            assert browser.post("/keep", params={"name": "a"}).status_code == 200


def test_ready_and_alive(serve):
    with serve(router) as browser:
        assert (browser.get("/healthz").text, browser.get("/readyz").text) == ("ok", "ready")


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, 404),
        ("203.0.113.9", {}, 404),
    ],
)
def test_figures_are_for_the_same_machine_only(serve, peer, headers, status):
    with serve(router, client=(peer, 50000)) as browser:
        answer = browser.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("http_request_seconds" in answer.text) is (status == 200)


@pytest.mark.parametrize("path", ["/read", "/refuse/Forbidden", "/nowhere", "/healthz", "/bug"])
def test_every_answer_has_the_safe_headers(serve, path):
    with serve(router, public_url="https://hop.binhlam.example") as browser:
        headers = browser.get(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert len(headers["x-request-id"]) == 26


@pytest.mark.parametrize(
    ("name", "acts"),
    [
        ("Forbidden", ["refused.forbidden"]),
        ("Conflict", ["refused.conflict"]),
        ("FreshSignInNeeded", ["refused.fresh-sign-in-needed"]),
        ("NotSignedIn", []),  # a request without any credentials is not worth a row
        ("InvalidInput", []),
        ("Unavailable", []),
    ],
)
def test_a_refusal_leaves_one_record(serve, name, acts):
    with serve(router) as browser:
        browser.get(f"/refuse/{name}")
        with browser.app.state.db.read() as tx:
            rows = tx.scalars(select(AuditEvent)).all()
            assert faults(tx) == []
    assert [row.act for row in rows] == acts
    assert all((row.actor, row.object) == ("-", f"GET /refuse/{name}") for row in rows)


def test_a_record_keeps_plain_facts_and_none_of_the_callers_own_words(serve):
    with serve(router) as browser:
        browser.get("/refuse/Conflict")
        with browser.app.state.db.read() as tx:
            [row] = tx.scalars(select(AuditEvent)).all()
    assert row.facts == {"facts": {"limit": "1 MB", "max_age": "300"}}


@pytest.mark.parametrize(
    ("public_url", "host", "taken"),
    [
        ("https://hop.example.test", "hop.example.test", True),
        ("https://hop.example.test", "hop.example.test:443", True),
        ("https://hop.example.test", "hop.example.test:80", False),
        ("https://hop.example.test", "example.test", False),
        ("http://127.0.0.1:8400", "127.0.0.1:8400", True),
        ("http://127.0.0.1:8400", "127.0.0.1", False),
        ("http://[::1]:8400", "[::1]:8400", True),
        ("http://[::1]", "[::1]:80", True),
    ],
)
def test_a_service_that_says_so_answers_to_its_own_host_only(serve, public_url, host, taken):
    with serve(router, service={"own_host_only": True}, public_url=public_url) as browser:
        found = [browser.get(path, headers={"host": host}).status_code for path in ("/read", "/healthz", "/nowhere")]
    assert found == ([200, 200, 404] if taken else [421, 200, 421])
