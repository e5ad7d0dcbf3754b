"""Three tablets in one vote while the server is killed and comes back: nothing acknowledged is lost, nothing counted twice."""

import threading
import time
from typing import Any

import httpx2
import pytest

from shared.ids import new_token
from tests.flows.person import Person

KILLS = 3


class Tablet(threading.Thread):
    """Votes, and changes its mind again and again, as a tablet does: one key for a ballot until an answer is terminal."""

    def __init__(self, person: Person, poll: str, until: threading.Event) -> None:
        super().__init__()
        self.person, self.poll, self.until = person, poll, until
        self.acknowledged: list[dict[str, Any]] = []
        self.faults: list[str] = []

    def run(self) -> None:
        choices = ("in_favour", "against", "abstaining")
        turn = 0
        while not self.until.is_set():
            receipt = self.cast(choices[turn % 3])
            if receipt:
                self.acknowledged.append(receipt)
            turn += 1

    def cast(self, choice: str) -> dict[str, Any] | None:
        key = new_token()
        replaces = self.acknowledged[-1]["receipt"] if self.acknowledged else None
        for _ in range(200):
            try:
                answer = self.person.call(
                    "POST",
                    f"polls/{self.poll}/ballots",
                    json={"choice": choice, "replaces": replaces},
                    headers={"Idempotency-Key": key},
                )
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return answer.json()
            if answer.status_code < 500:
                self.faults.append(f"{answer.status_code} {answer.text}")
                return None
            time.sleep(0.05)
        self.faults.append("no terminal answer")
        return None


@pytest.fixture(scope="module")
def voters(demo) -> list[Person]:
    return [demo.person("member", place) for place in range(3)]


def test_a_kill_in_the_middle_of_a_vote_loses_nothing_and_doubles_nothing(demo, voters):
    secretary, chair = demo.person("secretary"), demo.person("chair")
    state = secretary.state()
    for member_id, member in state["members"].items():
        if member["votes"]:
            secretary.must("PUT", f"attendance/{member_id}", json={"state": "present"})
    if state["meeting"]["stage"] != "open":
        chair.must("POST", "open")
    item = min(state["agenda"].values(), key=lambda one: one["number"])["id"]
    poll = secretary.must("POST", "polls", json={"item_id": item, "title": "Thử mất điện"})["id"]
    secretary.must("POST", f"polls/{poll}/open")
    until = threading.Event()
    tablets = [Tablet(person, poll, until) for person in voters]
    for tablet in tablets:
        tablet.start()
    for _ in range(KILLS):
        before = sum(len(tablet.acknowledged) for tablet in tablets)
        time.sleep(1)
        demo.kill_meetings()
        deadline = time.monotonic() + 40
        while sum(len(tablet.acknowledged) for tablet in tablets) < before + 9 and time.monotonic() < deadline:
            time.sleep(0.1)
    until.set()
    for tablet in tablets:
        tablet.join()
    assert [fault for tablet in tablets for fault in tablet.faults] == []
    assert sum(len(tablet.acknowledged) for tablet in tablets) > 9 * KILLS
    for tablet, person in zip(tablets, voters, strict=True):
        assert person.must("GET", f"polls/{poll}/ballots/mine") == tablet.acknowledged[-1]
        turns = [receipt["turn"] for receipt in tablet.acknowledged]
        assert turns == list(range(1, len(turns) + 1)), "each acknowledged ballot has one turn, and no other was taken in"
    secretary.must("POST", f"polls/{poll}/close")
    tally = secretary.state()["polls"][poll]["tally"]
    last = [tablet.acknowledged[-1]["choice"] for tablet in tablets]
    assert [tally[name] for name in ("in_favour", "against", "abstaining")] == [
        last.count(name) for name in ("in_favour", "against", "abstaining")
    ]
    assert tally["not_voted"] == 57
