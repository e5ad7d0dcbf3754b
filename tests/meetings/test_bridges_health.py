"""Bridges that come, are lost and are back: judged by several nodes on one database, told once, and counted for the quorum."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from meetings.agenda import actions as agenda
from meetings.agenda.models import Meeting
from meetings.agenda.problems import NoQuorum
from meetings.attendance.models import present_of, quorum_of
from meetings.bodies.models import Body
from meetings.bodies.rules import LostBridge
from meetings.bridges import actions
from meetings.bridges.health import Health
from meetings.bridges.models import BridgeHeard, BridgeReading, readings_of, trail
from meetings.bridges.rules import FRESH, KEPT, BridgeState, Heard
from meetings.bridges.sheet import BridgeRow
from meetings.live import log
from meetings.live.frames import BridgeHealth
from meetings.voting import actions as voting
from meetings.voting.models import electorate_of
from shared import clock
from tests.makers import House


class Node:
    """One process: what it hears, at an hour."""

    def __init__(self, house: House) -> None:
        self.house, self.health = house, Health(house.db)

    def hears(self, *names: str, at: datetime, delay: float | None = 0.4, relayed: bool = False):
        sockets = [(self.house.seats[name].member_id, delay, relayed) for name in names]
        with time_machine.travel(at, tick=False):
            return asyncio.run(self.health.measure(self.house.meeting_id, sockets))

    def one(self, bridge_id: str, at: datetime):
        """What it answers about one bridge, and the names of who is online there."""
        with self.house.db.read() as tx:
            health, online = self.health.one(tx, self.house.meeting_id, bridge_id, at)
        return health, {name for name, seat in self.house.seats.items() if seat.member_id in online}


@pytest.fixture
def far(house) -> str:
    """A bridge at which m3, m4 and m5 sit."""
    return house.bridge("Suối Ngang", "m3", "m4", "m5", lead="m3")


@pytest.fixture
def nodes(house):
    made = [Node(house), Node(house)]
    yield made
    for node in made:
        node.health.close()


def told(house) -> list[str]:
    """The events of bridges."""
    with house.db.read() as tx:
        kinds = [event.body["type"] for event in log.tail(tx, house.meeting_id, 0)]
    return [kind for kind in kinds if kind.startswith("bridge.")]


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_bridge_joins_is_lost_and_is_back_and_every_node_knows_but_one_tells(house, far, nodes):
    one, two = nodes
    start = clock.now()
    assert two.hears(at=start).bridges == {}
    assert one.hears("m3", "m4", at=start).bridges[far] == BridgeHealth(
        online=2, relayed=0, delay=400, seen_at=start, unsteady=False
    )
    two.hears("m5", at=start + after(5))
    assert told(house) == ["bridge.joined"]
    both = two.hears("m5", at=start + after(21), delay=0.9).bridges[far]
    assert (both.online, both.delay) == (3, 900)  # the sum, and the worst delay
    for seconds in (36, 51, 66):
        one.hears(at=start + after(seconds))
        two.hears(at=start + after(seconds))
    assert told(house) == ["bridge.joined", "bridge.lost"]
    frame = one.hears(at=start + after(67))
    assert frame.bridges[far] == BridgeHealth(online=0, relayed=0, delay=None, seen_at=start + after(21), unsteady=True)
    for node in nodes:
        node.hears("m4", at=start + after(82))
    assert told(house) == ["bridge.joined", "bridge.lost", "bridge.returned"]


def test_a_bridge_that_returns_is_told_at_once_and_not_at_the_next_reading(house, far, nodes):
    one, _ = nodes
    start = clock.now()
    one.hears(at=start)
    one.hears("m3", at=start + after(5))
    assert told(house) == ["bridge.joined"]


def test_a_node_that_has_only_begun_to_look_loses_nothing(house, far, nodes):
    one, two = nodes
    start = clock.now()
    one.hears("m3", at=start)
    two.hears(at=start + after(600))  # everybody's process was away, and this is the first look of a new one
    one.hears(at=start + after(601))  # so is this: the database was away for ten minutes
    assert told(house) == ["bridge.joined"]
    for seconds in (616, 631, 646):
        one.hears(at=start + after(seconds))
    assert told(house) == ["bridge.joined", "bridge.lost"]


def test_a_clock_that_is_set_back_stops_nothing(house, far, nodes):
    start = clock.now()
    nodes[0].hears(at=start + timedelta(hours=1))
    nodes[0].hears("m3", at=start)
    for seconds in (15, 30, 45, 60):
        nodes[0].hears(at=start + after(seconds))
    assert told(house) == ["bridge.joined", "bridge.lost"]


def test_who_reads_papers_the_day_before_has_not_come_to_the_meeting(house, far, nodes):
    frame = nodes[0].hears("m3", at=clock.now() - timedelta(days=1))
    assert frame.bridges[far].online == 1
    assert told(house) == []


def test_a_body_without_bridges_and_a_meeting_that_is_over_are_not_measured(house, nodes):
    assert nodes[0].hears("m3", at=clock.now()) is None
    house.bridge("Lộc An", "m3")
    far = house.open().bridge("Đạ Hòa", "m4")
    with house.db.write() as tx:
        agenda.close(tx, clock.now(), house.seats["chair"])
    assert nodes[1].hears("m3", at=clock.now()) is None
    move(house, far, BridgeState.UP)
    assert told(house) == []


def test_of_nodes_that_judge_in_the_same_instant_one_writes_the_event(house, far):
    now = clock.now()

    def judge(state: BridgeState, instant: datetime) -> None:
        with house.db.write() as tx:
            actions.settle(tx, instant, house.meeting_id, {far: state})

    with ThreadPoolExecutor(4) as pool:
        for place, state in enumerate([BridgeState.UP, BridgeState.LOST, BridgeState.UP]):
            list(pool.map(judge, [state] * 4, [now + after(place)] * 4))
    assert told(house) == ["bridge.joined", "bridge.lost", "bridge.returned"]


def test_a_reading_that_another_node_wrote_in_time_keeps_a_bridge(house, far):
    now = clock.now()
    with house.db.write() as tx:
        actions.settle(tx, now, house.meeting_id, {far: BridgeState.UP})
        actions.keep_readings(tx, now + after(10), house.meeting_id, "another", {far: Heard(("m3",), 0, None)})
    for seconds, events in ((54, 1), (56, 2)):
        with house.db.write() as tx:
            actions.settle(tx, now + after(seconds), house.meeting_id, {far: BridgeState.LOST})
        assert len(told(house)) == events


def test_readings_are_summed_over_nodes_and_swept_after_half_an_hour(house, far, nodes):
    start = clock.now().replace(second=0, microsecond=0)
    nodes[0].hears("m3", "m4", at=start + after(1), delay=0.2)
    nodes[1].hears("m5", at=start + after(3), delay=1.5)
    nodes[0].hears("m3", at=start + after(16), delay=None)
    with house.db.read() as tx:
        line = trail(readings_of(tx, house.meeting_id, far, start - KEPT))
    assert [(online, delay) for _, online, delay in line] == [(3, 1500), (1, None)]
    nodes[0].hears("m3", at=start + KEPT + after(10))
    with house.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(BridgeReading)) == 2


def test_every_process_knows_who_is_online_at_a_bridge_and_behind_a_relay(house, far, nodes):
    one, two = nodes
    start = clock.now()
    one.hears("m3", "m6", at=start)
    two.hears("m4", "m5", at=start, relayed=True)
    third = Node(house)
    for node in (one, two, third):
        health, online = node.one(far, start + after(10))
        assert online == {"m3", "m4", "m5"}  # m6 sits in the hall
        assert (health.online, health.relayed, health.unsteady) == (3, 2, False)
    third.health.close()
    assert one.hears("m3", at=start + after(16)).bridges[far].relayed == 2
    health, online = one.one(far, start + FRESH + after(16))
    assert (health.online, health.unsteady, online) == (0, True, set())
    with house.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(BridgeHeard)) == 2, (
            "one row for each process, however long it goes on"
        )


def test_a_member_with_tablets_at_two_processes_is_one(house, far, nodes):
    start = clock.now().replace(second=0, microsecond=0)
    for node in nodes:
        node.hears("m3", "m4", at=start, relayed=True)
    for node in nodes:
        frame = node.hears("m3", "m4", at=start + after(1), relayed=True).bridges[far]
        health, online = node.one(far, start + after(1))
        assert (frame.online, frame.relayed) == (health.online, health.relayed) == (2, 2)
        assert online == {"m3", "m4"}
    for node in sorted(nodes, key=lambda node: node.health._node):
        node.hears("m3", "m4", at=start + after(16))
    with house.db.read() as tx:
        line = trail(readings_of(tx, house.meeting_id, far, start - KEPT))
    assert [online for _, online, _ in line][-1] == 2


def test_processes_agree_that_a_bridge_is_unsteady_and_that_it_is_steady_again(house, far, nodes):
    one, two = nodes
    start = clock.now()
    told = []
    for place, names in enumerate([["m3", "m4"], ["m3"]] * 2 + [["m3", "m4"]] * 10):
        at = start + after(16 * place)
        frames = one.hears(*names, at=at), two.hears("m5", at=at + after(1))
        told.append({frame.bridges[far].unsteady for frame in frames} | {one.one(far, at + after(2))[0].unsteady})
    assert told[1] == {False}
    assert told[4] == {True}
    assert told[-1] == {False}


def move(house: House, bridge_id: str, state: BridgeState) -> None:
    with house.db.write() as tx:
        actions.settle(tx, clock.now(), house.meeting_id, {bridge_id: state})


def counted(house: House) -> int:
    with house.db.read() as tx:
        return quorum_of(tx, tx.get_one(Meeting, house.meeting_id)).present


def test_a_bridge_that_drops_out_takes_its_members_out_of_the_quorum_and_a_poll_is_not_opened(house, far):
    house.open()
    move(house, far, BridgeState.UP)
    assert counted(house) == 6
    poll_id = house.prepare_poll()
    move(house, far, BridgeState.LOST)
    with pytest.raises(NoQuorum) as refusal, house.db.write() as tx:
        voting.open_poll(tx, clock.now(), house.seats["chair"], poll_id)
    assert refusal.value.facts == {"needed": 4, "total": 6, "present": 3}
    with house.db.read() as tx:
        [lost] = [event.body for event in log.tail(tx, house.meeting_id, 0) if event.body["type"] == "bridge.lost"]
    assert lost["quorum"] == {"total": 6, "needed": 4, "present": 3, "reached": False}
    move(house, far, BridgeState.UP)
    assert counted(house) == 6


def test_where_the_bodys_rule_says_so_a_lost_bridge_counts(house, far):
    with house.db.write() as tx:
        tx.scalars(select(Body)).one().lost_bridge = LostBridge.COUNTS
    house.open()
    for state in (BridgeState.UP, BridgeState.LOST):
        move(house, far, state)
        assert counted(house) == 6


def test_an_open_poll_keeps_its_electorate_and_a_ballot_from_a_lost_bridge_is_valid(house, far):
    house.open()
    move(house, far, BridgeState.UP)
    poll_id = house.open_poll()
    move(house, far, BridgeState.LOST)
    for name in ("chair", "secretary", "m3"):
        house.cast(name, poll_id, "in_favour")
    poll = house.close_poll(poll_id)
    with house.db.read() as tx:
        assert len(electorate_of(tx, poll_id)) == 6
    assert (poll.in_favour, poll.not_voted, poll.absent, poll.needed) == (3, 3, 2, 4)


def test_who_sits_in_the_hall_is_present_whatever_happens_to_the_bridges(house, far):
    house.open()
    for state in (BridgeState.UP, BridgeState.LOST):
        move(house, far, state)
    with house.db.read() as tx:
        here = present_of(tx, house.meeting_id)
    assert here == {house.seats[name].member_id for name in ("chair", "secretary", "m6")}


def test_bridges_that_come_together_are_told_each_with_the_quorum_of_all(house):
    rooms = {house.bridge(name, member): BridgeState.UP for name, member in (("A", "m3"), ("B", "m4"))}
    house.open()
    with house.db.write() as tx:
        actions.settle(tx, clock.now(), house.meeting_id, rooms)
        actions.settle(tx, clock.now(), house.meeting_id, dict.fromkeys(rooms, BridgeState.LOST))
    with house.db.read() as tx:
        lost = [event.body for event in log.tail(tx, house.meeting_id, 0) if event.body["type"] == "bridge.lost"]
    assert [event["quorum"]["present"] for event in lost] == [4, 4]


def test_a_member_who_moves_to_the_hall_is_counted_again(house, far):
    house.open()
    move(house, far, BridgeState.UP)
    move(house, far, BridgeState.LOST)
    with house.db.write() as tx:
        body_id = tx.get_one(Meeting, house.meeting_id).body_id
        row = BridgeRow("Xã Suối Ngang", "", "", "", "")
        actions.change_bridge(tx, clock.now(), body_id, far, row, "-", active=False)
    assert counted(house) == 6
