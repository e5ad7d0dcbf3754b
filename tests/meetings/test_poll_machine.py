"""A poll on two nodes of one database, with crashes before and after the commit; and that a faulty ballot box is found out."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from meetings.minutes.evidence import export
from meetings.voting import actions, box
from shared.db import Database
from tests.conftest import servers
from tests.makers import House, make_house
from tests.meetings.polls_life import PollsLife

THOROUGH = os.environ.get("PROPERTIES") == "thorough"
SHORT = settings(
    max_examples=300 if THOROUGH else 6,
    stateful_step_count=40 if THOROUGH else 12,
    deadline=None,
    derandomize=not THOROUGH,
    database=None,
    phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TO_BE_FOUND = settings(
    SHORT, max_examples=60, stateful_step_count=15, derandomize=True, phases=[Phase.generate], print_blob=False
)


@pytest.fixture
def house(postgres_urls: dict[str, str]) -> Iterator[tuple[House, tuple[Database, Database]]]:
    if not servers():
        pytest.skip("no PostgreSQL")
    url = next(iter(postgres_urls.values()))
    nodes = (Database(url), Database(url))
    yield make_house(nodes[0]).open(), nodes
    for one in nodes:
        one.close()


def run(house: tuple[House, tuple[Database, Database]], how: settings) -> None:
    run_state_machine_as_test(type("ThisLife", (PollsLife,), {"house": house[0], "nodes": house[1]}), settings=how)


@pytest.mark.timeout(3600 if THOROUGH else 120)
def test_whatever_crashes_in_whatever_order_the_poll_holds(house):
    run(house, SHORT)
    with house[0].db.read() as tx:
        lived = export(tx, house[0].meeting_id)["polls"]
    assert len(lived) >= 6
    assert any(poll["ballots"] for poll in lived)


def nobody_takes_the_lock(patch: pytest.MonkeyPatch) -> None:
    for room in (actions, box):
        patch.setattr(room, "lock", lambda *_arguments, **_named: None)


def a_retry_is_a_new_ballot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(box._KNOWN, "one", lambda *_arguments, **_named: None)


def one_ballot_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    sound = actions.choices_of

    def choices(tx, poll_id):
        chosen = sound(tx, poll_id)
        return dict(list(chosen.items())[:-1])

    patch.setattr(actions, "choices_of", choices)


@pytest.mark.parametrize("fault", [nobody_takes_the_lock, a_retry_is_a_new_ballot, one_ballot_is_not_counted])
def test_a_faulty_ballot_box_is_found(house, monkeypatch, fault):
    fault(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        run(house, TO_BE_FOUND)
