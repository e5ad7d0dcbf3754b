"""The arithmetic of the law, at every boundary. No fixture, no database."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.bodies.rules import LAWS, Kind, Share, needed, quorum
from meetings.voting.rules import Choice, Outcome, Tally, count, decide

COUNCIL, COMMITTEE = LAWS[Kind.PEOPLES_COUNCIL], LAWS[Kind.PEOPLES_COMMITTEE]


def tally(in_favour: int, against: int, abstaining: int, not_voted: int) -> Tally:
    return Tally(in_favour, against, abstaining, not_voted, absent=0)


@pytest.mark.parametrize(
    ("share", "total", "least"),
    [
        (Share.MORE_THAN_HALF, 1, 1),
        (Share.MORE_THAN_HALF, 2, 2),
        (Share.MORE_THAN_HALF, 3, 2),
        (Share.MORE_THAN_HALF, 50, 26),
        (Share.MORE_THAN_HALF, 59, 30),
        (Share.MORE_THAN_HALF, 60, 31),
        (Share.MORE_THAN_HALF, 85, 43),
        (Share.MORE_THAN_HALF, 95, 48),
        (Share.TWO_THIRDS, 1, 1),
        (Share.TWO_THIRDS, 3, 2),
        (Share.TWO_THIRDS, 9, 6),  # the case that a rival's code got wrong: not 7
        (Share.TWO_THIRDS, 10, 7),
        (Share.TWO_THIRDS, 59, 40),
        (Share.TWO_THIRDS, 60, 40),
        (Share.TWO_THIRDS, 61, 41),
        (Share.TWO_THIRDS, 85, 57),
    ],
)
def test_a_share_of_a_body_is_this_many_people(share, total, least):
    assert needed(share, total) == least


@given(st.sampled_from(Share), st.integers(1, 100_000))
def test_a_share_is_the_least_whole_number_that_reaches_the_fraction(share, total):
    least = needed(share, total)
    reaches = {
        Share.MORE_THAN_HALF: lambda n: Fraction(n, total) > Fraction(1, 2),
        Share.TWO_THIRDS: lambda n: Fraction(n, total) >= Fraction(2, 3),
    }[share]
    assert reaches(least)
    assert not reaches(least - 1)


@pytest.mark.parametrize(
    ("total", "present", "reached"), [(60, 39, False), (60, 40, True), (61, 40, False), (61, 41, True), (0, 0, False)]
)
def test_a_council_sits_with_two_thirds_of_all_its_members(total, present, reached):
    assert quorum(COUNCIL.quorum, total, present).reached is reached


@pytest.mark.parametrize(
    ("in_favour", "against", "abstaining", "not_voted", "outcome"),
    [
        (30, 0, 0, 30, Outcome.NOT_CARRIED),  # all who voted were in favour, and it is still not more than half of all
        (31, 0, 0, 29, Outcome.CARRIED),
        (31, 29, 0, 0, Outcome.CARRIED),
        (30, 30, 0, 0, Outcome.NOT_CARRIED),  # a council has no casting vote
        (0, 0, 60, 0, Outcome.NOT_CARRIED),
        (45, 6, 3, 6, Outcome.CARRIED),
        (28, 6, 20, 6, Outcome.NOT_CARRIED),
    ],
)
def test_a_council_carries_with_more_than_half_of_all(in_favour, against, abstaining, not_voted, outcome):
    counted = tally(in_favour, against, abstaining, not_voted)
    decision = decide(counted, COUNCIL.majority, chair_breaks_tie=COUNCIL.chair_breaks_tie, chair=Choice.IN_FAVOUR)
    assert decision.outcome is outcome
    assert decision.needed == 31
    assert not decision.tie_decided_by_chair


@pytest.mark.parametrize(("in_favour", "outcome"), [(39, Outcome.NOT_CARRIED), (40, Outcome.CARRIED), (41, Outcome.CARRIED)])
def test_a_deputy_is_removed_by_two_thirds_of_all(in_favour, outcome):
    decision = decide(tally(in_favour, 0, 0, 60 - in_favour), Share.TWO_THIRDS, chair_breaks_tie=False, chair=None)
    assert decision.outcome is outcome


@pytest.mark.parametrize(
    ("in_favour", "against", "rest", "chair", "outcome", "by_chair"),
    [
        (10, 10, 0, Choice.IN_FAVOUR, Outcome.CARRIED, True),
        (10, 10, 0, Choice.AGAINST, Outcome.NOT_CARRIED, True),
        (10, 10, 1, Choice.ABSTAINING, Outcome.NOT_CARRIED, False),
        (10, 10, 1, None, Outcome.NOT_CARRIED, False),
        (9, 9, 2, Choice.IN_FAVOUR, Outcome.CARRIED, True),
        (11, 9, 0, Choice.AGAINST, Outcome.CARRIED, False),
        (10, 9, 1, Choice.IN_FAVOUR, Outcome.NOT_CARRIED, False),  # not equal, and not more than half of 20
        (0, 0, 20, Choice.IN_FAVOUR, Outcome.NOT_CARRIED, False),
    ],
)
def test_in_a_committee_the_chairman_decides_a_tie_and_only_a_tie(in_favour, against, rest, chair, outcome, by_chair):
    decision = decide(
        tally(in_favour, against, rest, 0), COMMITTEE.majority, chair_breaks_tie=COMMITTEE.chair_breaks_tie, chair=chair
    )
    assert decision.outcome is outcome
    assert decision.tie_decided_by_chair is by_chair


CHOICES = st.dictionaries(st.integers(0, 200).map(str), st.sampled_from(Choice), max_size=130)


@given(CHOICES, st.sets(st.integers(0, 200).map(str)), st.sets(st.integers(0, 200).map(str)))
def test_the_four_buckets_always_add_up_to_the_whole_body(ballots, silent, present):
    electorate = set(ballots) | silent
    counted = count(electorate, ballots, present)
    assert counted.electorate == len(electorate)
    assert counted.in_favour + counted.against + counted.abstaining == len(ballots)
    assert 0 <= counted.absent <= counted.not_voted


@given(CHOICES, st.sampled_from(Share), st.booleans())
def test_one_more_in_favour_never_turns_carried_into_not_carried(ballots, share, breaks):
    electorate = set(ballots) | {"chair", "late"}
    before = decide(count(electorate, ballots, set()), share, chair_breaks_tie=False, chair=None)
    after = decide(count(electorate, ballots | {"late": Choice.IN_FAVOUR}, set()), share, chair_breaks_tie=False, chair=None)
    assert not (before.outcome is Outcome.CARRIED and after.outcome is Outcome.NOT_CARRIED)


def test_a_ballot_from_outside_the_electorate_is_never_counted():
    with pytest.raises(ValueError, match="outside the electorate"):
        count({"a"}, {"b": Choice.IN_FAVOUR}, set())
