"""Bridges as tables: who is online, when a bridge has come, is lost, is back; and the spreadsheet of their list."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as st

from meetings.agenda.rules import Stage
from meetings.bodies.problems import HeadingsMissing
from meetings.bodies.sheet import RowError
from meetings.bridges.rules import (
    EARLY,
    EVERY,
    LOST_AFTER,
    BridgeState,
    Heard,
    Reading,
    comes_and_goes,
    is_unsteady,
    is_watched,
    measure,
    next_state,
    together,
)
from meetings.bridges.sheet import COLUMNS, BridgeRow, empty_form, read_rows

NOW = datetime(2026, 12, 9, 1, 0, tzinfo=UTC)
WAITING, UP, LOST = BridgeState
LONG = timedelta(hours=1)
HEADINGS = list(COLUMNS)
GOOD = ["Xã Suối Ngang", "Suối Ngang", "Cụm 2 · Lâm", "thinhmv", "0912 345 154"]


@pytest.mark.parametrize(
    ("state", "online", "quiet", "watched", "after"),
    [
        (WAITING, True, None, LONG, UP),
        (WAITING, False, None, LONG, WAITING),
        (UP, True, timedelta(0), LONG, UP),
        (UP, False, LOST_AFTER - timedelta(seconds=1), LONG, UP),
        (UP, False, LOST_AFTER, LONG, LOST),
        (UP, False, None, LONG, LOST),  # its readings were swept
        (UP, False, LONG, timedelta(seconds=5), UP),  # this process has only begun to look
        (UP, False, LONG, LOST_AFTER, LOST),
        (LOST, False, LONG, LONG, LOST),
        (LOST, True, LONG, timedelta(0), UP),
    ],
)
def test_a_bridge_comes_with_the_first_online_and_is_lost_some_time_after_the_last(state, online, quiet, watched, after):
    seen_at = None if quiet is None else NOW - quiet
    assert next_state(state, online=online, seen_at=seen_at, watched_since=NOW - watched, now=NOW) is after


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=60))
def test_for_any_course_of_readings_a_bridge_joins_once_and_then_is_lost_and_back_by_turns(course):
    state, seen_at, now, told = WAITING, None, NOW, []
    for online, seconds in course:
        now += timedelta(seconds=seconds)
        seen_at = now if online else seen_at
        after = next_state(state, online=online, seen_at=seen_at, watched_since=NOW, now=now)
        told += [after] if after is not state else []
        state = after
        assert (state is UP) or not online
        assert state is not LOST or now - seen_at >= LOST_AFTER
    assert told == [UP, LOST][: len(told)] + [(UP, LOST)[place % 2] for place in range(2, len(told))]


@pytest.mark.parametrize(
    ("stage", "before_start", "watched"),
    [
        (Stage.DRAFT, timedelta(0), False),
        (Stage.PUBLISHED, EARLY + timedelta(seconds=1), False),  # papers are read at home
        (Stage.PUBLISHED, EARLY, True),
        (Stage.PUBLISHED, -LONG, True),
        (Stage.OPEN, 2 * EARLY, True),
        (Stage.ADJOURNED, timedelta(0), True),
        (Stage.CLOSED, timedelta(0), False),
    ],
)
def test_bridges_are_watched_while_people_come_and_while_the_house_sits(stage, before_start, watched):
    assert is_watched(stage, NOW + before_start, NOW) is watched


@pytest.mark.parametrize(
    ("sockets", "found"),
    [
        ([], {}),
        ([("hall", 0.1, False), ("stranger", 0.1, True)], {}),
        ([("a", None, False)], {"far": (1, 0, None)}),
        ([("a", 0.1, False), ("a", 0.3, True)], {"far": (1, 1, 200)}),  # two devices of one member
        (
            [("a", 0.1, True), ("b", 2.1, True), ("c", 0.2, False), ("d", 0.4, False)],
            {"far": (3, 2, 200), "other": (1, 0, 400)},
        ),
        ([("a", None, False), ("b", 0.0204, True)], {"far": (2, 1, 20)}),
    ],
)
def test_a_bridge_is_measured_by_its_members_and_the_median_of_their_wires(sockets, found):
    heard = measure({"a": "far", "b": "far", "c": "far", "d": "other"}, sockets)
    assert {bridge_id: together([one]) for bridge_id, one in heard.items()} == found


@pytest.mark.parametrize(
    ("heard", "of_all"),
    [
        ([], (0, 0, None)),
        ([("", 0, None)], (0, 0, None)),
        ([("ab", 2, 100), ("cde", 0, None)], (5, 2, 100)),
        ([("ab", 0, 100), ("cde", 1, 900), ("f", 1, 20)], (6, 2, 900)),
        ([("ab", 2, 100), ("ab", 2, 200)], (2, 2, 200)),  # each with tablets at both
        ([("ab", 0, 100), ("bc", 1, 200)], (3, 1, 200)),
    ],
)
def test_processes_together_hear_each_member_once_and_the_worst_delay(heard, of_all):
    assert together([Heard(tuple(members), relayed, delay) for members, relayed, delay in heard]) == of_all


def trail(*online: int, node: str = "one", every: float = 15, start: float = 0) -> list[tuple[datetime, str, int]]:
    """Readings of one process; none is written where nobody is online."""
    return [(NOW + timedelta(seconds=start + place * every), node, count) for place, count in enumerate(online) if count]


@pytest.mark.parametrize(
    ("readings", "restless"),
    [
        ([], False),
        (trail(1, 2, 3, 3), False),
        (trail(1, 2, 1, 0), False),  # they came, and go home
        (trail(3, 2, 1, 0), False),
        (trail(3, 2, 3, 3), False),
        (trail(3, 1, 2, 1), True),
        (trail(3, 0, 3, 0, 3, every=30), True),  # all of them
        (trail(3, 3, 3, 3, every=20), False),  # late readings are no loss
        (trail(3, 3, 3) + trail(2, 2, 2, node="two", start=5), False),
        (trail(3, 2, 3, 2) + trail(2, 3, 2, 3, node="two"), True),  # who changes between processes was away
    ],
)
def test_a_bridge_is_restless_where_members_are_lost_come_back_and_are_lost_again(readings, restless):
    readings = sorted(readings)
    assert comes_and_goes(readings, readings[-1][0] if readings else NOW) is restless


@pytest.mark.parametrize(
    ("reading", "restless", "unsteady"),
    [((3, 0, 999), False, False), ((3, 3, 1000), False, True), ((0, 0, None), False, True), ((1, 0, None), True, True)],
)
def test_a_bridge_is_unsteady_that_is_late_or_restless_or_silent_for_a_moment(reading, restless, unsteady):
    assert is_unsteady(Reading(*reading), restless=restless) is unsteady


def test_who_goes_just_before_a_reading_has_half_a_minute_to_come_back():
    assert timedelta(seconds=30) <= LOST_AFTER - EVERY


def rows(*changes: dict[str, object]) -> list[list[object]]:
    named = dict(zip(HEADINGS, GOOD, strict=True))
    return [HEADINGS, *(list((named | change).values()) for change in changes)]


def test_a_good_row_is_read_whole_and_what_is_missing_is_filled():
    found, errors = read_rows(rows({}, {"Điểm cầu": "Lộc An", "Tên ngắn": None, "Cụm": None, "Điện thoại": 912345155.0}))
    assert errors == []
    assert found == [BridgeRow(*GOOD), BridgeRow("Lộc An", "Lộc An", "", "thinhmv", "0912345155")]


@pytest.mark.parametrize(
    ("change", "column", "rule"),
    [
        ({"Điểm cầu": None}, "Điểm cầu", "missing"),
        ({"Điểm cầu": "x" * 201}, "Điểm cầu", "too-long"),
        ({"Điểm cầu": " XÃ SUỐI   NGANG "}, "Điểm cầu", "duplicate"),
        ({"Người phụ trách (tên đăng nhập)": "Ma Văn Thịnh"}, "Người phụ trách (tên đăng nhập)", "not-a-username"),
        ({"Điện thoại": "9" * 201}, "Điện thoại", "too-long"),
    ],
)
def test_a_fault_is_named_by_row_and_column(change, column, rule):
    found, errors = read_rows(rows({}, {"Điểm cầu": "Lộc An"} | change))
    assert [row.name for row in found] == ["Xã Suối Ngang"]
    assert errors == [RowError(3, column, rule)]


def test_a_table_needs_the_column_of_names_and_no_other():
    assert read_rows([["điểm cầu"], ["Lộc An"]]) == ([BridgeRow("Lộc An", "Lộc An", "", "", "")], [])
    with pytest.raises(HeadingsMissing):
        read_rows([["Tên ngắn", "Cụm"], ["a", "b"]])


def test_the_empty_form_has_the_headings_and_reads_back():
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(empty_form())).get_sheet_by_index(0)
    assert sheet.to_python() == [HEADINGS]
    assert read_rows(sheet.to_python()) == ([], [])
