"""The store gives back what was put, whole or by range, and nothing else: no damage passes unseen."""

import errno
import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docs_store import store as stored
from docs_store.places import Bucket, connect, free_bytes
from docs_store.problems import DamagedBlob, MissingBlob, NoRoom
from docs_store.store import CHUNK, HEADER, TAG, Store, derive_key, open_store

KEY = derive_key("một bí mật đủ dài để thử nghiệm kho", "documents")


@pytest.fixture(params=["folder", "memory", "s3"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    urls = {"folder": lambda: str(tmp_path / "blobs"), "memory": lambda: "memory://"}
    return open_store(urls.get(request.param, lambda: request.getfixturevalue("bucket"))(), KEY)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CHUNK", 64)


def whole(kept: Store, sha256: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(kept.read(sha256, start, end))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), start=st.integers(0, 450), length=st.integers(0, 450))
def test_any_range_of_any_content_comes_back(kept: Store, small_chunks: None, content: bytes, start: int, length: int) -> None:
    blob = kept.put(content)
    assert (blob.sha256, blob.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert kept.size(blob.sha256) == len(content)
    assert whole(kept, blob.sha256) == content
    assert whole(kept, blob.sha256, start, start + length) == content[start : start + length]


def test_a_stream_of_several_chunks_is_put_and_only_the_chunks_needed_are_fetched(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * (CHUNK // 100)
    blob = kept.put(io.BytesIO(content))
    fetched: list[int] = []
    read = kept._place.read

    def counting(path: str, start: int, end: int) -> bytes:
        fetched.append(end - start)
        return read(path, start, end)

    monkeypatch.setattr(kept._place, "read", counting)
    assert whole(kept, blob.sha256, CHUNK + 5, CHUNK + 9) == content[CHUNK + 5 : CHUNK + 9]
    assert fetched == [HEADER, CHUNK + TAG]


def test_the_same_bytes_are_kept_once_and_a_damaged_copy_is_mended_by_putting_them_again(tmp_path: Path) -> None:
    kept = open_store(str(tmp_path), KEY)
    blob = kept.put(b"abc")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = file.read_bytes()
    kept.put(io.BytesIO(b"abc"))
    assert file.read_bytes() == before
    file.write_bytes(before[:-1])
    with pytest.raises(DamagedBlob):
        kept.read(blob.sha256)
    kept.put(b"abc")
    assert whole(kept, blob.sha256) == b"abc"


def test_nothing_readable_lies_on_the_disk_and_the_files_are_for_the_service_alone(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/blobs", KEY).put("Tờ trình số 412".encode() * 40)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert "Tờ trình".encode() not in files[0].read_bytes()
    assert files[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "place", ["magic", "salt", "size", "first-chunk", "tag", "last-chunk", "cut", "longer", "swapped", "zero"]
)
def test_a_damaged_blob_is_told_and_never_given_out(tmp_path: Path, small_chunks: None, place: str) -> None:
    kept = open_store(str(tmp_path), KEY)
    content = bytes(range(200))
    blob = kept.put(content)
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    file.write_bytes(_damage(bytearray(file.read_bytes()), place))
    got: list[bytes] = []
    with pytest.raises(DamagedBlob) as refused:
        got.extend(kept.read(blob.sha256))
    assert b"".join(got) in (b"", content[:64], content[:128], content[:192])
    assert refused.value.facts["sha256"] == blob.sha256


def _damage(raw: bytearray, place: str) -> bytes:
    spots = {"magic": 0, "salt": 7, "size": HEADER - 1, "first-chunk": HEADER + 3, "tag": HEADER + 64 + 2, "last-chunk": -20}
    sealed = 64 + TAG
    if place in spots:
        raw[spots[place]] ^= 1
    elif place == "cut":
        del raw[HEADER + sealed :]
    elif place == "longer":
        raw += b"x"
    elif place == "swapped":
        one, two = slice(HEADER, HEADER + sealed), slice(HEADER + sealed, HEADER + 2 * sealed)
        raw[one], raw[two] = raw[two], raw[one]
    else:
        raw[:] = b""
    return bytes(raw)


def test_a_blob_put_in_the_place_of_another_does_not_open(tmp_path: Path) -> None:
    kept = open_store(str(tmp_path), KEY)
    one, two = kept.put(b"one"), kept.put(b"two")
    files = {path.name: path for path in tmp_path.rglob("*") if path.is_file()}
    files[one.sha256].write_bytes(files[two.sha256].read_bytes())
    with pytest.raises(DamagedBlob):
        whole(kept, one.sha256)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    blob = open_store(str(tmp_path), KEY).put(b"abc")
    with pytest.raises(DamagedBlob):
        whole(open_store(str(tmp_path), derive_key("một bí mật khác hẳn cũng đủ dài", "documents")), blob.sha256)


def test_what_was_forgotten_or_never_put_is_missing(kept: Store) -> None:
    blob = kept.put(b"abc")
    kept.forget(blob.sha256)
    kept.forget(blob.sha256)
    for sha256 in (blob.sha256, "0" * 64, "../../etc/passwd"):
        with pytest.raises(MissingBlob):
            kept.read(sha256)


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError

    with pytest.raises(OSError):
        connect(str(tmp_path)).write("ab/cd", broken())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("size", [0, 1, CHUNK + 7])
def test_a_check_finds_a_bit_wherever_it_turned(tmp_path: Path, size: int) -> None:
    store = open_store(str(tmp_path), KEY)
    blob = store.put(bytes(size))
    assert store.check(blob.sha256) == size
    [file] = tmp_path.glob("*/*")
    sound = file.read_bytes()
    for place in (0, 5, HEADER - 1, HEADER, len(sound) - 1):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(DamagedBlob):
            store.check(blob.sha256)
    file.unlink()
    with pytest.raises(MissingBlob):
        store.check(blob.sha256)


def test_a_full_disk_is_told_as_such_and_keeps_no_half(tmp_path: Path) -> None:
    def into_a_full_disk() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoRoom):
        connect(str(tmp_path)).write("ab/cd", into_a_full_disk())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("total", "free", "few"), [(100, 9, True), (100, 11, False), (10, 1.9, True), (10, 2.1, False), (30, 2.9, True)]
)
def test_less_than_a_tenth_or_two_gigabytes_is_too_few(
    monkeypatch: pytest.MonkeyPatch, total: int, free: float, few: bool
) -> None:
    usage = shutil._ntuple_diskusage(total << 30, 0, int(free * (1 << 30)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    assert free_bytes(Path("/")) == (usage.free, few)


@pytest.mark.parametrize("url", ["", "ftp://host/folder"])
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no store"):
        connect(url)


def test_an_s3_address_needs_no_connection_to_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "vn-1")
    assert isinstance(connect("s3://ho-so/ky-hop"), Bucket)


def test_keys_of_different_purposes_differ() -> None:
    assert derive_key("x" * 32, "documents") != derive_key("x" * 32, "cookies")
    with pytest.raises(ValueError, match="32 bytes"):
        open_store("memory://", b"short")
