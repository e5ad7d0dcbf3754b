"""One member's device: keeps a line, applies events, and tries a ballot with the same key until an answer is terminal.

Its rules are those of meetings/web (`wire/socket.ts`, `vote/ballot.svelte.ts`, `meeting/apply.ts`), written once more.
"""

import asyncio
import json
import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

from tests.faults.history import History
from tests.faults.socket_line import Http, Line, Way, open_line

BASE, CAP = 0.5, 15.0  # seconds
VOTE_WITHIN, GIVE_UP, SILENCE = 3.0, 10.0, 40.0
WHOLE = ("meeting", "members", "agenda", "bridges", "quorum", "minutes")
ONE_OF_MANY = {
    "paper": ("papers", "id"),
    "attendance": ("attendance", "member_id"),
    "bridge": ("bridges", "id"),
    "speech": ("speaking", "id"),
    "poll": ("polls", "id"),
}


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class Fold:
    """States by what they came of, so that a thousand tablets that heard the same share one."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Any]] = {}
        self._digests: dict[str, str] = {}
        self._texts: dict[bytes, Any] = {}
        self._begun: dict[int, str] = {}
        self._kept: list[dict[str, Any]] = []

    def read(self, text: bytes) -> Any:
        """A frame; the same to all is taken apart once."""
        if text not in self._texts:
            if len(self._texts) > 500:
                self._texts.clear()
            self._texts[text] = json.loads(text)
        return self._texts[text]

    def begin(self, state: dict[str, Any]) -> str:
        """`state` is kept, so that the same object is known again."""
        known = self._begun.get(id(state))
        if known is None:
            known = self._begun[id(state)] = sha256(canonical(state)).hexdigest()
            self._kept.append(state)
            self._states.setdefault(known, state)
        return known

    def apply(self, key: str, event: dict[str, Any], name: str) -> str:
        after = sha256(f"{key} {name}".encode()).hexdigest()
        if after not in self._states:
            state = dict(self._states[key])
            for field in WHOLE:
                if field in event:
                    state[field] = event[field]
            for field, (of, by) in ONE_OF_MANY.items():
                if field in event:
                    state[of] = state[of] | {event[field][by]: event[field]}
            if "speeches" in event:
                state["speaking"] = state["speaking"] | event["speeches"]
            self._states[after] = state
        return after

    def state(self, key: str) -> dict[str, Any]:
        return self._states[key]

    def digest(self, key: str) -> str:
        if key not in self._digests:
            self._digests[key] = sha256(canonical(self._states[key])).hexdigest()
        return self._digests[key]


@dataclass
class Ballot:
    """How it ended: `receipt`, or the code of the refusal."""

    key: str
    choice: str
    receipt: dict[str, Any] | None = None
    refused: str = ""


class Tablet:
    def __init__(
        self,
        username: str,
        member_id: str,
        way: Way,
        token: str,
        history: History,
        fold: Fold,
        *,
        site: int = 0,
        level: int = 1,
    ) -> None:
        self.username, self.member_id, self.way, self.site, self.level = username, member_id, way, site, level
        self.history, self.fold, self.http = history, fold, Http(way, token)
        self.epoch: str | None = None
        self.seq, self.state_key = -1, ""
        self.heard: list[tuple[Any, str]] = []  # (seq, digest) of each event applied, ("snapshot", seq) where one began
        self.line: Line | None = None
        self.closes: list[tuple[float, int, str]] = []  # instant, code and reason of each end of a line
        self.up_at: list[float] = []  # when it stood again: greeted and caught up
        self.turnout: dict[str, Any] = {}
        self.tries = 0  # to connect, since the line was last up
        self.most_tries = 0
        self._behind = 0
        self._silent_since = 0.0
        self._votes: dict[str, asyncio.Future[dict[str, Any] | None]] = {}
        self._down, self._line_is_back = asyncio.Event(), asyncio.Event()
        self._reason = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self.line is not None and self.seq >= 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self.line:
            self.line.cut()
        self.http.close()

    async def _keep(self) -> None:
        attempt = 0
        while True:
            self.tries += 1
            self.most_tries = max(self.most_tries, self.tries)
            self._down.clear()
            self._reason = ""
            if await self._connect():
                attempt = 0
                while not self._down.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._down.wait(), 5)
                    if not self._down.is_set() and time.monotonic() > self._silent_since + SILENCE:
                        self.line and self.line.cut()
            self.line = None
            for one in [*self._votes.values()]:
                one.done() or one.set_result(None)
            hint = re.fullmatch(r"retry_after_ms=(\d{1,6})", self._reason)
            if not hint:
                self.way.next_door()
            await asyncio.sleep(int(hint[1]) / 1000 if hint else random.random() * min(CAP, BASE * 2**attempt))
            attempt += 1

    async def _connect(self) -> bool:
        """Whether a line was open, however short."""
        try:
            status, body = await self.http.send("POST", f"/api/meetings/{self.way.meeting_id}/ticket")
        except (OSError, TimeoutError):
            return False
        if status != 201:
            self.history.note("ticket", "fail", voter=self.member_id, status=status)
            return False
        line = await open_line(self.way, body["ticket"], self._hear, self._gone)
        if line is None:
            return False
        self.line, self._silent_since = line, time.monotonic()
        self.hello()
        return True

    def hello(self) -> None:
        if self.line:
            self.line.say({"type": "hello", "epoch": self.epoch, "since": None if self.seq < 0 else self.seq})

    def _gone(self, code: int, reason: str) -> None:
        self.closes.append((time.monotonic(), code, reason))
        self._reason = reason
        self._down.set()

    def _hear(self, text: bytes) -> None:
        self._silent_since = time.monotonic()
        frame = self.fold.read(text)
        kind = frame["type"]
        if kind == "events":
            self._apply(frame)
        elif kind == "snapshot":
            snapshot = frame["snapshot"]
            self.epoch, self.seq = snapshot["epoch"], snapshot["seq"]
            self.state_key = self.fold.begin(snapshot["state"])
            self.heard.append(("snapshot", str(self.seq)))
            self._stands()
        elif kind == "vote.receipt":
            self._told(frame["key"], frame["receipt"])
        elif kind == "vote.refused":
            self._told(frame["key"], None)
        elif kind == "turnout":
            self.turnout = frame
        elif kind == "heartbeat":
            self._behind = self._behind + 1 if frame["head"] > self.seq else 0
            if self._behind > 1:
                self.hello()

    def _apply(self, frame: dict[str, Any]) -> None:
        if self.seq < 0:
            return  # the snapshot that was asked for will say it
        if frame["after"] > self.seq:
            self.hello()
            return
        for one in frame["events"]:
            if one["seq"] > self.seq:
                name = sha256(canonical(one["event"])).hexdigest()[:16]
                self.state_key = self.fold.apply(self.state_key, one["event"], name)
                self.heard.append((one["seq"], name))
        self.seq = max(self.seq, frame["up_to"])
        self._stands()

    def _stands(self) -> None:
        if self.tries:
            self._line_is_back.set()
            self.up_at.append(time.monotonic())
            self.tries = 0

    def _told(self, key: str, receipt: dict[str, Any] | None) -> None:
        waiting = self._votes.get(key)
        if waiting and not waiting.done():
            waiting.set_result(receipt)

    async def vote(self, poll: str, choice: str, replaces: str | None = None, *, over: str = "line", key: str = "") -> Ballot:
        """`over`: "line", or "https" for a device without one. Returns when the answer is terminal."""
        ballot = Ballot(key or uuid4().hex, choice)
        known = {"site": self.site, "voter": self.member_id, "poll": poll, "idem": ballot.key, "choice": choice}
        self.history.note("cast", "invoke", replaces=replaces, **known)
        started, attempt = time.monotonic(), 0
        while True:
            known["node"] = self.way.door[1]
            receipt = await self._over_line(poll, ballot, replaces) if over == "line" else None
            ballot.refused = "" if receipt else await self._over_https(poll, ballot, replaces)
            if receipt := receipt or ballot.receipt:
                ballot.receipt = receipt
                self.history.note("cast", "ok", receipt=receipt, **known)
                self.history.acknowledged(time.monotonic() - started)
                return ballot
            if ballot.refused:
                self.history.note("cast", "fail", code=ballot.refused, **known)
                return ballot
            self.history.note("cast", "info", **known)
            self._line_is_back.clear()
            with suppress(TimeoutError):  # no pause any more when the line is back
                await asyncio.wait_for(self._line_is_back.wait(), random.random() * min(CAP, BASE * 2**attempt))
            attempt += 1

    async def _over_line(self, poll: str, ballot: Ballot, replaces: str | None) -> dict[str, Any] | None:
        if not self.up or self._down.is_set():
            return None
        self._votes[ballot.key] = asyncio.get_running_loop().create_future()
        said = {"type": "vote.cast", "poll_id": poll, "choice": ballot.choice, "key": ballot.key, "replaces": replaces}
        try:
            assert self.line
            self.line.say(said)
            return await asyncio.wait_for(self._votes[ballot.key], VOTE_WITHIN)
        except TimeoutError:
            return None
        finally:
            self._votes.pop(ballot.key, None)

    async def _over_https(self, poll: str, ballot: Ballot, replaces: str | None) -> str:
        """The code of a refusal; empty where there is a receipt, or nothing is known."""
        path = f"/api/meetings/{self.way.meeting_id}/polls/{poll}/ballots"
        body = {"choice": ballot.choice, "replaces": replaces}
        try:
            status, told = await self.http.send("POST", path, body, {"Idempotency-Key": ballot.key}, GIVE_UP)
        except (OSError, TimeoutError):
            self.line or self.way.next_door()
            return ""
        if status == 200:
            ballot.receipt = told
        return str(told["code"]) if status < 500 and status not in (200, 429) else ""

    def report(self) -> None:
        """What it has heard and where it stands, for the oracle."""
        if self.seq >= 0:
            who = {"site": self.site, "voter": self.member_id, "level": self.level, "node": self.way.door[1]}
            self.history.note("heard", "ok", events=self.heard, seq=self.seq, **who)
            self.history.note("state", "ok", seq=self.seq, digest=self.fold.digest(self.state_key), **who)
