"""Blobs: content-addressed by the SHA-256 of the plain bytes, encrypted at rest, read by range.

A stored blob is `MAGIC | salt (16) | size (8) | chunk 0 | chunk 1 ...`; a chunk is up to `CHUNK` plain bytes under
AES-256-GCM, 16 bytes longer for its tag. Each blob has its own key, so the chunk's index serves as nonce. The additional data
bind blob, size and index: a chunk that is swapped, cut off or taken from elsewhere does not open.
"""

import contextlib
import hashlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from docs_store.places import Place, connect
from docs_store.problems import DamagedBlob, MissingBlob

MAGIC = b"DHB1"
CHUNK = 256 * 1024
TAG = 16
HEADER = len(MAGIC) + 16 + 8


@dataclass(frozen=True, slots=True)
class Blob:
    sha256: str
    size: int


def derive_key(secret: str | bytes, purpose: str) -> bytes:
    """32 bytes for one purpose out of the service's secret (HKDF-SHA-256, RFC 5869)."""
    material = secret.encode() if isinstance(secret, str) else secret
    return HKDF(SHA256(), 32, salt=None, info=f"dienhong/{purpose}".encode()).derive(material)


def open_store(url: str, key: bytes) -> "Store":
    """The store at `url` (a folder, `file://folder`, `s3://bucket/prefix` or `memory://`) under a 32-byte key."""
    return Store(connect(url), key)


class Store:
    def __init__(self, place: Place, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the store's key must have 32 bytes")
        self._place, self._key = place, key

    def put(self, source: BinaryIO | bytes) -> Blob:
        """Keep `source` (a seekable stream, read from its start); durable when this returns. Idempotent."""
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        blob = _measure(stream)
        if not self._holds(blob):
            stream.seek(0)
            self._place.write(_path(blob.sha256), self._seal(stream, blob))
        return blob

    def read(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The plain bytes `start` to `end` (exclusive, cut to the size). Only the chunks needed are fetched.

        `MissingBlob` at once; `DamagedBlob` at once or from the iterator, before any wrong byte is given out.
        """
        salt, size = self._open(sha256)
        return self._chunks(sha256, salt, size, max(start, 0), size if end is None else min(end, size))

    def size(self, sha256: str) -> int:
        """Of the plain bytes."""
        return self._open(sha256)[1]

    def check(self, sha256: str) -> int:
        """Read it whole, and an empty one's seal too; its size. `MissingBlob`, `DamagedBlob`."""
        salt, size = self._open(sha256)
        for _ in self._chunks(sha256, salt, size, 0, max(size, 1)):
            pass
        return size

    def free(self) -> tuple[int, bool]:
        """Bytes that are left, and whether they are too few to take in a new paper."""
        return self._place.free()

    def forget(self, sha256: str) -> None:
        """Remove the blob; nothing happens where there is none."""
        self._place.delete(_path(sha256))

    def _holds(self, blob: Blob) -> bool:
        with contextlib.suppress(MissingBlob, DamagedBlob):
            _, size = self._open(blob.sha256)
            return size == blob.size
        return False

    def _open(self, sha256: str) -> tuple[bytes, int]:
        path = _path(sha256)
        stored = self._place.size(path)
        if stored is None:
            raise MissingBlob(sha256=sha256)
        head = self._place.read(path, 0, HEADER)
        size = int.from_bytes(head[-8:], "big")
        if not head.startswith(MAGIC) or stored != HEADER + size + TAG * _count(size):
            raise DamagedBlob(sha256=sha256)
        return head[len(MAGIC) : -8], size

    def _chunks(self, sha256: str, salt: bytes, size: int, start: int, end: int) -> Iterator[bytes]:
        cipher, path = self._cipher(sha256, salt), _path(sha256)
        if start >= end:
            return
        for index in range(start // CHUNK, (end - 1) // CHUNK + 1):
            first = index * CHUNK
            length = min(CHUNK, size - first)
            offset = HEADER + index * (CHUNK + TAG)
            try:
                sealed = self._place.read(path, offset, offset + length + TAG)
                plain = cipher.decrypt(_nonce(index), sealed, _binding(sha256, size, index))
            except InvalidTag:
                raise DamagedBlob(sha256=sha256, chunk=index) from None
            yield plain[max(start - first, 0) : end - first]

    def _seal(self, stream: BinaryIO, blob: Blob) -> Iterator[bytes]:
        salt = secrets.token_bytes(16)
        cipher, seen = self._cipher(blob.sha256, salt), hashlib.sha256()
        yield MAGIC + salt + blob.size.to_bytes(8, "big")
        for index in range(_count(blob.size)):
            plain = stream.read(CHUNK)
            seen.update(plain)
            yield cipher.encrypt(_nonce(index), plain, _binding(blob.sha256, blob.size, index))
        if seen.hexdigest() != blob.sha256:
            raise ValueError("the source changed while it was read")

    def _cipher(self, sha256: str, salt: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt=salt, info=bytes.fromhex(sha256)).derive(self._key))


def _measure(stream: BinaryIO) -> Blob:
    stream.seek(0)
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return Blob(digest.hexdigest(), size)


def _path(sha256: str) -> str:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise MissingBlob(sha256=sha256[:64])
    return f"{sha256[:2]}/{sha256}"


def _count(size: int) -> int:
    return max(1, -(-size // CHUNK))  # an empty blob has one empty chunk, so that its size is vouched for too


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")


def _binding(sha256: str, size: int, index: int) -> bytes:
    return bytes.fromhex(sha256) + size.to_bytes(8, "big") + index.to_bytes(8, "big")
