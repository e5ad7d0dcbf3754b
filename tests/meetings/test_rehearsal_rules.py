"""What a rehearsal is judged by, as tables."""

import pytest

from meetings.rehearsal.rules import (
    LIMITS,
    MOST_READINGS,
    Ballot,
    Recount,
    judge,
    opens,
    passed,
    percentile,
    readings,
    recount,
    voting_time,
)

GOOD = {"connection": [80.0] * 40, "first_page": [90.0] * 40, "event": [20.0] * 400, "ballot": [30.0] * 40}
CLEAN = {"errors": 0, "lost": 0, "doubled": 0}


def verdicts(times, counts):
    return {figure.name: figure.verdict for figure in judge(times, counts)}


def test_a_good_run_passes_in_every_figure():
    assert verdicts(GOOD, CLEAN) == dict.fromkeys((limit.name for limit in LIMITS), "pass")
    assert passed(verdicts(GOOD, CLEAN).values())


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("connection", [80.0] * 90 + [5001.0] * 10),
        ("first_page", [80.0] * 90 + [1001.0] * 10),
        ("event", [80.0] * 980 + [1001.0] * 20),
        ("ballot", [80.0] * 980 + [501.0] * 20),
    ],
)
def test_one_bad_figure_fails_the_whole(name, times):
    found = verdicts(GOOD | {name: times}, CLEAN)
    assert [one for one, verdict in found.items() if verdict != "pass"] == [name]
    assert not passed(found.values())


@pytest.mark.parametrize("name", ["errors", "lost", "doubled"])
def test_nothing_may_go_wrong_even_once(name):
    found = verdicts(GOOD, CLEAN | {name: 1})
    assert (found[name], passed(found.values())) == ("fail", False)


def test_what_could_not_be_measured_is_said_and_fails_nothing():
    found = verdicts(GOOD | {"first_page": []}, CLEAN)
    assert (found["first_page"], passed(found.values())) == ("unmeasured", True)


@pytest.mark.parametrize(
    ("values", "part", "value"),
    [
        ([5.0], 99, 5),
        ([1.0, 2.0], 50, 1),
        ([1.0, 2.0], 95, 2),
        ([float(n) for n in range(1, 101)], 95, 95),
        ([1.4, 1.6], 99, 2),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values, part, value):
    assert percentile(values, part) == value


A, B = Ballot("a", "in_favour", "ra"), Ballot("b", "against", "rb")
TALLY = {"in_favour": 1, "against": 1, "abstaining": 0}


@pytest.mark.parametrize(
    ("acknowledged", "unsure", "stored", "tally", "found"),
    [
        ([A, B], set(), [A, B], TALLY, Recount(0, 0)),
        ([A, B], set(), [A], {"in_favour": 1}, Recount(1, 0)),
        ([A, B], set(), [A, Ballot("b", "in_favour", "rb")], {"in_favour": 2}, Recount(1, 0)),
        ([A, B], set(), [A, Ballot("b", "against", "other")], TALLY, Recount(1, 0)),
        ([A, B], set(), [A, B], {"in_favour": 1}, Recount(1, 0)),
        ([A], set(), [A, Ballot("a", "against", "ra2")], {"in_favour": 1}, Recount(0, 1)),
        ([A], set(), [A, B], TALLY, Recount(0, 1)),
        ([A], {"b"}, [A, B], TALLY, Recount(0, 0)),
        ([A], {"b"}, [A], {"in_favour": 1}, Recount(0, 0)),
    ],
    ids=[
        "all there",
        "gone",
        "another choice",
        "another receipt",
        "not in the tally",
        "twice",
        "by nobody",
        "unsure",
        "unsure, not in",
    ],
)
def test_a_ballot_that_was_acknowledged_is_in_the_box_once_and_as_it_was_cast(acknowledged, unsure, stored, tally, found):
    assert recount(acknowledged, unsure, stored, tally) == found


@pytest.mark.parametrize(
    ("method", "path", "open_"),
    [
        ("GET", "/api/meetings/c0", True),
        ("POST", "/api/meetings/c0/ticket", True),
        ("POST", "/api/meetings/c0/polls/ab12/ballots", True),
        ("GET", "/api/meetings/c0/papers/ab12/file", True),
        ("POST", "/api/meetings/c0/close", True),
        ("GET", "/api/meetings/c01", False),
        ("POST", "/api/meetings/c01/ticket", False),
        ("GET", "/api/meetings/aa/c0", False),
        ("GET", "/api/meetings", False),
        ("POST", "/api/meetings", False),
        ("PATCH", "/api/meetings/c0", False),
        ("POST", "/api/meetings/c0/publish", False),
        ("POST", "/api/meetings/c0/rehearsals", False),
        ("GET", "/api/meetings/c0/papers/ab12/file/x", False),
        ("POST", "/api/meetings/c0/papers/../../aa/close", False),
        ("DELETE", "/api/meetings/c0/items/ab12", False),
        ("GET", "/api/bodies/c0/members", False),
        ("POST", "/api/meetings/c0/polls/ab12/ballots\n", False),
    ],
)
def test_a_pass_opens_what_a_session_needs_and_nothing_else(method, path, open_):
    assert opens(method, path, "c0") is open_


def test_everybody_reads_in_a_small_hall_everything_and_in_a_large_one_something():
    assert len(set(readings(40, 5))) == 200
    large = readings(3500, 13)
    assert (len(large), {paper for _, paper in large}) == (3500, set(range(13)))
    assert len(readings(200, 13)) <= MOST_READINGS


@pytest.mark.parametrize(("delegates", "duration", "seconds"), [(40, None, 0.4), (5000, None, 10), (5000, 10, 5)])
def test_ballots_of_a_large_hall_are_cast_within_ten_seconds_and_before_the_clock(delegates, duration, seconds):
    assert voting_time(delegates, duration) == seconds
