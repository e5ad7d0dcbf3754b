"""The evidence inside the minutes is counted again without the house: every kind of falsification is found and named."""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from meetings.bodies.rules import Kind, Share
from meetings.minutes.evidence import collect
from meetings.minutes.recount import recount
from shared.db import Database
from shared.words import catalogue
from tests.makers import make_house

Evidence = dict[str, Any]


@pytest.fixture(scope="module")
def true_evidence(sqlite_template, tmp_path_factory) -> Evidence:
    """A committee of seven: a vote with a changed mind, a tie that the chairman decides, one that needs two thirds."""
    folder = tmp_path_factory.mktemp("evidence")
    shutil.copy(sqlite_template, folder / "meetings.db")
    db = Database(f"sqlite:///{folder}/meetings.db")
    house = make_house(db, voters=7, kind=Kind.PEOPLES_COMMITTEE).open(present=5)
    first = house.open_poll(title="Thông qua Nghị quyết")
    mine = house.cast("m3", first, "against")
    house.cast("m3", first, "in_favour", replaces=mine.receipt)
    for name in ("chair", "secretary", "m4"):
        house.cast(name, first, "in_favour")
    house.close_poll(first)
    second = house.open_poll(title="Chọn phương án")
    for name, choice in (("chair", "in_favour"), ("secretary", "against"), ("m3", "abstaining")):
        house.cast(name, second, choice)
    house.close_poll(second)
    third = house.open_poll(title="Bãi nhiệm", majority=Share.TWO_THIRDS)
    for name in ("chair", "secretary", "m3"):
        house.cast(name, third, "in_favour")
    house.close_poll(third)
    with db.read() as tx:
        evidence = json.loads(json.dumps(collect(tx, house.meeting_id)))
    db.close()
    return evidence


@pytest.fixture
def evidence(true_evidence) -> Evidence:
    return copy.deepcopy(true_evidence)


def faults(evidence: Any) -> set[str]:
    return {code for code, _ in recount(evidence).faults}


def counted(evidence: Evidence, poll: Evidence) -> Evidence:
    """The view of the poll in the log's event that tells its result."""
    told = [one["body"] for one in evidence["log"] if "body" in one]
    [count] = [one["poll"] for one in told if one["type"] == "poll.counted" and one["poll"]["id"] == poll["id"]]
    return count


def rechain(evidence: Evidence) -> None:
    """What a careful falsifier does: number and tie the log's events anew."""
    previous = ""
    for seq, event in enumerate(evidence["log"], 1):
        event["seq"] = seq
        if "body" not in event:
            previous = event.get("hash")
            continue
        body = [event[name] for name in ("seq", "at", "actor", "level", "body")]
        canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        previous = event["hash"] = hashlib.sha256(previous.encode() + canonical).hexdigest()


def test_true_evidence_holds_and_tells_its_sums(true_evidence):
    found = recount(true_evidence)
    assert found.faults == []
    assert [(poll["number"], poll["tally"]["in_favour"], poll["outcome"], poll["ok"]) for poll in found.polls] == [
        ("1.1", 4, "carried", True),
        ("1.2", 1, "carried", True),
        ("1.3", 3, "not_carried", True),
    ]
    assert (len(found.ballots), found.events, found.title) == (10, len(true_evidence["log"]), "Kỳ họp thứ 4")


def ballot(place: int, **changes: Any) -> Callable[[Evidence], None]:
    return lambda evidence: evidence["polls"][0]["ballots"][place].update(changes)


def poll(**changes: Any) -> Callable[[Evidence], None]:
    return lambda evidence: evidence["polls"][0].update(changes)


def take_a_ballot_out(evidence: Evidence) -> None:
    evidence["polls"][0]["ballots"].pop()


def put_a_ballot_in(evidence: Evidence) -> None:
    first = evidence["polls"][0]
    silent = min(set(first["electorate"]) - {one["member_id"] for one in first["ballots"]})
    first["ballots"].append(first["ballots"][-1] | {"member_id": silent, "receipt": "0" * 64, "turn": 1})


def put_a_stranger_in(evidence: Evidence) -> None:
    first = evidence["polls"][0]
    first["ballots"].append(first["ballots"][-1] | {"member_id": "stranger", "receipt": "0" * 64})


def count_a_ballot_twice(evidence: Evidence) -> None:
    first = evidence["polls"][0]
    first["ballots"].append(first["ballots"][-1])


