"""V: ballots replayed, forged, late, of strangers, and edited afterwards. docs/attacks.md has the table."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from meetings.bodies.models import Member
from meetings.minutes.evidence import collect
from meetings.minutes.recount import recount
from meetings.voting import models
from meetings.voting.check import altered, seal
from shared.ids import short_code
from tests.meetings.inventory import ADMINISTRATOR, CHAIR, MEMBER, ROLES, ROWS, SECRETARY
from tests.meetings.lines import line

KEY = "k" * 20


def ballots_of(web: Any, poll: str) -> int:
    with web.client.app.state.db.read() as tx:
        return tx.scalar(select(func.count()).where(models.Ballot.poll_id == poll)) or 0


def cast(web: Any, who: str, poll: str, choice: str, key: str = KEY) -> Any:
    return web.call(who, "POST", f"polls/{poll}/ballots", json={"choice": choice}, headers={"Idempotency-Key": key})


def test_v04_what_was_recorded_on_one_socket_casts_nothing_on_another(standing, poll):
    recorded = {"type": "vote.cast", "poll_id": poll, "choice": "in_favour", "key": KEY, "replaces": None}

    def replay(who: str) -> dict[str, Any]:
        with line(standing, who) as other:
            return other.say(recorded).until("vote.receipt", "vote.refused")

    with line(standing, "m3") as mine:
        first = mine.say(recorded).until("vote.receipt")
    assert replay("m4")["code"] == "key-reused"
    house, standing.house = standing.house, standing.theirs
    try:
        assert replay("x-m3")["code"] == "not-found"
    finally:
        standing.house = house
    standing.end_poll()
    second = standing.fresh_poll()
    assert replay("m3") == first, "the old receipt, and nothing else"
    assert (ballots_of(standing, poll), ballots_of(standing, second)) == (1, 0)


def test_v05_a_vote_that_was_given_after_the_opening_counts_in_the_next_poll_only(standing, poll):
    def give(votes: bool) -> None:
        with standing.client.app.state.db.write() as tx:
            tx.execute(update(Member).where(Member.id == standing.house.seats["teller"].member_id).values(votes=votes))

    give(True)
    try:
        standing.house.check_in(["teller"])
        assert cast(standing, "teller", poll, "in_favour").json()["code"] == "not-eligible"
        with line(standing, "teller") as mine:
            assert mine.vote(poll, "in_favour", KEY)["code"] == "not-eligible"
        assert cast(standing, "teller", standing.fresh_poll(), "in_favour").status_code == 200
    finally:
        give(False)


@pytest.mark.parametrize("smuggled", [{"weight": 2}, {"member_id": "another"}, {"proxy_for": "another"}, {"turn": 2}])
def test_v05_nobody_votes_with_more_weight_or_for_another(standing, poll, smuggled):
    body = {"choice": "in_favour"} | smuggled
    answer = standing.call("m3", "POST", f"polls/{poll}/ballots", json=body, headers={"Idempotency-Key": KEY})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    with line(standing, "m3") as mine:
        assert mine.say({"type": "vote.cast", "poll_id": poll, "key": KEY, **body}).closed() == 4400
    assert ballots_of(standing, poll) == 0


@pytest.mark.parametrize(
    "choice", ["NaN", "Infinity", "9223372036854775808", '["in_favour", "in_favour"]', '"in_favour\\u0000"']
)
def test_v06_what_json_allows_beyond_the_choices_is_refused_and_not_kept(standing, poll, choice):
    headers = {"Idempotency-Key": KEY, "content-type": "application/json"}
    answer = standing.call("m3", "POST", f"polls/{poll}/ballots", content=f'{{"choice": {choice}}}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    with line(standing, "m3") as mine:
        said = f'{{"type": "vote.cast", "poll_id": "{poll}", "key": "{KEY}", "choice": {choice}}}'
        assert mine.say(said).closed() == 4400
    assert ballots_of(standing, poll) == 0


def test_v07_no_vote_can_be_asked_for_that_is_promised_to_be_secret(standing):
    for kind in ({"kind": "secret"}, {"secret": True}):
        plan = {"item_id": standing.house.item_id, "title": "Bầu"} | kind
        assert standing.call("secretary", "POST", "polls", json=plan).json()["code"] == "invalid-input"
    polls = standing.call("m3", "GET", "").json()["state"]["polls"].values()
    assert {poll["kind"] for poll in polls} <= {"named"}


def test_v07_the_order_of_casting_stands_in_nothing_that_the_house_is_told(standing, poll):
    """The table of a declared vote is sorted by codes, which only the poll's secret can foretell."""
    names = ["m6", "m3", "m5", "chair", "m4", "secretary"]
    with line(standing, "guest") as guest:
        guest.hello()
        for number, who in enumerate(names):
            assert cast(standing, who, poll, "against", key=f"{number}" * 20).status_code == 200
        standing.end_poll()
        assert standing.call("chair", "POST", f"polls/{poll}/declare").status_code == 204
        while not any(one["event"]["type"] == "outcome.declared" for one in guest.until("events")["events"]):
            pass
    members = {standing.house.seats[name].member_id for name in names}
    assert not members & set(json.dumps([one for one in guest.heard if one["type"] == "turnout"]).split('"'))
    told = standing.call("m3", "GET", f"polls/{poll}/ballots").json()
    assert {one["member_id"] for one in told} == members
    assert [one["code"] for one in told] == sorted(one["code"] for one in told)
    assert {frozenset(one) for one in told} == {frozenset({"member_id", "choice", "code"})}, "no number, no time"


