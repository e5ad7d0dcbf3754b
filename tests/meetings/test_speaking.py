"""The speaking list and its clock, which the server keeps in whole seconds."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.agenda.problems import MeetingNotInStage
from meetings.attendance.problems import NotPresent
from meetings.speaking import actions, rules
from meetings.speaking.models import Speech, speeches_of
from meetings.speaking.problems import AlreadyAsked, AskedTooOften, SpeechNotInState
from meetings.speaking.rules import SpeechState
from shared import clock
from shared.problems import NotFound
from tests.makers import make_house


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), max_size=6))
def test_a_clock_that_is_paused_counts_only_what_was_spoken(spans):
    """(seconds spoken, seconds of pause) in turn."""
    now, before = clock.now(), 0
    for spoken, paused in spans:
        resumed_at, now = now, now + timedelta(seconds=spoken)
        before = rules.used(before, resumed_at, now)
        now += timedelta(seconds=paused)
        assert rules.used(before, None, now) == before
    assert before == sum(spoken for spoken, _ in spans)


@given(st.lists(st.text(min_size=1, max_size=3), unique=True, min_size=1), st.data())
def test_who_is_moved_stands_where_told_and_the_others_keep_their_order(waiting, data):
    moved, place = data.draw(st.sampled_from(waiting)), data.draw(st.integers(0, 20))
    after = rules.reorder(waiting, moved, place)
    assert after[min(place, len(waiting) - 1)] == moved
    assert [one for one in after if one != moved] == [one for one in waiting if one != moved]


class Debate:
    """A list with a clock of its own, in one database."""

    def __init__(self, db) -> None:
        self.house = make_house(db).open()
        self.now = clock.now()

    def do(self, verb, who: str, *arguments):
        with self.house.db.write() as tx:
            return verb(tx, self.now, self.house.seats[who], *arguments)

    def ask(self, who: str, allotted: int = 300) -> str:
        self.now += timedelta(seconds=1)
        return self.do(actions.ask, who, "speech", allotted)

    def after(self, seconds: float) -> "Debate":
        self.now += timedelta(seconds=seconds)
        return self

    def row(self, speech_id: str) -> Speech:
        with self.house.db.read() as tx:
            return tx.get_one(Speech, speech_id)

    def waiting(self) -> list[str]:
        with self.house.db.read() as tx:
            return [one.id for one in speeches_of(tx, self.house.meeting_id, SpeechState.WAITING)]


@pytest.fixture
def debate(db) -> Debate:
    return Debate(db)


def test_the_list_is_in_the_order_of_asking_until_the_chair_changes_it(debate):
    ids = [debate.ask(name) for name in ("m3", "m4", "m5", "m6")]
    assert debate.waiting() == ids
    debate.do(actions.move, "chair", ids[3], 0)
    debate.do(actions.move, "secretary", ids[0], 99)
    assert debate.waiting() == [ids[3], ids[1], ids[2], ids[0]]
    debate.do(actions.withdraw, "m4", ids[1])
    assert debate.waiting() == [ids[3], ids[2], ids[0]]


def test_a_member_stands_on_the_list_once_at_a_time(debate):
    debate.ask("m3")
    mine = debate.ask("m4")
    with pytest.raises(AlreadyAsked) as refusal:
        debate.ask("m4")
    assert (refusal.value.code, refusal.value.facts) == ("already-asked", {"position": 2})
    debate.do(actions.give_floor, "chair", mine)
    with pytest.raises(AlreadyAsked):
        debate.ask("m4")
    debate.do(actions.end, "chair", mine)
    assert debate.ask("m4") in debate.waiting()


def test_a_member_asks_and_takes_back_only_so_often(debate, monkeypatch):
    monkeypatch.setattr(actions, "MOST", 2)
    debate.do(actions.withdraw, "m3", debate.ask("m3"))
    last = debate.ask("m3")
    debate.do(actions.withdraw, "m3", last)
    with pytest.raises(AskedTooOften) as refusal:
        debate.ask("m3")
    assert (refusal.value.code, refusal.value.facts) == ("asked-too-often", {"most": 2})
    assert debate.ask("m4") in debate.waiting()


def test_the_clock_runs_stands_and_runs_on(debate):
    mine = debate.ask("m3", allotted=120)
    debate.do(actions.give_floor, "chair", mine)
    debate.after(45.9).do(actions.pause, "chair", mine)
    assert (debate.row(mine).used, debate.row(mine).resumed_at, debate.row(mine).state) == (45, None, "paused")
    debate.after(600).do(actions.resume, "secretary", mine)
    assert debate.row(mine).resumed_at == debate.now
    debate.after(30).do(actions.extend, "chair", mine, 60)
    assert debate.row(mine).allotted == 180
    debate.after(10).do(actions.end, "chair", mine)
    ended = debate.row(mine)
    assert (ended.used, ended.state, ended.resumed_at, ended.ended_at) == (85, "ended", None, debate.now)


def test_a_clock_that_was_set_back_takes_nothing_from_what_was_spoken(debate):
    mine = debate.ask("m3")
    debate.do(actions.give_floor, "chair", mine)
    debate.after(30).do(actions.pause, "chair", mine)
    debate.do(actions.resume, "chair", mine)
    debate.after(-120).do(actions.end, "chair", mine)
    assert debate.row(mine).used == 30


def test_time_is_given_up_to_one_hour(debate):
    mine = debate.ask("m3", allotted=1800)
    debate.do(actions.give_floor, "chair", mine)
    for _ in range(5):
        debate.do(actions.extend, "chair", mine, 600)
    assert debate.row(mine).allotted == actions.LONGEST


def test_one_person_has_the_floor_and_the_next_one_ends_it(debate):
    first, second = debate.ask("m3"), debate.ask("m4")
    debate.do(actions.give_floor, "chair", first)
    debate.after(20).do(actions.pause, "chair", first)
    debate.after(100).do(actions.give_floor, "chair", second)
    assert (debate.row(first).state, debate.row(first).used) == ("ended", 20)
    assert (debate.row(second).state, debate.row(second).resumed_at) == ("speaking", debate.now)


def test_when_the_house_rises_the_floor_is_taken_back(debate):
    from meetings.minutes import actions as minutes

    mine = debate.ask("m3")
    debate.do(actions.give_floor, "chair", mine)
    debate.after(33).do(minutes.adjourn, "chair")
    assert (debate.row(mine).state, debate.row(mine).used) == ("ended", 33)


VERBS = ("withdraw", "move", "give_floor", "pause", "resume", "extend", "end")
ALLOWED = {
    "waiting": {"withdraw", "move", "give_floor"},
    "speaking": {"pause", "extend", "end"},
    "paused": {"resume", "extend", "end"},
    "ended": set(),
    "withdrawn": set(),
}
WAYS = {
    "waiting": (),
    "speaking": ("give_floor",),
    "paused": ("give_floor", "pause"),
    "ended": ("give_floor", "end"),
    "withdrawn": ("withdraw",),
}


@pytest.mark.parametrize("state", ALLOWED)
def test_each_act_has_its_state(debate, state):
    rest = {"move": (0,), "extend": (60,)}
    for verb in VERBS:
        mine = debate.ask("m3")
        for step in WAYS[state]:
            debate.do(getattr(actions, step), "chair", mine)
        if verb in ALLOWED[state]:
            debate.do(getattr(actions, verb), "chair", mine, *rest.get(verb, ()))
        else:
            with pytest.raises(SpeechNotInState) as refusal:
                debate.do(getattr(actions, verb), "chair", mine, *rest.get(verb, ()))
            assert (refusal.value.code, refusal.value.facts) == ("speech-not-in-state", {"state": state})
        left = debate.row(mine).state
        if left == "waiting":
            debate.do(actions.withdraw, "chair", mine)
        elif left in ("speaking", "paused"):
            debate.do(actions.end, "chair", mine)


def test_only_who_is_here_asks_and_only_while_the_meeting_is_open(debate):
    house = debate.house
    with house.db.write() as tx:
        from meetings.attendance import actions as attendance

        attendance.mark(tx, debate.now, house.seats["secretary"], house.seats["m6"].member_id, "absent", "")
    with pytest.raises(NotPresent):
        debate.ask("m6")
    debate.house.check_in(["teller"])
    assert debate.ask("teller")  # without a vote, but with a voice
    closed = make_house(house.db)
    with pytest.raises(MeetingNotInStage), house.db.write() as tx:
        actions.ask(tx, debate.now, closed.seats["m3"], "speech", 300)


def test_nobody_takes_back_the_request_of_another(debate):
    mine = debate.ask("m3")
    with pytest.raises(NotFound):
        debate.do(actions.withdraw, "m4", mine)
    debate.do(actions.withdraw, "secretary", mine)
    assert debate.waiting() == []


def test_a_speech_of_another_meeting_does_not_exist_here(db, debate):
    mine = debate.ask("m3")
    other = make_house(db).open()
    for verb in ("withdraw", "give_floor", "pause", "end"):
        with pytest.raises(NotFound), db.write() as tx:
            getattr(actions, verb)(tx, debate.now, other.seats["chair"], mine)
