"""Bytes that many tablets of a room ask for and that never change: versions of papers, and files of the built web app.

Whether somebody may have a paper is asked upstream each time, with their own token and the hash that is known here: only a
304 (or a 200, for what is new) lets them have it. The bytes lie encrypted under their SHA-256 and open only unchanged.
"""

import asyncio
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from weakref import WeakValueDictionary

import httpx2
import structlog
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send

from deploy.relay.passing import Asked, Raw, Upstream, end_to_end, give, stream
from docs_store.places import connect
from docs_store.problems import DamagedBlob, MissingBlob, NoRoom
from docs_store.routes import answer_stored
from docs_store.store import Blob, Store, derive_key

log = structlog.get_logger()
PAPER = re.compile(rb"/api/meetings/[\w-]{1,64}/papers/[\w-]{1,64}/file(\?[^#]{0,100})?")
ASSET = re.compile(rb"/assets(/[\w-]+(\.[\w-]+)*)+")  # no segment that a proxy could take for a way out
TAG = re.compile(r'"([0-9a-f]{64})"')
LARGEST, LARGEST_ASSET = 101 << 20, 8 << 20  # bytes; what is larger only passes through
BESIDE = 64 << 10  # bytes on the disk beside a paper's own: its seals, its folder
MOST_ASSETS = 32 << 20  # bytes, in memory
MOST_TAGS = 10_000
AT_ONCE = 2  # papers that are being fetched, each held in memory meanwhile
TRIES = 3  # where what was kept turns out damaged, or has just gone
UNCUT = (b"if-modified-since", b"if-range", b"range", b"accept-encoding")  # left out to be told of the whole


