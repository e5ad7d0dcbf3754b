"""The life of grants in any order of events, on both databases; and that a provider with a fault is found out."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from idp.oidc import store, sweeping
from idp.oidc.living import Living
from idp.oidc.store import Found, Kind
from tests.idp.attacks.conftest import house, standing
from tests.idp.conftest import House
from tests.idp.lives import Lives

__all__ = ["house", "standing"]
THOROUGH = os.environ.get("PROPERTIES") == "thorough"
SHORT = settings(
    max_examples=400 if THOROUGH else 6,
    stateful_step_count=60 if THOROUGH else 25,
    deadline=None,
    derandomize=not THOROUGH,
    database=None,
    phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TO_BE_FOUND = settings(
    SHORT, max_examples=60, stateful_step_count=25, derandomize=True, phases=[Phase.generate], print_blob=False
)


def run(house: House, how: settings) -> None:
    run_state_machine_as_test(type("TheseLives", (Lives,), {"house": house}), settings=how)


@pytest.mark.timeout(3600 if THOROUGH else 120)
def test_whatever_happens_in_whatever_order_the_grants_live_as_they_should(house: House) -> None:
    run(house, SHORT)
    assert {"refresh-token.reused", "code.reused", "token.revoked", "account.deactivated", "session.ended"} - set(
        house.acts()
    ) == set()


def code_that_works_twice(patch: pytest.MonkeyPatch) -> None:
    sound = store.use

    def use(tx: Any, kind: Kind, secret: str, now: Any) -> Found | None:
        found = sound(tx, kind, secret, now)
        return replace(found, used_at=None) if found and kind is Kind.CODE else found

    patch.setattr(store, "use", use)


def grant_that_outlives_its_revocation(patch: pytest.MonkeyPatch) -> None:
    sound = Living.is_living
    patch.setattr(Living, "is_living", lambda self, *rest: sound(self._replace(revoked_at=None), *rest))


def grant_that_outlives_its_session(patch: pytest.MonkeyPatch) -> None:
    sound = Living.is_living
    patch.setattr(Living, "is_living", lambda self, *rest: sound(self._replace(session_ended_at=None), *rest))


def sweep_that_forgets_what_was_revoked(patch: pytest.MonkeyPatch) -> None:
    def careless(tx: Any, _before: Any) -> int:
        return int(tx.connection().execute(store.TABLE.delete().where(store.TABLE.c.kind == Kind.REVOKED)).rowcount)

    patch.setattr(sweeping.store, "sweep", careless)


FAULTS = [
    code_that_works_twice,
    grant_that_outlives_its_revocation,
    grant_that_outlives_its_session,
    sweep_that_forgets_what_was_revoked,
]


@pytest.fixture
def faulty(house: House, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    if not house.db.is_sqlite:
        pytest.skip("a fault is a fault on either database")
    request.param(monkeypatch)
    yield house
    monkeypatch.undo()


@pytest.mark.parametrize("faulty", FAULTS, indirect=True, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(faulty: House) -> None:
    with pytest.raises(AssertionError):
        run(faulty, TO_BE_FOUND)
