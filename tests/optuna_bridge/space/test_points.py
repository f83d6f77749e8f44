"""Points of a finite search space: counted, compared and enumerated."""

from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_bridge.space.conditional_points import all_points
from optuna_bridge.space.points import MAX_POINTS, GridAxis, Points, point_hash
from optuna_bridge.space.search_space import SearchSpace, listed_values

JSON = dict[str, Any]


@st.composite
def ints(draw: st.DrawFn) -> JSON:
    low, width = draw(st.integers(-20, 20)), draw(st.integers(0, 8))
    step = draw(st.integers(1, max(width, 1)))
    return {"type": "int", "low": low, "high": low + width, "step": step}


@st.composite
def log_ints(draw: st.DrawFn) -> JSON:
    low = draw(st.integers(1, 20))
    return {"type": "int", "low": low, "high": low + draw(st.integers(0, 8)), "log": True}


@st.composite
def stepped_floats(draw: st.DrawFn) -> JSON:
    step = Decimal(draw(st.sampled_from(["0.1", "0.05", "0.3", "0.25", "7", "1e-9"])))
    low = step * draw(st.integers(-30, 30))
    rest = step * draw(st.sampled_from([Decimal(0), Decimal("0.5")]))
    high = low + step * draw(st.integers(1, 8)) + rest
    return {"type": "float", "low": float(low), "high": float(high), "step": float(step)}


CONSTANTS = st.floats(-9, 9).map(lambda x: {"type": "float", "low": x, "high": x})
CHOICES = st.lists(st.sampled_from(["a", "b", 2, 3.5, True, False]), min_size=1, unique_by=str)
CATEGORICALS = CHOICES.map(lambda choices: {"type": "categorical", "choices": choices})
SCALES = st.lists(st.sampled_from([-1, 0.5, 2, 3.5, 64]), min_size=1, unique=True).map(sorted)
ORDINALS = SCALES.map(lambda numbers: {"type": "ordinal", "values": numbers})
PARAMETERS = st.one_of(ints(), log_ints(), stepped_floats(), CONSTANTS, CATEGORICALS, ORDINALS)


def values(parameter: JSON) -> list[Any]:
    """All values of a parameter, counted in decimals."""
    if listed := listed_values(parameter):
        return list(listed)
    low, high = Decimal(str(parameter["low"])), Decimal(str(parameter["high"]))
    step = Decimal(str(parameter.get("step", 1)))
    kind = int if parameter["type"] == "int" else float
    return [kind(low + index * step) for index in range(int((high - low) / step) + 1)]


def points_of(space: SearchSpace) -> Points:
    return all_points(space)


