"""The parts of the sampler `auto`: its rule, its first points, and how it warps values."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optuna_bridge.samplers.auto.rule import (
    DESIGN_SIZE,
    MAX_MODELLED,
    MAX_TRIES,
    Choice,
    Facts,
    choice_to_explore,
    choose,
)
from optuna_bridge.samplers.auto.warping import warp
from optuna_bridge.samplers.centre import centre


@pytest.mark.parametrize(
    ("number", "n_completed", "n_pruned", "can_model", "expected"),
    [
        (0, 0, 0, True, Choice.DESIGN),
        (40, DESIGN_SIZE - 2, 1, True, Choice.DESIGN),  # the others are running, or have failed
        (40, 2, DESIGN_SIZE - 2, True, Choice.TPE),
        (0, DESIGN_SIZE, 0, True, Choice.GP),  # all known trials were recorded
        (6, 6, 0, True, Choice.GP),
        (7, 7, 0, True, Choice.GP),
        (11, 11, 0, True, Choice.GP),
        (15, 15, 0, True, Choice.TPE),
        (6, 6, 0, False, Choice.TPE),
        (20, 10, 10, True, Choice.GP),
        (21, 10, 11, True, Choice.TPE),
        (400, MAX_MODELLED - 1, 0, True, Choice.GP),
        (400, MAX_MODELLED, 0, True, Choice.TPE),
    ],
)
def test_rule_chooses(
    number: int, n_completed: int, n_pruned: int, can_model: bool, expected: Choice
) -> None:
    assert choose(Facts(number, n_completed, n_pruned, can_model)) == expected


@pytest.mark.parametrize(
    ("number", "tried", "expected"),
    [
        (6, {"kind": [3, 1, 2]}, {"kind": 1}),
        (10, {"kind": [3, 2, 2], "on": [0, 7]}, {"on": 0}),
        (5, {"kind": [3, 1, 2]}, {}),  # not this trial's turn
        (6, {}, {}),
        (6, {"kind": [MAX_TRIES, 40]}, {}),
        (6, {"many": [0] * 9}, {}),
        (6, {"many": [0] * 9, "kind": [9, 4]}, {"kind": 1}),
    ],
)
def test_choice_that_was_tried_least_is_explored(
    number: int, tried: dict[str, list[int]], expected: dict[str, int]
) -> None:
    assert choice_to_explore(number, tried) == expected


def test_centre_is_in_the_middle_of_each_scale() -> None:
    found = centre(
        {
            "x": FloatDistribution(-1.0, 3.0),
            "rate": FloatDistribution(1e-6, 1e-2, log=True),
            "stepped": FloatDistribution(0.0, 1.0, step=0.25),
            "n": IntDistribution(1, 9),
            "constant": IntDistribution(4, 4),
            "kind": CategoricalDistribution(["first", "second", "third"]),
            "only": CategoricalDistribution([True]),
        }
    )
    assert found.pop("rate") == pytest.approx(1e-4)
    assert found == {
        "x": 1.0,
        "stepped": 0.5,
        "n": 5,
        "constant": 4,
        "kind": "first",
        "only": True,
    }


LOSSES = arrays(float, st.integers(1, 40), elements=st.floats(-1e9, 1e9))


@given(LOSSES)
@example(np.array([0.0, 1.0, 2e-311]))
def test_warping_keeps_the_order_and_the_better_half(losses: np.ndarray) -> None:
    warped = warp(losses)
    order = np.argsort(losses, kind="stable")
    assert (np.diff(warped[order]) >= 0).all()
    better = losses <= np.median(losses[:20])
    assert (warped[better] == losses[better]).all()
    assert (warped <= losses + 1e-6 * np.ptp(losses)).all()


def test_warping_compresses_what_is_far_worse() -> None:
    warped = warp(np.array([0.0, 1.0, 2.0, 3.0, 1e6]))
    assert warped[:3].tolist() == [0.0, 1.0, 2.0]
    assert warped[3] == pytest.approx(2 + 2 * math.log1p(0.5))
    assert warped[4] < 30
