"""Write the golden file of `apply` anew: `python -m tests.meetings.golden`. Needed when a view or an event changes."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meetings import app as wiring
from meetings.agenda import actions as agenda
from meetings.attendance import actions as attendance
from meetings.bridges import actions as bridges
from meetings.bridges.rules import BridgeState
from meetings.live import log, snapshot
from meetings.live.apply import apply
from meetings.live.events import event_adapter
from meetings.live.log import Level
from meetings.live.views import PaperView
from meetings.minutes import actions as minutes
from meetings.speaking import actions as speaking
from meetings.voting import actions as voting
from shared import migrate
from shared.db import Database
from tests.makers import House, make_house

GOLDEN = Path(__file__).parents[2] / "meetings/web/tests/golden/apply.json"
START = datetime(2026, 12, 9, 1, 0, tzinfo=UTC)
assert wiring


def play(house: House) -> None:
    """A short meeting in which nearly every kind of event happens."""
    instant = START
    made: dict[str, str] = {}

    def act(verb: Callable, who: str, *arguments, **named):
        nonlocal instant
        instant += timedelta(seconds=30)
        with house.db.write() as tx:
            return verb(tx, instant, house.seats[who], *arguments, **named)

    for who in house.names:
        act(attendance.check_in, who)
    far = house.bridge("Suối Ngang", "m3", "m4", lead="m3")
    for state in (BridgeState.UP, BridgeState.LOST, BridgeState.UP):
        instant += timedelta(seconds=30)
        with house.db.write() as tx:
            bridges.settle(tx, instant, house.meeting_id, {far: state})
    act(bridges.close_roll, "m3", far)
    act(bridges.note, "secretary", far, "Mất điện, báo lúc 08:12")
    act(attendance.mark, "secretary", house.seats["m6"].member_id, "excused", "đi công tác")
    act(agenda.change_meeting, "secretary", place="Hội trường A")
    act(attendance.open_meeting, "chair")
    closing = act(agenda.add_item, "secretary", parent_id=None, title="Bế mạc", presenter="", minutes=5)
    act(agenda.enter_item, "chair", house.item_id)
    act(agenda.lead_page, "chair", "paper", 3)
    for who in ("m3", "m4", "m5"):
        made[who] = act(speaking.ask, who, "speech", 300)
    act(speaking.move, "chair", made["m5"], 0)
    act(speaking.withdraw, "m4", made["m4"])
    act(speaking.give_floor, "chair", made["m5"])
    for verb in (speaking.pause, speaking.resume, speaking.end):
        act(verb, "chair", made["m5"])
    act(speaking.give_floor, "chair", made["m3"])
    act(speaking.extend, "chair", made["m3"], 60)
    plan = {"item_id": house.item_id, "title": "Thông qua Nghị quyết", "majority": None, "duration": 120}
    poll = act(voting.prepare_poll, "secretary", **plan)
    for place in (0, 1):
        act(voting.move_item, "secretary", closing, parent_id=None, position=place)
    act(voting.open_poll, "secretary", poll)
    act(voting.cast_ballot, "m3", poll, voting.Choice.IN_FAVOUR, "k" * 20, None)
    act(voting.extend_poll, "chair", poll, 30)
    act(voting.close_poll, "secretary", poll)
    act(voting.declare_outcome, "chair", poll)
    act(minutes.adjourn, "chair")
    act(attendance.open_meeting, "chair")
    act(minutes.close_meeting, "chair")


def course() -> dict:
    """The first state, then each event with the state after it, as the desk sees them."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/golden.db")
        migrate.upgrade(db.engine, "meetings")
        house = make_house(db, starts_at=START + timedelta(hours=1))
        with db.read() as tx:
            before = snapshot.take(tx, house.meeting_id, Level.DESK)
        play(house)
        with db.read() as tx:
            events = [event_adapter.validate_python(row.body) for row in log.tail(tx, house.meeting_id, before.seq)]
        db.close()
    facts = {"title": "Tờ trình", "audience": "delegates", "version": 1, "sha256": "0" * 64, "pages": 24, "size": 3145728}
    paper = PaperView(id="paper", item_id=house.item_id, published_at=START, withdrawn=False, **facts)
    events.insert(0, event_adapter.validate_python({"type": "paper.published", "paper": paper}))
    state, written = before.state, []
    for event in events:
        state = apply(state, event)
        written.append({"event": event.model_dump(mode="json"), "after": state.model_dump(mode="json")})
    return {"start": before.state.model_dump(mode="json"), "steps": written}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(course(), ensure_ascii=False) + "\n", "utf-8")
