"""Aggregates of repeats, compared with the standard library, and their seeds."""

import math
import statistics
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optuna_bridge.repeats.aggregates import AGGREGATES, Repeats, seed_of, standard_errors

LARGEST = sys.float_info.max
SEEDS = [1484405855, 917752063, 1417063493]
FINITE = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=7)
ANY = st.lists(st.floats(allow_nan=False), min_size=1, max_size=7)


def of(aggregate: str, values: list[float], sign: float = 1) -> float:
    (found,) = Repeats(len(values), aggregate).of([[value] for value in values], [sign])
    return found


@given(FINITE)
def test_aggregates_are_those_of_the_standard_library(values: list[float]) -> None:
    for sign in (1, -1):
        assert of("mean", values, sign) == statistics.fmean(values)
        assert of("median", values, sign) == pytest.approx(statistics.median(values))
    assert (of("worst", values, 1), of("worst", values, -1)) == (max(values), min(values))


@given(ANY)
def test_aggregates_of_any_values_lie_between_them(values: list[float]) -> None:
    for aggregate in AGGREGATES:
        slack = 1e-12 * min(max(map(abs, values)), LARGEST)
        assert min(values) - slack <= of(aggregate, values) <= max(values) + slack


def test_infinite_and_huge_values_have_aggregates() -> None:
    assert of("mean", [math.inf, -math.inf, 1]) == math.inf  # the worse one
    assert of("mean", [math.inf, -math.inf, 1], sign=-1) == -math.inf
    assert of("median", [math.inf, 1, 1]) == 1
    assert of("mean", [LARGEST] * 3) == pytest.approx(LARGEST)


def test_zero_has_no_sign() -> None:
    for aggregate in AGGREGATES:
        assert str(of(aggregate, [0.0, 0.0], sign=-1)) == "0.0"


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=7))
def test_standard_error_is_that_of_the_mean(values: list[float]) -> None:
    expected = statistics.stdev(values) / math.sqrt(len(values))
    (found,) = standard_errors([[value] for value in values]) or []
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_standard_error_needs_two_finite_values() -> None:
    assert standard_errors([[1.0]]) is None
    assert standard_errors([[1.0], [math.inf]]) is None


def test_seeds_differ_and_never_change() -> None:
    assert len({seed_of(index) for index in range(100)}) == 100
    assert [seed_of(index) for index in range(3)] == SEEDS
