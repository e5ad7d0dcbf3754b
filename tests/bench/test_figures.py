"""What the benchmarks conclude from their figures."""

import pytest

from tests.bench.browser import Browser
from tests.bench.oidc_load import quantile
from tests.bench.soak import MIX, Sample, growth

MINUTES = 120


def samples(an_hour: float, noise: float = 1.0) -> list[Sample]:
    """Two hours from 100 MiB, growing by that share of it an hour, up and down by `noise` MiB."""
    return [
        Sample(minute, 100 + 100 * an_hour * minute / 60 + noise * (-1) ** minute, 100, 0, 1.0, 2.0, 0.5)
        for minute in range(MINUTES)
    ]


@pytest.mark.parametrize(("an_hour", "grows"), [(0.0, False), (0.03, False), (0.08, True), (-0.2, False)])
def test_memory_grows_where_the_second_half_rises_by_more_than_a_twentieth_an_hour(an_hour, grows):
    assert growth(samples(an_hour))["grows"] is grows


def test_what_is_filled_at_the_start_is_no_growth():
    filling = [Sample(minute, 60 + min(minute, 50), 100, 0, 1.0, 2.0, 0.5) for minute in range(MINUTES)]
    assert growth(filling)["grows"] is False


def test_a_few_minutes_of_chance_are_no_growth():
    assert growth([Sample(minute / 6, 100 + 0.1 * minute, 100, 0, 1.0, 2.0, 0.5) for minute in range(24)])["grows"] is False


def test_quantiles_are_values_that_occurred():
    ordered = [float(number) for number in range(1, 101)]
    assert (quantile(ordered, 0.5), quantile(ordered, 0.99), quantile([], 0.5)) == (51.0, 100.0, 0.0)


def test_the_mix_is_of_a_hundred_operations():
    assert sum(MIX.values()) == 100


@pytest.mark.parametrize("address", ["http://192.0.2.7:80", "http://8.8.8.8"])
def test_no_other_machine_is_loaded(address):
    with pytest.raises(AssertionError, match="this machine only"):
        Browser(address)