def undo_a_changed_mind(evidence: Evidence) -> None:
    ballots = evidence["polls"][0]["ballots"]
    mine = [one for one in ballots if one["member_id"] == next(b for b in ballots if b["turn"] == 2)["member_id"]]
    mine[0]["turn"], mine[1]["turn"] = mine[1]["turn"], mine[0]["turn"]


def move_a_vote_in_the_tally(evidence: Evidence) -> None:
    evidence["polls"][0]["tally"]["in_favour"] += 1
    evidence["polls"][0]["tally"]["not_voted"] -= 1


def and_in_the_log(change: Callable[[Evidence], None]) -> Callable[[Evidence], None]:
    def everywhere(evidence: Evidence) -> None:
        change(evidence)
        first = evidence["polls"][0]
        counted(evidence, first).update({"tally": first["tally"], "outcome": first["outcome"], "needed": first["needed"]})
        rechain(evidence)

    return everywhere


def more_absent_than_silent(evidence: Evidence) -> None:
    evidence["polls"][0]["tally"]["absent"] = 5


def shrink_the_body(evidence: Evidence) -> None:
    first = evidence["polls"][0]
    first["electorate"] = sorted({one["member_id"] for one in first["ballots"]})


def swell_the_body(evidence: Evidence) -> None:
    evidence["polls"][0]["electorate"].append("nobody")


def give_the_tie_to_another(evidence: Evidence) -> None:
    second = evidence["polls"][1]
    second["chair_id"] = next(one["member_id"] for one in second["ballots"] if one["choice"] == "against")


def take_a_vote_out(evidence: Evidence) -> None:
    evidence["polls"].pop(1)


def tell_a_vote_twice(evidence: Evidence) -> None:
    evidence["polls"].append(evidence["polls"][0])


def take_the_result_out_of_the_log(evidence: Evidence) -> None:
    told = counted(evidence, evidence["polls"][0])
    evidence["log"] = [event for event in evidence["log"] if event.get("body", {}).get("poll") is not told]
    rechain(evidence)


FALSIFICATIONS: dict[str, tuple[Callable[[Evidence], None], set[str]]] = {
    "a choice": (ballot(-1, choice="abstaining"), {"poll-tally"}),
    "a choice that there is not": (ballot(-1, choice="whatever"), {"poll-tally"}),
    "a ballot before the opening": (ballot(0, cast_at="2020-01-01T00:00:00+00:00"), {"poll-late"}),
    "a ballot after the close": (ballot(0, cast_at="2999-01-01T00:00:00+00:00"), {"poll-late"}),
    "another receipt": (ballot(-1, receipt="0" * 64), {"poll-check-code"}),
    "a ballot taken out": (take_a_ballot_out, {"poll-tally", "poll-check-code"}),
    "a ballot put in": (put_a_ballot_in, {"poll-tally", "poll-check-code"}),
    "a ballot of a stranger": (put_a_stranger_in, {"poll-stranger", "poll-check-code"}),
    "a ballot twice": (count_a_ballot_twice, {"poll-turns"}),
    "a changed mind undone": (undo_a_changed_mind, {"poll-tally", "poll-check-code"}),
    "the tally": (move_a_vote_in_the_tally, {"poll-tally", "poll-log"}),
    "the tally, in the log too": (and_in_the_log(move_a_vote_in_the_tally), {"poll-tally"}),
    "the absent": (more_absent_than_silent, {"poll-absent", "poll-log"}),
    "the absent, in the log too": (and_in_the_log(more_absent_than_silent), {"poll-absent"}),
    "the outcome": (poll(outcome="not_carried"), {"poll-outcome", "poll-log"}),
    "the outcome, in the log too": (and_in_the_log(poll(outcome="not_carried")), {"poll-outcome"}),
    "the number needed": (poll(needed=2), {"poll-needed"}),
    "the rule": (poll(majority="two_thirds"), {"poll-needed", "poll-check-code", "poll-log"}),
    "a rule that there is not": (poll(majority="unanimous"), {"poll-log"}),
    "the question": (poll(title="Tăng lương"), {"poll-log"}),
    "the check code": (poll(check_code="0000-0000"), {"poll-check-code"}),
    "the hour of closing": (poll(closed_at="2020-01-01T00:00:00+00:00"), {"poll-late"}),
    "the hour of opening": (poll(opened_at="2999-01-01T00:00:00+00:00"), {"poll-late"}),
    "a smaller body": (shrink_the_body, {"poll-tally", "poll-check-code"}),
    "a larger body": (swell_the_body, {"poll-stranger", "poll-tally", "poll-check-code"}),
    "another chairman": (give_the_tie_to_another, {"poll-outcome"}),
    "no casting vote": (lambda evidence: evidence["polls"][1].update(chair_breaks_tie=False), {"poll-outcome"}),
    "a vote taken out": (take_a_vote_out, {"polls"}),
    "a vote told twice": (tell_a_vote_twice, {"polls"}),
    "a result out of the log": (take_the_result_out_of_the_log, {"poll-log", "polls"}),
}


