"""Feasible points: found if there are any, evenly drawn, and near where they should be."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_bridge.space.conditional_points import all_points
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints, faults_of
from optuna_bridge.space.search_space import SearchSpace

Parameter = dict[str, Any]


def reals(names: str) -> list[Parameter]:
    return [{"type": "float", "name": name, "low": 0.0, "high": 1.0} for name in names.split()]


def integers(names: str, low: int, high: int, **more: Any) -> list[Parameter]:
    found = {"type": "int", "low": low, "high": high} | more
    return [{**found, "name": name} for name in names.split()]


def constraints_of(space: list[Parameter], *texts: str) -> ParameterConstraints:
    found = SearchSpace(space, texts).parameter_constraints
    assert found is not None
    return found


MANY = " ".join(f"w{i}" for i in range(20))
CHAIN = [f"w{i} < w{i + 1}" for i in range(19)]
HARD: dict[str, tuple[list[Parameter], list[str]]] = {
    "simplex": (reals(MANY), [" + ".join(MANY.split()) + " <= 1"]),
    "order": (reals(MANY), CHAIN),
    "pairs": (reals(MANY), [f"w{2 * i} < w{2 * i + 1} / 20" for i in range(10)]),
    "corner": (reals("x y"), ["x * y >= 0.999", "-0.0001 < x - y < 0.0001"]),
    "disc": (reals("x y"), ["(x - 0.3) * (x - 0.3) + (y - 0.6) * (y - 0.6) < 0.00001"]),
    "product": (integers("a b", 1, 300), ["a * b == 9991"]),
    "sum": (integers("a b c", 1, 1000), ["a + b + c == 1000"]),
    "wide": (integers("a b", 1, 2**50), ["a == b"]),
    "logarithm": (
        [{"type": "float", "name": n, "low": 1e-6, "high": 1.0, "log": True} for n in "xyz"],
        ["x * y * z >= 0.99"],
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_points_are_found_in_tiny_parts_of_a_space(name: str) -> None:
    space, texts = HARD[name]
    constraints = constraints_of(space, *texts)
    assert constraints.points.exist({})
    rng = np.random.default_rng(3)
    drawn = [constraints.points.draw({}, rng) for _ in range(5)]
    assert all(constraints.hold(each) for each in drawn)
    assert all(each.keys() == {each["name"] for each in space} for each in drawn)
    columns, n = constraints.points.draw_many(50, {}, rng)
    assert n >= 1
    assert constraints.hold_at(columns, n).all()


@pytest.mark.parametrize(
    ("space", "texts"),
    [
        (reals("x y"), ["x < y", "y < x"]),
        (reals("x y"), ["x + y > 2"]),
        (reals("x"), ["1 / (x - x) > 0"]),
        (integers("a b", 2, 300), ["a * b == 99991"]),
        (reals(MANY), [*CHAIN[:7], "w7 < w0"]),
        (reals("x y z"), ["+".join("xyz" * 40) + " < 0"] * 20),
    ],
)
def test_search_for_a_point_that_does_not_exist_is_bounded(
    space: list[Parameter], texts: list[str]
) -> None:
    assert not faults_of(texts, SearchSpace(space).distributions)
    began = time.process_time()
    assert not constraints_of(space, *texts).points.exist({})
    assert time.process_time() - began < 10


def test_draws_are_uniform_in_the_feasible_part() -> None:
    rng = np.random.default_rng(1)
    # 1.1 % of the square, so that most candidates are outside
    points = constraints_of(reals("x y"), "x + y < 0.15").points
    drawn = [points.draw({}, rng) for _ in range(2000)]
    sums = np.array([each["x"] + each["y"] for each in drawn])
    assert abs(np.mean(sums) - 0.1) < 0.003
    assert abs(np.mean([each["x"] for each in drawn]) - 0.05) < 0.003
    # 2e-18 of the cube, which is found by a walk: the coordinates are exponential, nearly.
    points = constraints_of(*HARD["simplex"][:1], *HARD["simplex"][1]).points
    columns, n = points.draw_many(500, {}, rng)
    assert n == 500
    totals = sum(columns[name] for name in MANY.split())
    assert 0.85 < np.mean(totals) < 0.97  # 20 / 21
    assert all(0.02 < columns[name].mean() < 0.08 for name in MANY.split())  # 1 / 21


def test_fixed_values_are_respected() -> None:
    points = constraints_of(reals("x y z"), "x + y + z <= 1").points
    rng = np.random.default_rng(1)
    drawn = points.draw({"x": 0.999}, rng)
    assert drawn.keys() == {"y", "z"}
    assert drawn["y"] + drawn["z"] <= 0.001
    near = points.nearest({"x": 0.0, "y": 0.9, "z": 0.0}, {"x": 0.5}, rng)
    assert near["y"] > 0.49
    assert near["z"] < 0.01
    assert near["y"] + near["z"] <= 0.5
    assert points.draw({"x": 0.5, "y": 0.25, "z": 0.25}, rng) == {}
    assert constraints_of(reals("x y"), "x < y").points.exist({"x": 0.5})
    assert not constraints_of(reals("x y"), "x < y").points.exist({"x": 1.0})


def test_nearest_point_is_on_the_border() -> None:
    points = constraints_of(reals("x y z"), "x + y <= 1").points
    near = points.nearest({"x": 0.8, "y": 0.8, "z": 0.3}, {}, np.random.default_rng(1))
    assert near == pytest.approx({"x": 0.5, "y": 0.5}, abs=0.02)
    inside = points.nearest({"x": 0.2, "y": 0.3, "z": 0.3}, {}, np.random.default_rng(1))
    assert inside == {"x": 0.2, "y": 0.3}


@st.composite
def small_spaces(draw: st.DrawFn) -> tuple[list[Parameter], list[str]]:
    space = [
        draw(st.sampled_from(integers(name, 1, 6) + integers(name, 2, 9, step=3)))
        if draw(st.booleans())
        else {"type": "ordinal", "name": name, "values": [1, 2.5, 4]}
        for name in "abc"
    ]
    sides = st.sampled_from(["a", "b + c", "a * b", "c - a", "b / c", "2 * b", "3", "5"])
    operators = st.sampled_from([" < ", " <= ", " >= ", " == "])
    texts = st.tuples(st.sampled_from("abc"), operators, sides).map("".join)
    return space, draw(st.lists(texts, min_size=1, max_size=3))


@settings(max_examples=25, deadline=None)
@given(small_spaces())
def test_points_of_small_spaces_are_counted_and_drawn(
    drawn: tuple[list[Parameter], list[str]],
) -> None:
    parameters, texts = drawn
    space = SearchSpace(parameters, texts)
    unconstrained = all_points(SearchSpace(parameters))
    expected = [
        internal
        for index in range(unconstrained.n or 0)
        if not space.faults(space.to_external(internal := unconstrained.params(index)))
    ]
    points = all_points(space)
    assert (points.n, points.n_indexes) == (len(expected), unconstrained.n)
    assert points.allowed is not None
    found = [points.params(index) for index in np.flatnonzero(points.allowed).tolist()]
    assert found == expected
    constraints = constraints_of(parameters, *texts)
    assert constraints.points.exist({}) == bool(expected)
    if expected:
        point = constraints.points.draw({}, np.random.default_rng(0))
        assert any(
            point.items() <= dict(zip("abc", each, strict=True)).items() for each in expected
        )
