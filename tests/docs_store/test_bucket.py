"""Documents in an S3-compatible store: what test_store.py asks of every place, and what only a bucket can do wrong."""

import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from docs_store import places
from docs_store.places import connect
from docs_store.store import CHUNK, derive_key, open_store
from shared.problems import Unavailable

KEY = derive_key("một bí mật đủ dài để thử nghiệm kho", "documents")


def test_a_blob_of_many_parts_is_put_and_read_by_range(bucket: str) -> None:
    kept = open_store(f"{bucket}/lon", KEY)
    content = bytes(range(256)) * (48 * 1024)  # 12 MB: more than one part of a multipart upload
    blob = kept.put(io.BytesIO(content))
    middle = 7 * CHUNK - 3
    assert b"".join(kept.read(blob.sha256, middle, middle + 9)) == content[middle : middle + 9]
    assert b"".join(kept.read(blob.sha256)) == content


def test_what_lies_in_the_bucket_is_not_written_again_and_not_readable(bucket: str) -> None:
    place, text = connect(f"{bucket}/mot"), "Tờ trình số 412".encode() * 40
    blob = open_store(f"{bucket}/mot", KEY).put(text)
    path = f"{blob.sha256[:2]}/{blob.sha256}"
    size = place.size(path)
    assert size
    before = place.read(path, 0, size)
    open_store(f"{bucket}/mot", KEY).put(text)
    assert place.read(path, 0, size) == before  # a second writing would have another salt
    assert text[:10] not in before


def test_a_write_that_breaks_off_leaves_nothing(bucket: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half" * (2 << 20)
        raise OSError

    place = connect(f"{bucket}/do")
    with pytest.raises(OSError):
        place.write("ab/cd", broken())
    assert place.size("ab/cd") is None


def test_a_wrong_key_opens_nothing(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sai")
    with pytest.raises(Unavailable):
        connect(bucket).write("ab/cd", iter([b"x"]))


def test_one_that_takes_the_call_and_never_answers_holds_few_threads_and_none_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PATIENCE", {"timeout": "1s"})
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        for name in ("AWS_ALLOW_HTTP", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "true")
        place = connect("s3://ho-so")

        def look(_: int) -> None:
            with pytest.raises(Unavailable):
                place.size("ab/cd")

        started = time.monotonic()
        with ThreadPoolExecutor(40) as threads:
            list(threads.map(look, range(40)))
        assert time.monotonic() - started < 30
        silent.setblocking(False)
        calls = 0
        with suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                calls += 1
    assert 0 < calls <= 24 * 2  # those beyond 24 were told at once; who asked, asked twice
