"""For any course of a meeting: the old snapshot with the events applied is the new snapshot, at every level."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from meetings import app as wiring
from meetings.agenda import actions as agenda
from meetings.attendance import actions as attendance
from meetings.bodies.rules import Role
from meetings.bodies.sheet import Row
from meetings.bridges import actions as bridges
from meetings.bridges.rules import BridgeState
from meetings.bridges.sheet import BridgeRow
from meetings.live import log, snapshot
from meetings.live.apply import apply
from meetings.live.events import event_adapter
from meetings.live.log import Level
from meetings.live.models import Event
from meetings.live.views import State
from meetings.minutes import actions as minutes
from meetings.speaking import actions as speaking
from meetings.voting import actions as voting
from shared import clock
from shared.ids import new_token
from shared.problems import Problem
from tests.makers import House, make_house

GOLDEN = Path(__file__).parents[2] / "meetings/web/tests/golden/apply.json"
PEOPLE = ("chair", "secretary", "m3", "m4", "m5", "m6")
assert wiring  # the wiring list says which rooms take part in a snapshot


class Course(RuleBasedStateMachine):
    """A meeting in which people do whatever comes to their minds; what the house refuses changes nothing."""

    database = None  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.house: House = make_house(self.database)
        self.far = [self.house.bridge("Suối Ngang", "m3", "m4", lead="m3"), self.house.bridge("Lộc An", "m5")]
        self.now = clock.now()
        self.seen = self.take(0)[0]
        self.refused = False

    def take(self, seq: int) -> tuple[dict[Level, snapshot.Snapshot], list[Event]]:
        """A snapshot of each level, and the events after `seq`."""
        with self.house.db.read() as tx:
            seen = {level: snapshot.take(tx, self.house.meeting_id, level) for level in Level}
            return seen, log.tail(tx, self.house.meeting_id, seq)

    def act(self, verb, who: str, *arguments, **named) -> None:
        self.now += timedelta(seconds=7)
        try:
            with self.house.db.write() as tx:
                verb(tx, self.now, self.house.seats[who], *arguments, **named)
        except Problem:
            self.refused = True

    def pick(self, place: int, part: str) -> str:
        ids = sorted(getattr(self.seen[Level.DESK].state, part))
        return ids[place % len(ids)] if ids else "none"

    @rule(who=st.sampled_from(PEOPLE))
    def check_in(self, who):
        self.act(attendance.check_in, who)

    @rule(who=st.sampled_from(PEOPLE), state=st.sampled_from(["present", "excused", "absent"]))
    def call_the_roll(self, who, state):
        self.act(attendance.mark, "secretary", self.house.seats[who].member_id, state, "bận việc")

    @rule(place=st.integers(0, 1), state=st.sampled_from([BridgeState.UP, BridgeState.LOST]))
    def a_bridge_comes_or_goes(self, place, state):
        self.act(lambda tx, now, seat: bridges.settle(tx, now, seat.meeting_id, {self.far[place]: state}), "secretary")

    @rule(place=st.integers(0, 1), who=st.sampled_from(PEOPLE), state=st.sampled_from(["present", "absent"]))
    def a_lead_calls_the_roll(self, place, who, state):
        member_id = self.house.seats[who].member_id
        self.act(attendance.mark, "m3", member_id, state, "", bridge_id=self.far[place])
        self.act(bridges.close_roll, "m3", self.far[place])
        self.act(bridges.note, "secretary", self.far[place], "Đã gọi")

    @rule(who=st.sampled_from(PEOPLE), name=st.sampled_from(["Xã Suối Ngang", ""]), cluster=st.sampled_from(["A", "B"]))
    def members_and_bridges_are_imported_anew(self, who, name, cluster):
        row = Row("Ông", who, who, "", "", "", "", Role.MEMBER, votes=True, bridge=name)
        room = BridgeRow("Xã Suối Ngang", "Suối Ngang", cluster, who, "")
        body_id = self.seen[Level.DESK].state.meeting.body_id
        self.act(lambda tx, now, _seat: attendance.import_members(tx, now, body_id, [row], [], "-"), "secretary")
        self.act(lambda tx, now, _seat: bridges.import_bridges(tx, now, body_id, [room], [], "-"), "secretary")

    @rule(active=st.booleans())
    def a_bridge_is_closed_or_opened_again(self, active):
        room, body_id = BridgeRow("Xã Suối Ngang", "Suối", "", "m4", ""), self.seen[Level.DESK].state.meeting.body_id
        change = partial(bridges.change_bridge, active=active)
        self.act(lambda tx, now, _seat: change(tx, now, body_id, self.far[0], room, "-"), "secretary")

    @rule()
    def everyone_comes_and_the_chair_opens(self):
        for who in PEOPLE:
            self.act(attendance.check_in, who)
        self.act(attendance.open_meeting, "chair")

    @rule(verb=st.sampled_from([minutes.adjourn, attendance.open_meeting]))
    def break_or_go_on(self, verb):
        self.act(verb, "chair")

    @rule(title=st.sampled_from(["Thảo luận", "Bế mạc"]), under=st.booleans())
    def add_an_item(self, title, under):
        parent = self.house.item_id if under else None
        self.act(agenda.add_item, "secretary", parent_id=parent, title=title, presenter="", minutes=5)

    @rule(place=st.integers(0, 9), position=st.integers(0, 3))
    def move_an_item(self, place, position):
        self.act(voting.move_item, "secretary", self.pick(place, "agenda"), parent_id=None, position=position)

    @rule(place=st.integers(0, 9))
    def turn_to_an_item(self, place):
        self.act(agenda.enter_item, "chair", self.pick(place, "agenda"))

    @rule(who=st.sampled_from(PEOPLE))
    def ask_to_speak(self, who):
        self.act(speaking.ask, who, "speech", 300)

    @rule(verb=st.sampled_from(["withdraw", "give_floor", "pause", "resume", "end"]), place=st.integers(0, 9))
    def lead_the_debate(self, verb, place):
        self.act(getattr(speaking, verb), "chair", self.pick(place, "speaking"))

    @rule(place=st.integers(0, 9), to=st.integers(0, 3))
    def change_the_order(self, place, to):
        self.act(speaking.move, "chair", self.pick(place, "speaking"), to)

    @rule()
    def prepare_a_poll(self):
        self.act(voting.prepare_poll, "secretary", item_id=self.house.item_id, title="Thông qua", majority=None, duration=60)

    @rule(verb=st.sampled_from(["open_poll", "close_poll", "declare_outcome"]), place=st.integers(0, 9))
    def lead_the_vote(self, verb, place):
        self.act(getattr(voting, verb), "chair", self.pick(place, "polls"))

    @rule(place=st.integers(0, 9), who=st.sampled_from(PEOPLE), choice=st.sampled_from(voting.Choice))
    def vote(self, place, who, choice):
        self.act(voting.cast_ballot, who, self.pick(place, "polls"), choice, new_token(), None)

    @invariant()
    def the_events_lead_from_the_old_snapshot_to_the_new(self):
        before = self.seen
        self.seen, events = self.take(before[Level.DESK].seq)
        for level, after in self.seen.items():
            assert [event.seq for event in events] == list(range(before[level].seq + 1, after.seq + 1))
            state = before[level].state
            for event in events:
                if event.level <= level:
                    state = apply(state, event_adapter.validate_python(event.body))
            assert state == after.state

    @invariant()
    def who_votes_and_is_here_is_present_but_not_at_a_lost_bridge(self):
        state = self.seen[Level.GUEST].state
        lost = {bridge.id for bridge in state.bridges.values() if bridge.state == "lost"}
        here = {one.member_id for one in state.attendance.values() if one.state == "present"}
        heard = [one.id for one in state.members.values() if one.votes and one.id in here and one.bridge_id not in lost]
        assert state.quorum.present == len(heard)

    def teardown(self) -> None:
        with self.house.db.read() as tx:
            assert log.faults(tx, self.house.meeting_id) == []


def test_events_and_snapshots_agree_for_any_course_of_a_meeting(db):
    course = type("CourseHere", (Course,), {"database": db})
    many = settings(
        max_examples=8 if db.is_sqlite else 2,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(course, settings=many)
    assert course.database is db


def test_an_event_in_the_log_cannot_be_changed_unnoticed(house):
    from sqlalchemy import text

    house.open()
    with house.db.write() as tx:
        assert log.faults(tx, house.meeting_id) == []
        tx.execute(text("UPDATE event SET actor = 'someone else' WHERE seq = 3"))
        assert log.faults(tx, house.meeting_id) == [(3, "changed")]


def test_the_web_app_applies_events_as_the_server_does():
    """The golden file is read by the web app's own test too, so the two `apply` cannot drift apart."""
    golden = json.loads(GOLDEN.read_text("utf-8"))
    state, kinds = State.model_validate(golden["start"]), set()
    for step in golden["steps"]:
        state = apply(state, event_adapter.validate_python(step["event"]))
        assert state == State.model_validate(step["after"]), step["event"]["type"]
        kinds.add(step["event"]["type"])
    assert len(kinds) >= 24


@given(st.text(max_size=40))
def test_no_text_can_pass_for_an_event(text):
    with pytest.raises(ValueError, match="valid"):
        event_adapter.validate_python({"type": text})
