"""Subsamples of completed trials, with the best value so far."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.completed_trials import CompletedTrials, subsample
from studies.models import Study

# Beyond, a difference of two values overflows, which NumPy warns of.
VALUES = st.floats(-8e307, 8e307) | st.integers(-3, 3).map(float)


def is_in_half_of(n: int, most: int) -> bool:
    return n <= most // 2


@given(
    wanted=st.lists(st.booleans(), max_size=300),
    most=st.integers(2, 60),
)
def test_subsample_is_small_sorted_and_ends_with_the_last(wanted: list[bool], most: int) -> None:
    n = len(wanted)
    for mask in (None, np.array(wanted, dtype=bool)):
        chosen = subsample(n, most, mask).tolist()
        assert chosen == sorted(set(chosen))
        assert len(chosen) <= most
        assert set(chosen) <= set(range(n))
        assert chosen[-1:] == list(range(n))[-1:]
        if n <= most:
            assert chosen == list(range(n))


@given(wanted=st.lists(st.booleans(), max_size=300), most=st.integers(3, 60))
def test_subsample_keeps_required_indices_up_to_half(wanted: list[bool], most: int) -> None:
    chosen = set(subsample(len(wanted), most, np.array(wanted, dtype=bool)).tolist())
    indices = {index for index, is_wanted in enumerate(wanted) if is_wanted}
    if is_in_half_of(len(indices), most):
        assert indices <= chosen
    else:
        assert len(indices & chosen) >= most // 2


@given(n=st.integers(0, 5000), most=st.integers(2, 200))
def test_subsample_is_evenly_spaced(n: int, most: int) -> None:
    chosen = subsample(n, most).tolist()
    assert len(chosen) == min(n, most)
    gaps = {b - a for a, b in itertools.pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


# The best so far -------------------------------------------------------------------------


def outline(
    values: Sequence[Sequence[float]], feasible: Sequence[bool], directions: Sequence[str]
) -> CompletedTrials:
    n = len(values)
    return CompletedTrials(
        Study(directions=list(directions)),
        np.arange(n) * 2,
        np.array(values, dtype=np.float64).reshape(n, len(directions)),
        np.array(feasible, dtype=bool),
        np.zeros(n, dtype=bool),
    )


@given(
    trials=st.lists(st.tuples(VALUES, VALUES, st.booleans()), max_size=30),
    directions=st.tuples(*[st.sampled_from(["minimize", "maximize"])] * 2),
    objective=st.integers(0, 1),
)
def test_best_so_far_and_improvements_equal_a_plain_loop(
    trials: list[tuple[float, float, bool]], directions: tuple[str, str], objective: int
) -> None:
    found = outline([each[:2] for each in trials], [each[2] for each in trials], directions)
    pick = min if directions[objective] == "minimize" else max
    best: float | None = None
    expected: list[tuple[float | None, bool]] = []
    for *values, is_feasible in trials:
        before = best
        if is_feasible:
            best = values[objective] if best is None else pick(best, values[objective])
        expected.append((best, best is not None and best != before))
    so_far = [None if np.isnan(each) else each for each in found.best_so_far(objective).tolist()]
    assert list(zip(so_far, found.is_better(objective).tolist(), strict=True)) == expected


@pytest.mark.parametrize("objectives", [1, 2])
def test_empty_study_has_empty_arrays(objectives: int) -> None:
    nothing = outline([], [], ["minimize"] * objectives)
    assert (len(nothing), nothing.losses.shape) == (0, (0, objectives))
    assert nothing.best_so_far(objectives - 1).tolist() == []
    assert nothing.is_better(objectives - 1).tolist() == []