@given(st.lists(PARAMETERS, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_points_differ_for_all_combinations(parameters: list[JSON]) -> None:
    named = [{"name": str(index), **each} for index, each in enumerate(parameters)]
    space = SearchSpace(named)
    points = points_of(space)
    combinations = [
        dict(zip((each["name"] for each in named), combination, strict=True))
        for combination in product(*map(values, named))
    ]
    found = {points.point(space.to_internal(params)) for params in combinations}
    assert points.n == len(combinations) == len(found)
    everything = [points.params(index) for index in range(points.n)]
    assert {points.point(internal) for internal in everything} == found
    assert [points.index(internal) for internal in everything] == list(range(points.n))
    for internal in everything:
        params = space.to_external(internal)
        assert space.faults(params) == []
        assert points.point(space.to_internal(params)) == points.point(internal)
    first = everything[0]
    like_the_first = [first[0], *[None] * (len(first) - 1)]
    assert points.indexes(like_the_first).tolist() == [
        index for index, internal in enumerate(everything) if internal[0] == first[0]
    ]
    assert len({point_hash(point) for point in found if point is not None}) == len(found)


def space_of(*parameters: JSON) -> SearchSpace:
    return SearchSpace([{"name": str(index), **each} for index, each in enumerate(parameters)])


def test_hash_is_the_same_in_other_processes() -> None:
    assert point_hash((1.0, 2.5)) == UUID("4702765b-8935-eac5-1ec5-8d4b820f88a2")
    assert point_hash((1.0, 2.5)) == point_hash((1, 2.5))
    assert point_hash((2.5, 1.0)) != point_hash((1.0, 2.5))


def test_steps_are_identified_by_their_index() -> None:
    points = points_of(space_of({"type": "float", "low": 0.0, "high": 1.0, "step": 0.1}))
    assert points.point([0.1 + 0.2]) == points.point([0.3]) == (3.0,)
    assert points.point([-0.0]) == points.point([0.0]) == (0.0,)


def test_negative_zero_is_the_same_point() -> None:
    points = points_of(space_of({"type": "float", "low": -1.0, "high": 1.0}))
    one, other = points.point([0.0]), points.point([-0.0])
    assert one is not None
    assert other is not None
    assert point_hash(one) == point_hash(other)


def test_partial_parameters_have_no_point() -> None:
    points = points_of(
        space_of({"type": "int", "low": 0, "high": 1}, {"type": "int", "low": 0, "high": 1})
    )
    assert points.point([0.0, None]) is None
    assert points.point([0.0, 0.0]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("parameters", "n"),
    [
        ([{"type": "float", "low": 0.0, "high": 1.0}], None),
        ([{"type": "float", "low": 1e-5, "high": 1.0, "log": True}], None),
        ([{"type": "float", "low": 0.5, "high": 0.5}], 1),
        ([{"type": "int", "low": 1, "high": MAX_POINTS}], MAX_POINTS),
        ([{"type": "int", "low": 0, "high": MAX_POINTS}], None),
        ([{"type": "int", "low": 1, "high": 1000}, {"type": "int", "low": 1, "high": 100}], 10**5),
        ([{"type": "int", "low": 1, "high": 1000}, {"type": "int", "low": 0, "high": 100}], None),
        ([{"type": "int", "low": 0, "high": 2**53}], None),
        ([{"type": "int", "low": 0, "high": 1}, {"type": "float", "low": 0.0, "high": 1.0}], None),
    ],
)
def test_large_and_continuous_spaces_have_no_size(parameters: list[JSON], n: int | None) -> None:
    assert points_of(space_of(*parameters)).n == n


def test_constants_are_no_dimensions() -> None:
    """An array has at most 64 of them."""
    constant = {"type": "float", "low": 2.0, "high": 2.0}
    choice = {"type": "categorical", "choices": ["a", "b"]}
    points = points_of(space_of(*[constant] * 70, choice))
    assert points.n == 2
    assert points.params(1) == [*[2.0] * 70, 1.0]
    assert points.index(points.params(1)) == 1
    only = points_of(space_of(*[constant] * 70))
    assert (only.n, only.params(0), only.indexes([None] * 70).tolist()) == (1, [2.0] * 70, [0])


# Grids ---------------------------------------------------------------------------------------


def grid_axis(parameter: JSON, n_values: int) -> GridAxis:
    [distribution] = space_of(parameter).distributions.values()
    return GridAxis(distribution, n_values)


@pytest.mark.parametrize(
    ("parameter", "n_values", "expected"),
    [
        ({"type": "float", "low": 0.0, "high": 1.0}, 5, [0, 0.25, 0.5, 0.75, 1]),
        ({"type": "float", "low": 1e-4, "high": 1.0, "log": True}, 3, [1e-4, 1e-2, 1]),
        ({"type": "float", "low": 0.0, "high": 1.0, "step": 0.1}, 3, [0, 0.5, 1]),
        ({"type": "float", "low": 0.0, "high": 0.25, "step": 0.1}, 5, [0, 0.1, 0.2]),
        ({"type": "float", "low": 0.5, "high": 0.5}, 5, [0.5]),
        ({"type": "int", "low": 1, "high": 4}, 5, [1, 2, 3, 4]),
        ({"type": "int", "low": 0, "high": 100}, 5, [0, 25, 50, 75, 100]),
        ({"type": "int", "low": 0, "high": 10, "step": 2}, 3, [0, 4, 10]),
        ({"type": "int", "low": 1, "high": 1000, "log": True}, 4, [1, 10, 100, 1000]),
        ({"type": "int", "low": 1, "high": 8, "log": True}, 7, [1, 2, 3, 4, 6, 8]),
        ({"type": "categorical", "choices": list("abcdefg")}, 2, list(range(7))),
    ],
)
def test_grid_has_equidistant_values(parameter: JSON, n_values: int, expected: list[float]) -> None:
    axis = grid_axis(parameter, n_values)
    assert [axis.value(position) for position in range(axis.n)] == pytest.approx(expected)
    assert axis.value(0) == expected[0]
    assert axis.value(axis.n - 1) == expected[-1]


WIDE = st.one_of(
    PARAMETERS,
    st.tuples(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308)).map(
        lambda pair: {"type": "float", "low": min(pair), "high": max(pair)}
    ),
    st.tuples(st.floats(5e-324, 1e308), st.floats(5e-324, 1e308)).map(
        lambda pair: {"type": "float", "low": min(pair), "high": max(pair), "log": True}
    ),
    st.integers(1, 2**53).map(lambda high: {"type": "int", "low": 1, "high": high, "log": True}),
)


@given(WIDE, st.integers(2, 1000))
@settings(max_examples=200, deadline=None)
def test_values_of_a_grid_are_in_the_space(parameter: JSON, n_values: int) -> None:
    space, axis = space_of(parameter), grid_axis(parameter, n_values)
    internal = [axis.value(position) for position in range(axis.n)]
    assert internal == sorted(set(internal))
    assert axis.n <= max(n_values, len(listed_values(parameter)))
    assert [axis.place(value) for value in internal] == list(range(axis.n))
    for value in internal:
        params = space.to_external([value])
        assert space.faults(params) == []
        assert axis.position(space.to_internal(params)[0] or 0.0) == axis.position(value)


def test_values_beside_the_grid_have_no_point() -> None:
    x, n = {"type": "float", "low": 0.0, "high": 0.9}, {"type": "int", "low": 0, "high": 1}
    space = space_of(x, n)
    points = Points([GridAxis(each, 4) for each in space.distributions.values()])
    assert points.n == 8
    assert points.point([0.1 + 0.2, 1]) == points.point([0.3, 1]) == (1, 1)
    assert points.point([0.31, 1]) is None
    assert points.hash([0.31, 1]) is None
    assert points.index([0.31, 1]) is None
    assert points.indexes([0.31, None]).tolist() == []
    assert points.indexes([None, 1.0]).tolist() == [1, 3, 5, 7]
