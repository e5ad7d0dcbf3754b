"""L17, by the clock: `BENCH=1 pytest -n 0 tests/bench/test_sign_in_timing.py`; statements and hashes are compared in every run.

The two of a pair are tried one right after the other, so that whatever else the machine does strikes both alike; and the time
of the processor is judged beside the clock's, since it knows nothing of others.
"""

import os
import sys
from bisect import bisect_right
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, update

from idp.accounts import passwords
from idp.accounts.models import Account
from idp.login.models import SignInFailure
from tests.idp.conftest import PASSWORD, House, house, template
from tests.idp.walk import begin, follow, send_form

__all__ = ["house", "template"]
PAIRS, MOST_MS, MOST_CPU_MS = 300, 5.0, 0.5
KNOWN, UNKNOWN = "hanhnth", "nobody"
KS_AT_1_PERCENT = 1.628 * (2 / PAIRS) ** 0.5  # two samples of one distribution lie further apart once in a hundred times


def furthest_apart(one: list[float], other: list[float]) -> float:
    """The statistic of Kolmogorov and Smirnov."""
    one, other = sorted(one), sorted(other)
    return max(abs(bisect_right(one, at) / len(one) - bisect_right(other, at) / len(other)) for at in [*one, *other])


def differ(one: list[float], other: list[float]) -> tuple[float, float]:
    """The median of the differences, and what it may be by chance: three of its standard errors."""
    apart = [a - b for a, b in zip(one, other, strict=True)]
    middle = median(apart)
    return middle, 3 * 1.2533 * 1.4826 * median(abs(each - middle) for each in apart) / len(apart) ** 0.5


def spent(deed: Callable[[], int]) -> tuple[float, float]:
    """Milliseconds by the clock and of the processor, in all threads, until a wrong password is answered."""
    began, cpu = perf_counter(), process_time()
    assert deed() == 401
    return 1000 * (perf_counter() - began), 1000 * (process_time() - cpu)


@pytest.mark.skipif("BENCH" not in os.environ, reason="measures time: BENCH=1 asks for it")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("password", ["wrong-password-1", ""])
def test_an_unknown_name_takes_as_long_as_a_known_one(
    house: House, password: str, quick_passwords: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = quick_passwords  # what the other tests do without
    monkeypatch.setattr(passwords, "_hasher", real)
    monkeypatch.setattr(passwords, "_DUMMY", real.hash("nobody's password"))
    with house.db.write() as tx:
        tx.execute(update(Account).values(password_hash=real.hash(PASSWORD)))
    pages, found = {}, {KNOWN: list[tuple[float, float]](), UNKNOWN: list[tuple[float, float]]()}
    for name in found:
        browser = house.browser()
        pages[name] = browser, follow(browser, send_form(browser, begin(browser), username=name))
    for number in range(PAIRS):
        for name in (KNOWN, UNKNOWN) if number % 2 else (UNKNOWN, KNOWN):
            with house.db.write() as tx:
                tx.execute(delete(SignInFailure))
            found[name].append(spent(lambda name=name: send_form(*pages[name], password=password).status_code))
    for place, what, most in ((0, "clock", MOST_MS), (1, "processor", MOST_CPU_MS)):
        known, unknown = ([one[place] for one in found[name]] for name in (KNOWN, UNKNOWN))
        apart, chance = differ(known, unknown)
        ks = furthest_apart(known, unknown)
        medians = f"medians {median(known):.2f} and {median(unknown):.2f} ms"
        sys.stdout.write(f"{what}: {medians}; differences {apart:+.3f} ms, by chance {chance:.3f}; KS {ks:.3f}\n")
        assert abs(apart) <= max(most, chance)
        assert ks <= KS_AT_1_PERCENT
