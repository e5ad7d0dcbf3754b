"""The course of a rehearsed session: all come, the simulated chair conducts it from the first item to the last."""

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Any

from meetings.rehearsal import rules
from meetings.rehearsal.crowd import Crowd, Delegate, Event, Watch
from meetings.rehearsal.models import Progress, Step
from meetings.rehearsal.rules import Ballot

CHAIR = 0
Stored = Callable[[str], list[Ballot]]  # the ballots of a poll that count, as they stand in the database


class Halted(Exception):
    """What the rest of the session rests on was refused, or nobody saw it; the error is counted."""


class Course:
    def __init__(self, crowd: Crowd, stored: Stored, tell: Callable[[Progress], None]) -> None:
        self.crowd, self._stored, self._tell = crowd, stored, tell
        self.counts = {"lost": 0, "doubled": 0}
        self._speaker = 0

    async def run(self) -> None:
        try:
            await self._arrive()
            if not any(one.line and one.line.open for one in self.crowd.everybody):
                return
            plan = await self.crowd.ask(CHAIR, "snapshot", "GET", "")
            if plan is None:
                return
            state = plan["state"]  # the chair's, who sees the papers of the desk too; nobody else opens those
            state["papers"] = {one["id"]: one for one in state["papers"].values() if one["audience"] != "desk"}
            reading = asyncio.create_task(self._read(list(state["papers"].values())))
            try:
                await self._sit(state)
                await self._say("reading", 95)
                await reading
            finally:
                reading.cancel()
        except Halted:
            return
        finally:
            for delegate in self.crowd.everybody:
                delegate.leave()

    async def _say(self, step: Step, percent: int) -> None:
        await asyncio.to_thread(self._tell, Progress(step=step, percent=percent))

    async def _arrive(self) -> None:
        await self._say("arriving", 0)
        await self._paced([self._enter(delegate) for delegate in self.crowd.everybody], rules.ARRIVALS)

    async def _enter(self, delegate: Delegate) -> None:
        await delegate.come()
        await delegate.check_in()

    async def _read(self, papers: list[dict[str, Any]]) -> None:
        if papers:
            who = rules.readings(len(self.crowd.everybody), len(papers))
            random.shuffle(who)
            everybody = self.crowd.everybody
            await self._paced([everybody[place].open_paper(papers[paper]) for place, paper in who], rules.READINGS)

    async def _paced(self, deeds: list[Any], per_second: float) -> None:
        """Begin so many a second, whether or not those before are done."""
        begun, started = [], monotonic()
        try:
            for place, deed in enumerate(deeds):
                await asyncio.sleep(started + place / per_second - monotonic())
                begun.append(asyncio.ensure_future(deed))
            await asyncio.gather(*begun)
        finally:
            for one in begun:
                one.cancel()
            for deed in deeds[len(begun) :]:
                deed.close()

    # --- the session ---

    async def _sit(self, state: dict[str, Any]) -> None:
        items = sorted(state["agenda"].values(), key=lambda item: [int(part) for part in item["number"].split(".")])
        await self._say("sitting", 20)
        await self._act("open", "open", lambda event: event["type"] == "meeting.opened")
        for place, item in enumerate(items, 1):
            await self._item(item, state)
            await self._say("sitting", 20 + 70 * place // len(items))
        await self._act("close the meeting", "close", lambda event: event["type"] == "meeting.closed")

    async def _item(self, item: dict[str, Any], state: dict[str, Any]) -> None:
        await self._act("enter", "enter", lambda event: event["type"] == "item.entered", {"item_id": item["id"]})
        shown = [paper for paper in state["papers"].values() if paper["item_id"] == item["id"]]
        for page in range(1, min(2, shown[0]["pages"]) + 1) if shown else ():
            lead = {"paper_id": shown[0]["id"], "page": page}
            await self._act("lead", "lead", lambda event: event["type"] == "page.led", lead)
        for _ in range(rules.SPEAKERS):
            await self._speech()
        for poll in sorted(state["polls"].values(), key=lambda poll: str(poll["number"])):
            if poll["item_id"] == item["id"]:
                await self._poll(poll)

    async def _speech(self) -> None:
        self._speaker = (self._speaker + 1) % len(self.crowd.everybody)
        kind = {"kind": "debate", "allotted": 60}
        asked = await self._act("speech", "speeches", lambda event: event["type"] == "speech.requested", kind, self._speaker)
        path = f"speeches/{asked['speech']['id']}"
        await self._act("give the floor", f"{path}/give", lambda event: event["type"] == "floor.given")
        await self._act("end the speech", f"{path}/end", lambda event: event["type"] == "speech.ended")

    async def _poll(self, poll: dict[str, Any]) -> None:
        path, everybody = f"polls/{poll['id']}", self.crowd.everybody
        await self._act("open a poll", f"{path}/open", lambda event: event["type"] == "poll.opened")
        spread = rules.voting_time(len(everybody), poll["duration"])
        waits = [random.random() * spread for _ in everybody]  # noqa: S311
        cast = await asyncio.gather(*(one.vote(poll["id"], wait) for one, wait in zip(everybody, waits, strict=True)))
        await self._act("close a poll", f"{path}/close", lambda event: event["type"] == "poll.closed")
        told = await self._act("declare", f"{path}/declare", lambda event: event["type"] == "outcome.declared")
        await self._recount(poll["id"], cast, told)

    async def _recount(self, poll_id: str, cast: list[Ballot | None], declared: Event) -> None:
        stored = await asyncio.to_thread(self._stored, poll_id)
        unsure = {one.member_id for one, ballot in zip(self.crowd.everybody, cast, strict=True) if ballot is None}
        tally = {choice: declared["poll"]["tally"][choice] for choice in ("in_favour", "against", "abstaining")}
        found = rules.recount([ballot for ballot in cast if ballot], unsure, stored, tally)
        self.counts["lost"] += found.lost
        self.counts["doubled"] += found.doubled

    async def _act(self, what: str, path: str, shows: Callable[[Event], bool], body: Any = None, place: int = CHAIR) -> Event:
        """Do it, and wait until all show it; the event."""
        open_lines = {one.place for one in self.crowd.everybody if one.line and one.line.open}
        watch = self.crowd.watch = Watch(shows, open_lines, monotonic())
        if await self.crowd.ask(place, what, "POST", path, body) is None:
            self.crowd.watch = None
            raise Halted()
        event = await self.crowd.shown(watch)
        if not event:
            raise Halted()
        return event