@pytest.mark.parametrize("name", FALSIFICATIONS)
def test_a_falsification_is_found_and_named(evidence, name):
    change, expected = FALSIFICATIONS[name]
    change(evidence)
    assert expected <= faults(evidence)


def drop(seq: int) -> Callable[[list[Evidence]], None]:
    return lambda log: log.pop(seq - 1)


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        (drop(3), 3),
        (drop(1), 1),
        (lambda log: log.reverse(), 1),
        (lambda log: log.insert(2, log[4]), 3),
        (lambda log: log[4].update(actor="someone"), 5),
        (lambda log: log[4].update(at="2020-01-01T00:00:00+00:00"), 5),
        (lambda log: log[4].update(level=0 if log[4]["level"] else 2), 5),
        (lambda log: log[4]["body"].update(type="meeting.closed"), 5),
        (lambda log: log[4].update(hash="0" * 64), 5),
        (lambda log: log[4].update(seq=50), 5),
    ],
)
def test_a_broken_log_is_told_with_its_place(evidence, change, seq):
    change(evidence["log"])
    assert ("log", {"seq": seq}) in recount(evidence).faults


def leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [leaf for name, one in value.items() for leaf in leaves(one, (*path, name))]
    if isinstance(value, list):
        return [leaf for place, one in enumerate(value) for leaf in leaves(one, (*path, place))]
    return [path]


CHECKED = {"title", "majority", "needed", "outcome", "check_code", "electorate", "member_id", "choice", "receipt", "tally"}


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), part=st.sampled_from(["log", "polls"]), wrong=st.sampled_from([None, "other", -1, 99, True, [], {}]))
def test_no_single_change_of_what_counts_goes_unnoticed(true_evidence, data, part, wrong):
    path = data.draw(st.sampled_from(leaves(true_evidence[part])))
    assume(part == "log" or CHECKED & set(path))
    evidence = copy.deepcopy(true_evidence)
    holder = evidence[part]
    for step in path[:-1]:
        holder = holder[step]
    assume(holder[path[-1]] != wrong)
    if path[-1] in ("choice", "receipt"):  # a ballot that was changed later does not count
        later = {one["member_id"] for one in evidence["polls"][path[0]]["ballots"] if one["turn"] > holder["turn"]}
        assume(holder["member_id"] not in later)
    holder[path[-1]] = wrong
    assert faults(evidence)


KEYS = st.sampled_from(["format", "meeting", "log", "polls", "members", "title", "seq", "body", "ballots"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@given(JSON)
def test_whatever_calls_itself_evidence_is_judged_and_not_stumbled_over(anything):
    assert "unreadable" in faults(anything)
    shaped = {"format": "dienhong-evidence-1", "meeting": {"title": "x"}, "members": {}, "log": anything, "polls": anything}
    assert isinstance(faults(shaped), set)


@pytest.mark.parametrize(
    "change",
    [
        lambda evidence: evidence.update(format="dienhong-evidence-2"),
        lambda evidence: evidence.pop("meeting"),
        lambda evidence: evidence["meeting"].update(title="\ud800"),
        lambda evidence: evidence["polls"][0].pop("tally"),
        lambda evidence: evidence["polls"][0]["ballots"][0].update(cast_at="yesterday"),
        lambda evidence: evidence["polls"][0].update(electorate=7),
        lambda evidence: evidence["log"][-1].pop("hash"),
        lambda evidence: evidence.update(polls=[[]]),
    ],
)
def test_evidence_of_another_form_is_unreadable(evidence, change):
    change(evidence)
    assert "unreadable" in faults(evidence)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_there_are_words_for_every_fault(language):
    codes = {code for _, expected in FALSIFICATIONS.values() for code in expected} | {"log", "unreadable"}
    assert {f"verify.line.count.{code}" for code in codes} <= set(catalogue(language, ("meetings",)))
