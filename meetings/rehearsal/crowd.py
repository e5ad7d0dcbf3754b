"""The simulated delegates: each comes, says hello, reads, asks to speak, votes, and comes back when its line is cut."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from time import monotonic
from typing import Any

from meetings.rehearsal.line import Line, LineRefused, Requests, Unanswered
from meetings.rehearsal.rules import Ballot

VOTE_WITHIN = 3.0  # seconds; then the same ballot goes over HTTPS, as the web app's does (wire/socket.ts)
BASE, CAP = 0.5, 15.0  # seconds between tries: full jitter, as the web app has it
TRIES = 8
PIECE = 1 << 17  # bytes that the reader fetches at once (reader/pieces.ts)
SEEN_WITHIN = 30.0  # seconds
CHOICES = ("in_favour", "in_favour", "in_favour", "against", "abstaining")
_SNAPSHOT = re.compile(rb'\{"type":"snapshot","snapshot":\{"epoch":"(\w*)","seq":(\d+),')
_HINT = re.compile(r"retry_after_ms=(\d{1,6})")

Event = dict[str, Any]


@dataclass
class Watch:
    """One act of the chair, until every line that was open has shown it."""

    shows: Callable[[Event], bool]
    waiting: set[int]
    started: float
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    event: Event = field(default_factory=dict)


def backoff(attempt: int) -> float:
    """Seconds until the next try."""
    return random.random() * min(CAP, BASE * 2.0**attempt)  # noqa: S311 - nothing is guessed from it


class Crowd:
    """What the delegates share, and what is measured of them. Times in milliseconds."""

    def __init__(self, members: list[str], requests: Requests, origin: str) -> None:
        self.requests, self.origin = requests, origin
        self.live = requests.url.replace("http", "ws", 1) + "/api/live"
        self.times: dict[str, list[float]] = {"connection": [], "first_page": [], "event": [], "ballot": []}
        self.errors: Counter[str] = Counter()
        self.everybody = [Delegate(self, place, member_id) for place, member_id in enumerate(members)]
        self.watch: Watch | None = None
        self._text, self._frame = b"", dict[str, Any]()

    def took(self, what: str, started: float) -> None:
        self.times[what].append((monotonic() - started) * 1000)

    def read(self, text: bytes) -> dict[str, Any]:
        """The frame; as all hear the same, it is parsed once."""
        if text != self._text:
            self._text, self._frame = text, json.loads(text)
            told = (one["event"] for one in self._frame.get("events", ()))
            if self.watch and (event := next(filter(self.watch.shows, told), None)):
                self.watch.event = event
                self._frame["shows"] = True
        return self._frame

    def showed(self, place: int, *, cut: bool = False) -> None:
        """A line that was cut meanwhile is an error of its own, and not waited for."""
        watch = self.watch
        if watch and place in watch.waiting:
            watch.waiting.discard(place)
            if not cut:
                self.took("event", watch.started)
            if not watch.waiting:
                watch.complete.set()

    async def shown(self, watch: Watch) -> Event:
        """The event, when all have shown it or cannot be waited for any longer."""
        try:
            async with asyncio.timeout(SEEN_WITHIN):
                await watch.complete.wait()
        except TimeoutError:
            self.errors["event not shown"] += len(watch.waiting)
        self.watch = None
        return watch.event

    async def ask(self, place: int, what: str, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """The answer's JSON or bytes; None, and an error counted, where it was refused or did not come."""
        try:
            answer = await self.requests.send(place, method, path, json, **headers)
        except Unanswered as error:
            self.errors[f"{what}: {error}"] += 1
            return None
        if answer.status_code >= 300:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            self.errors[f"{what}: {answer.status_code} {problem.get('code', '')}".strip()] += 1
            return None
        told = answer.content and answer.headers.get("content-type") == "application/json"
        return answer.json() if told else answer.content