class Checked(Store):
    """Every byte that is asked for has been checked before the first is given out."""

    def read(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        for _ in super().read(sha256, start, end):
            pass
        return super().read(sha256, start, end)


class Shelf:
    """Papers on the disk, bounded by what they may take and by what the disk holds: the longest unused go first."""

    def __init__(self, folder: Path, secret: str, most: int) -> None:
        self._store, self._most = Checked(connect(str(folder)), derive_key(secret, "relay/papers")), most
        for left in folder.glob("??/.*"):  # by who was killed while writing
            left.unlink(missing_ok=True)
        found = sorted((path.stat().st_mtime, path.name, path.stat().st_size) for path in folder.glob("??/" + "[0-9a-f]" * 64))
        self._turn = threading.Lock()  # shelves are used from several threads
        self._sizes = OrderedDict((name, size) for _, name, size in found)
        self._make_room()

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._sizes

    def answer(self, asked: Asked, sha256: str, headers: dict[str, str]) -> Response:
        """The whole, the range that is asked for, or 304; `MissingBlob` or `DamagedBlob` where it has to be fetched anew."""
        try:
            blob = Blob(sha256, self._store.size(sha256))
            answer = answer_stored(Request(asked.scope), self._store, blob, headers, "application/pdf")
        except (DamagedBlob, MissingBlob) as problem:
            log.warning(f"relay.{problem.code}", sha256=sha256)
            self._forget(sha256)
            raise
        with self._turn:
            if sha256 in self._sizes:
                self._sizes.move_to_end(sha256)
        return answer

    def could_hold(self, size: int) -> bool:
        """If all others went."""
        with self._turn:
            return size + BESIDE <= self._store.free()[0] + sum(self._sizes.values())

    def put(self, content: BytesIO, sha256: str) -> None:
        """`ValueError` for content that has another hash."""
        if hashlib.sha256(content.getbuffer()).hexdigest() != sha256:
            raise ValueError("not the content that was announced")
        while True:
            try:
                blob = self._store.put(content)
                break
            except NoRoom:
                with self._turn:
                    if not self._sizes:
                        raise
                    self._drop_oldest()
        with self._turn:
            self._sizes[sha256] = blob.size
        self._make_room()

    def _forget(self, sha256: str) -> None:
        with self._turn:
            self._sizes.pop(sha256, None)
        self._store.forget(sha256)

    def _drop_oldest(self) -> None:
        self._store.forget(self._sizes.popitem(last=False)[0])

    def _make_room(self) -> None:
        with self._turn:
            while len(self._sizes) > 1 and sum(self._sizes.values()) > self._most:
                self._drop_oldest()


class Papers:
    def __init__(self, upstream: Upstream, shelf: Shelf) -> None:
        self._upstream, self._shelf = upstream, shelf
        self._tags: OrderedDict[bytes, str] = OrderedDict()  # what upstream said last, by path and query
        self._doors: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def answer(self, asked: Asked, receive: Receive, send: Send) -> None:
        for _ in range(TRIES):
            answer, known = await self._ask(asked)
            sha256 = known if answer.status_code == 304 else self._take(asked, answer)
            if sha256 is None:
                if "range" in asked.headers:  # it was asked for the whole
                    await answer.aclose()
                    break
                await give(answer, send)
                return
            try:
                if sha256 in self._coming:
                    await asyncio.shield(self._coming[sha256])
                response = await run_sync(self._shelf.answer, asked, sha256, _headers(answer))
            except (DamagedBlob, MissingBlob):
                continue
            except (NoRoom, OSError) as error:
                log.warning("relay.paper-not-kept", error=type(error).__name__)
                break
            finally:
                if sha256 not in self._coming:
                    await answer.aclose()
            await response(asked.scope, receive, send)
            return
        await self._upstream.pass_on(asked, receive, send)

    async def _ask(self, asked: Asked) -> tuple[httpx2.Response, str | None]:
        """Upstream's word on whether this person may have it; a hash, where that is all that was asked for."""
        if not self._here(asked.target):
            async with self._doors.setdefault(asked.target, asyncio.Lock()):  # who comes second asks by the hash
                if not self._here(asked.target):
                    answer = await self._upstream.ask("GET", asked.target, asked.passed(*UNCUT))
                    self._take(asked, answer)
                    return answer, None
        known = self._tags[asked.target]
        headers = [*asked.passed(*UNCUT, b"if-none-match"), (b"if-none-match", f'"{known}"'.encode())]
        answer = await self._upstream.ask("GET", asked.target, headers)
        if answer.status_code == 304:
            async for _ in stream(answer):  # nothing; but only an answer that was read leaves its connection to the next
                pass
        return answer, known

    def _here(self, target: bytes) -> bool:
        tag = self._tags.get(target)
        return tag is not None and (tag in self._shelf or tag in self._coming)

    def _take(self, asked: Asked, answer: httpx2.Response) -> str | None:
        """The hash of what upstream gives; it is fetched now, if it is not here."""
        tag, size = TAG.fullmatch(answer.headers.get("etag", "")), answer.headers.get("content-length", "")
        whole = answer.status_code == 200 and "content-encoding" not in answer.headers
        if not tag or not whole or not size.isdecimal() or int(size) > LARGEST:
            return None
        sha256 = tag.group(1)
        if sha256 not in self._shelf and sha256 not in self._coming and not self._shelf.could_hold(int(size)):
            return None
        self._tags[asked.target] = sha256
        if len(self._tags) > MOST_TAGS:
            self._tags.popitem(last=False)
        if sha256 not in self._shelf and sha256 not in self._coming:
            self._coming[sha256] = task = asyncio.create_task(self._fetch(sha256, answer))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return sha256

    async def _fetch(self, sha256: str, answer: httpx2.Response) -> None:
        content = BytesIO()
        try:
            async with self._slots:
                async for part in stream(answer):
                    content.write(part)
                await run_sync(self._shelf.put, content, sha256)
            log.info("relay.paper-fetched", sha256=sha256, size=content.tell())
        except ValueError as error:
            raise httpx2.RemoteProtocolError(str(error)) from None
        finally:
            del self._coming[sha256]
            await answer.aclose()


def _headers(answer: httpx2.Response) -> dict[str, str]:
    """Of the stored paper, as upstream gives them for this person."""
    kept = end_to_end(answer.headers.raw, b"content-length", b"content-type", b"content-range")
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in kept}


class Assets:
    """Files of the web app whose names hold their hash; public, and small: they stay in memory."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept: OrderedDict[tuple[bytes, str], tuple[Raw, bytes]] = OrderedDict()
        self._doors: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def answer(self, asked: Asked, send: Send) -> None:
        which = asked.target, asked.headers.get("accept-encoding", "")
        async with self._doors.setdefault(asked.target, asyncio.Lock()):
            if which not in self._kept:
                own = (b"authorization", b"cookie", b"if-none-match", *(name for name in UNCUT if name != b"accept-encoding"))
                answer = await self._upstream.ask("GET", asked.target, asked.passed(*own))
                size, said = answer.headers.get("content-length", ""), answer.headers.get("cache-control", "")
                lasting = answer.status_code == 200 and said.startswith("public") and "immutable" in said
                if not lasting or not size.isdecimal() or int(size) > LARGEST_ASSET:
                    await give(answer, send)
                    return
                try:
                    body = b"".join([part async for part in stream(answer)])
                finally:
                    await answer.aclose()
                self._kept[which] = end_to_end(answer.headers.raw), body
                while sum(1024 + len(body) for _, body in self._kept.values()) > MOST_ASSETS:
                    self._kept.popitem(last=False)
            headers, body = self._kept[which]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