def test_v08_while_a_vote_is_open_nobody_is_told_which_way_it_goes(standing, fresh_house):
    """By no address that can be read, not even to the chair."""
    poll = fresh_house.open().open_poll()
    for number, who in enumerate(("chair", "m4")):
        assert cast(standing, who, poll, "abstaining", key=f"{number}" * 20).status_code == 200
    for who in ROLES:
        answer = standing.call(who, "GET", f"polls/{poll}/ballots") if who else standing.client.get("/api/meetings")
        assert answer.status_code in (401, 403, 404), who
    known = {"meeting_id": standing.house.meeting_id, "poll_id": poll, "item_id": standing.house.item_id}
    for row in [row for row in ROWS if row.method == "GET" and row.path != "polls/{poll_id}/ballots/mine"]:
        who = next(role for role in (SECRETARY, CHAIR, ADMINISTRATOR, MEMBER) if role in row.allowed)
        path = re.sub(r"{(\w+)}", lambda part: known.get(part[1], "unknown"), row.full_path)
        told = standing.call(who, "GET", path).text.replace(" ", "")
        assert not any(sign in told for sign in ('"abstaining":', ':"abstaining"', '"tally":{', '"cast":')), path


def test_v08_over_the_socket_the_desk_hears_how_many_and_no_more(standing, poll):
    with line(standing, "chair") as desk, line(standing, "m3") as mine:
        desk.hello()
        receipt = mine.vote(poll, "abstaining", KEY)["receipt"]
        while desk.until("turnout")["cast"] < 1:
            pass
        frames = [frame for frame in desk.heard if frame["type"] != "snapshot"]
        told = [*frames, *(event for frame in frames for event in frame.pop("events", []))]
        heard = json.dumps([one for one in map(json.dumps, told) if poll in one])  # an earlier vote's outcome may come late
        assert not any(sign in heard for sign in ("abstaining", receipt["receipt"], receipt["code"]))


class Undone(Exception):
    """So that one closed vote serves all edits."""


def change(**values: str) -> Callable[..., None]:
    return lambda tx, ballot: tx.execute(update(models.Ballot).where(models.Ballot.receipt == ballot.receipt).values(values))


def seal_anew(tx: Any, ballot: models.Ballot) -> None:
    """By who knows the poll's secret as well, which stands in the same database."""
    secret = tx.scalar(select(models.Poll.secret).where(models.Poll.id == ballot.poll_id))
    sealed = seal(secret, ballot.poll_id, ballot.member_id, "against", ballot.key)
    change(code=short_code(sealed))(tx, ballot)
    change(choice="against")(tx, ballot)
    change(receipt=sealed.hex())(tx, ballot)


def take_out(tx: Any, ballot: models.Ballot) -> None:
    tx.execute(text("DELETE FROM ballot WHERE receipt = :receipt"), {"receipt": ballot.receipt})


def test_v09_a_ballot_that_an_operator_edits_after_the_close_is_found_and_named(standing, poll):
    for name in ("m3", "m4"):
        standing.house.cast(name, poll, "in_favour")
    standing.end_poll()
    db, meeting_id = standing.client.app.state.db, standing.house.meeting_id
    with db.read() as tx:
        assert list(altered(tx, meeting_id)) == []
        assert recount(collect(tx, meeting_id)).faults == []
        ballot = tx.scalars(select(models.Ballot).where(models.Ballot.poll_id == poll)).first()
    for edit, names_it, faults in (
        (change(choice="against"), True, {"poll-tally"}),
        (change(member_id="somebody"), True, {"poll-stranger"}),
        (change(key="another"), True, set()),
        (change(code="AAA-AAA"), True, set()),
        (change(receipt="0" * 64), True, {"poll-check-code"}),
        (seal_anew, False, {"poll-tally", "poll-check-code"}),
        (take_out, False, {"poll-tally", "poll-check-code"}),
    ):
        with suppress(Undone), db.write() as tx:
            edit(tx, ballot)
            named = list(altered(tx, meeting_id))
            assert len(named) == names_it
            assert all(part in "".join(named) for part in ("ballot of member", "turn 1") if names_it)
            assert faults <= {code for code, _ in recount(collect(tx, meeting_id)).faults}
            raise Undone
