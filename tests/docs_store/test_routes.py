"""Files over HTTP: whole, by range, revalidated, and harmless to the browser that shows them."""

from dataclasses import dataclass

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from docs_store.routes import answer_file, content_disposition
from docs_store.store import derive_key, open_store

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)


@dataclass
class Kept:
    sha256: str
    size: int


def client() -> TestClient:
    store = open_store("memory://", derive_key("x" * 32, "documents"))
    blob = store.put(CONTENT)
    app = FastAPI()

    @app.api_route("/file", methods=["GET", "HEAD"])
    def file(request: Request) -> Response:
        return answer_file(request, store, Kept(blob.sha256, blob.size), download_name="Tờ trình.pdf")

    return TestClient(app)


def test_the_whole_file_comes_with_safe_headers() -> None:
    answer = client().get("/file")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(SIZE)
    assert "filename*=UTF-8''T%E1%BB%9D%20tr%C3%ACnh.pdf" in answer.headers["content-disposition"]
    assert 'filename="To trinh.pdf"' in answer.headers["content-disposition"]
    assert answer.headers["cache-control"].startswith("private")


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        ("1000-", 1000, SIZE),
        ("-5", SIZE - 5, SIZE),
        ("-5000", 0, SIZE),
        ("1020-9999", 1020, SIZE),
    ],
)
def test_one_range_is_answered_with_206(wanted: str, start: int, end: int) -> None:
    answer = client().get("/file", headers={"Range": f"bytes={wanted}"})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("wanted", ["1024-", "5000-6000", "-0"])
def test_a_range_beyond_the_end_is_416(wanted: str) -> None:
    answer = client().get("/file", headers={"Range": f"bytes={wanted}"})
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,2-3", "bytes=" + "0-," * 10_000, "bytes=5-1", "bytes=-", "lines=1-2", "bytes=a-b"]
)
def test_what_is_not_one_good_range_gets_the_whole_file(wanted: str) -> None:
    assert client().get("/file", headers={"Range": wanted}).status_code == 200


def test_an_unchanged_file_is_304_and_a_range_of_another_version_is_the_whole() -> None:
    browser = client()
    tag = browser.get("/file").headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = browser.get("/file", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert browser.get("/file", headers={"If-None-Match": '"x"'}).status_code == 200
    assert browser.get("/file", headers={"Range": "bytes=0-9", "If-Range": tag}).status_code == 206
    assert browser.get("/file", headers={"Range": "bytes=0-9", "If-Range": '"x"'}).status_code == 200


def test_head_tells_the_size_and_sends_nothing() -> None:
    answer = client().head("/file")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(SIZE), b"")


@pytest.mark.parametrize(
    "name", ["../../x", "a\r\nSet-Cookie: x=1", '";filename=x.exe', "a\x00b", "C:\\x", "", "...", "x" * 5000, "\u202efdp.exe"]
)
def test_no_file_name_breaks_the_header(name: str) -> None:
    header = content_disposition("attachment", name)
    assert not set(header) & set("\r\n\x00\\/")
    assert header.count('"') == 2
    assert header.isascii()
    assert len(header) < 700
