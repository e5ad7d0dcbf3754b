"""L17, by the clock: `BENCH=1 pytest tests/bench/test_sign_in_timing.py`; statements and hashes are compared in every run."""

import os
import sys
from statistics import median
from time import perf_counter

import pytest
from sqlalchemy import delete

from idp.login.models import SignInFailure
from tests.idp.conftest import House, house, template
from tests.idp.walk import begin, follow, send_form

__all__ = ["house", "template"]
PAIRS, MOST_MS = 300, 5.0


@pytest.mark.skipif("BENCH" not in os.environ, reason="measures time: BENCH=1 asks for it")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("password", ["wrong-password-1", ""])
def test_an_unknown_name_takes_as_long_as_a_known_one(house: House, password: str) -> None:
    known, unknown = [], []
    pages = {}
    for name in ("hanhnth", "nobody"):
        browser = house.browser()
        pages[name] = browser, follow(browser, send_form(browser, begin(browser), username=name))
    for number in range(PAIRS):
        for name in ("hanhnth", "nobody") if number % 2 else ("nobody", "hanhnth"):
            with house.db.write() as tx:
                tx.execute(delete(SignInFailure))
            started = perf_counter()
            assert send_form(*pages[name], password=password).status_code == 401
            (known if name == "hanhnth" else unknown).append(1000 * (perf_counter() - started))
    apart = abs(median(known) - median(unknown))
    sys.stdout.write(f"medians {median(known):.2f} and {median(unknown):.2f} ms, {apart:.2f} apart\n")
    assert apart <= MOST_MS