class Delegate:
    def __init__(self, crowd: Crowd, place: int, member_id: str) -> None:
        self.crowd, self.place, self.member_id = crowd, place, member_id
        self.line: Line | None = None
        self.epoch: str | None = None
        self.seq: int | None = None
        self._arrival: asyncio.Future[float | None] | None = None
        self._left = False
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._returning: asyncio.Task[None] | None = None

    # --- the line ---

    async def come(self) -> None:
        """Ticket, socket, hello, snapshot; again when the server says `later`, or nothing."""
        started = monotonic()
        for attempt in range(TRIES):
            later = await self._connect()
            if later is None:
                self.crowd.took("connection", started)
                return
            await asyncio.sleep(later or backoff(attempt))
        self.crowd.errors["no connection"] += 1

    async def _connect(self) -> float | None:
        """None: it is in. Else the seconds that the server wants it to wait, or 0."""
        told = await self.crowd.ask(self.place, "ticket", "POST", "ticket")
        if not told:
            return 0.0
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            url = f"{self.crowd.live}?ticket={told['ticket']}"
            self.line = await Line.connect(url, self.crowd.origin, self._hear, self._end)
            self._hello()
            async with asyncio.timeout(SEEN_WITHIN):
                return await self._arrival
        except (OSError, LineRefused, TimeoutError) as error:
            self.crowd.errors[f"socket: {type(error).__name__} {error}".strip()] += 1
            return 0.0

    def _arrive(self, later: float | None) -> bool:
        """Whether it was still on its way."""
        waits = self._arrival is not None and not self._arrival.done()
        if waits and self._arrival:
            self._arrival.set_result(later)
        return waits

    def _hello(self) -> None:
        if self.line:
            self.line.say(json.dumps({"type": "hello", "epoch": self.epoch, "since": self.seq}))

    def _hear(self, text: bytes) -> None:
        if found := _SNAPSHOT.match(text):  # thousands get the same large text: what it says is read once, over HTTP
            self.epoch, self.seq = found.group(1).decode(), int(found.group(2))
            self._arrive(None)
            return
        if text.startswith(b'{"type":"vote.'):
            frame = json.loads(text)
            if answer := self._answers.pop(frame["key"], None):
                answer.set_result(frame)
            return
        frame = self.crowd.read(text)
        if frame["type"] == "events" and self.seq is not None:
            self._apply(frame)

    def _apply(self, frame: dict[str, Any]) -> None:
        assert self.seq is not None  # noqa: S101
        if frame["after"] > self.seq:  # told while the snapshot was still under way: it asks again, as the web app does
            self._hello()
            return
        self.seq = max(self.seq, frame["up_to"])
        self._arrive(None)
        if frame.get("shows"):
            self.crowd.showed(self.place)

    def _end(self, code: int, reason: str) -> None:
        for answer in self._answers.values():
            answer.set_result({})
        self._answers.clear()
        self.crowd.showed(self.place, cut=True)
        if self._left:
            return
        if (hint := _HINT.search(reason)) is None:
            self.crowd.errors[f"line cut: {code}"] += 1
        later = int(hint.group(1)) / 1000 if hint else 0.0
        if not self._arrive(later):
            self._returning = asyncio.ensure_future(self._return(later))

    async def _return(self, wait: float) -> None:
        await asyncio.sleep(wait)
        await self.come()

    def leave(self) -> None:
        self._left = True
        if self._returning:
            self._returning.cancel()
        if self.line:
            self.line.leave()

    # --- what a delegate does ---

    async def check_in(self) -> None:
        await self.crowd.ask(self.place, "check-in", "POST", "check-in", {})

    async def open_paper(self, paper: dict[str, Any]) -> None:
        """As the reader does: the first piece and the last, where a PDF has its table; then it is told to be open."""
        started, size, path = monotonic(), paper["size"], f"papers/{paper['id']}/file?version={paper['version']}"
        for begin in sorted({0, (size - 1) // PIECE * PIECE}):
            end = min(begin + PIECE, size)
            got = await self.crowd.ask(self.place, "paper", "GET", path, Range=f"bytes={begin}-{end - 1}")
            if got is None:
                return
            if len(got) != end - begin or (begin == 0 and not got.startswith(b"%PDF")):
                self.crowd.errors["paper: other bytes"] += 1
        self.crowd.took("first_page", started)
        await self.crowd.ask(self.place, "opened", "POST", f"papers/{paper['id']}/opened", {"version": paper["version"]})

    async def vote(self, poll_id: str, wait: float) -> Ballot | None:
        """The acknowledged ballot. None: refused, or without an answer after all tries; both are errors."""
        await asyncio.sleep(wait)
        started, choice = monotonic(), CHOICES[self.place % len(CHOICES)]
        key = token_hex(16)
        for attempt in range(TRIES):
            answer = await self._over_the_line(poll_id, choice, key) or await self._over_http(poll_id, choice, key)
            if isinstance(answer, dict):
                self.crowd.took("ballot", started)
                return Ballot(answer["member_id"], answer["choice"], answer["receipt"])
            if answer:
                self.crowd.errors[f"ballot: {answer}"] += 1
                return None
            await asyncio.sleep(backoff(attempt))
        self.crowd.errors["ballot: no answer"] += 1
        return None

    async def _over_the_line(self, poll_id: str, choice: str, key: str) -> dict[str, Any] | None:
        if self.line is None or not self.line.open:
            return None
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        self.line.say(json.dumps({"type": "vote.cast", "poll_id": poll_id, "choice": choice, "key": key, "replaces": None}))
        await asyncio.wait((answer,), timeout=VOTE_WITHIN)
        self._answers.pop(key, None)
        frame = answer.result() if answer.done() else {}
        return frame.get("receipt")

    async def _over_http(self, poll_id: str, choice: str, key: str) -> dict[str, Any] | str | None:
        """The receipt; the code of a refusal; None where nothing is decided."""
        body = {"choice": choice, "replaces": None}
        try:
            answer = await self.crowd.requests.send(self.place, "POST", f"polls/{poll_id}/ballots", body, Idempotency_Key=key)
        except Unanswered:
            return None
        if answer.status_code == 200:
            receipt: dict[str, Any] = answer.json()
            return receipt
        decided = answer.status_code < 500 and answer.status_code != 429
        return str(answer.json().get("code", answer.status_code)) if decided else None
