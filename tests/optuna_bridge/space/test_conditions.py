"""The conditions of parameters: which are active, which are faults, and which points are left."""

from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_bridge.space.comparison import differing_parameters
from optuna_bridge.space.conditional_points import all_points
from optuna_bridge.space.points import MAX_POINTS
from optuna_bridge.space.search_space import SearchSpace
from optuna_bridge.space.when_faults import when_faults
from tests.support.conditional_spaces import (
    OPTIMIZERS,
    conditional_spaces,
    is_active,
    values_of,
)

JSON = dict[str, Any]
SPACE = SearchSpace(OPTIMIZERS)
COMPLETE = {"optimizer": "adam", "layers": 1, "rate": 0.1}
A: JSON = {"type": "categorical", "name": "a", "choices": ["x", "y"]}
FLAG: JSON = {"type": "categorical", "name": "flag", "choices": [True, False, 2]}
BATCH: JSON = {"type": "ordinal", "name": "batch", "values": [16, 32, 64]}
SIZE: JSON = {"type": "categorical", "name": "size", "choices": [16, 32, 64]}
STEPPED: JSON = {"type": "float", "name": "s", "low": 0.0, "high": 1.0, "step": 0.1}
REAL: JSON = {"type": "float", "name": "r", "low": 0.0, "high": 1.0}
COUNT: JSON = {"type": "int", "name": "n", "low": 2, "high": 10, "step": 4}


def child(when: JSON, name: str = "child") -> JSON:
    return {"type": "int", "name": name, "low": 0, "high": 1, "when": when}


def drawn_params(data: st.DataObject, parameters: list[JSON]) -> JSON:
    """Values for all parameters, active or not."""
    params = {}
    for each in parameters:
        values = values_of(each)
        if values is not None:
            params[each["name"]] = data.draw(st.sampled_from(values))
        else:  # rounded, since the oracle compares with a tolerance
            params[each["name"]] = round(data.draw(st.floats(each["low"], each["high"])), 6)
    return params


@settings(max_examples=100, deadline=None)
@given(parameters=conditional_spaces(), data=st.data())
def test_active_parameters_are_those_whose_conditions_hold(
    parameters: list[JSON], data: st.DataObject
) -> None:
    space = SearchSpace(parameters)
    assert when_faults(space) == []
    params = drawn_params(data, parameters)
    active = {
        each["name"]: params[each["name"]]
        for each in parameters
        if is_active(each, params, parameters)
    }
    assert space.active_only(params) == active
    assert space.faults(active) == []
    assert space.missing(active) == []
    assert space.is_complete(space.to_internal(active))
    assert {name for name, _ in space.faults(params)} == params.keys() - active.keys()
    assert space.to_external(space.to_internal(active)).keys() == active.keys()
    dropped = data.draw(st.sampled_from(sorted(active)))
    rest = {name: value for name, value in active.items() if name != dropped}
    assert dropped in space.missing(rest)
    assert not space.is_complete(space.to_internal(rest))


@settings(max_examples=30, deadline=None)
@given(parameters=conditional_spaces(only_finite=True), data=st.data())
def test_points_are_those_that_differ_in_an_active_parameter(
    parameters: list[JSON], data: st.DataObject
) -> None:
    space = SearchSpace(parameters)
    names = [each["name"] for each in parameters]
    listed = [values_of(each) or [] for each in parameters]
    every = (dict(zip(names, values, strict=True)) for values in islice(product(*listed), 20_000))
    distinct = {tuple(space.to_internal(space.active_only(params))) for params in every}
    points = all_points(space)
    if len(list(islice(product(*listed), 20_001))) > 20_000:
        assert points.n is None or points.n >= len(distinct)
        return
    assert points.n == len(distinct)
    found = [points.params(index) for index in range(points.n)]
    assert len({points.hash(params) for params in found}) == points.n
    assert [points.index(params) for params in found] == list(range(points.n))
    fixed = drawn_params(data, parameters)
    fixed = dict(list(space.active_only(fixed).items())[:2])
    internal = space.to_internal(fixed)
    agreeing = [
        index
        for index, params in enumerate(found)
        if all(
            value is None or (each is not None and abs(each - value) < 1e-9)
            for value, each in zip(internal, params, strict=True)
        )
    ]
    assert points.indexes(internal).tolist() == agreeing


def test_points_of_a_large_or_continuous_space_are_not_counted() -> None:
    large: JSON = {"type": "int", "name": "n", "low": 1, "high": MAX_POINTS // 2}
    one: JSON = {"type": "categorical", "name": "c", "choices": ["a", "b"]}
    assert all_points(SearchSpace([one, {**large, "when": {"c": ["a"]}}])).n == MAX_POINTS // 2 + 1
    twice = [one, *({**large, "name": name, "when": {"c": [name]}} for name in "ab")]
    assert all_points(SearchSpace(twice)).n == MAX_POINTS
    assert all_points(SearchSpace([*twice, child({"c": ["a"]})])).n is None
    assert all_points(SearchSpace([one, {**REAL, "when": {"c": ["a"]}}])).n is None
    constants = [{"type": "int", "name": f"k{n}", "low": 1, "high": 1} for n in range(60)]
    assert all_points(SearchSpace([*twice, *constants])).n is None  # they would take 24 MB


def test_a_point_ignores_values_that_are_not_active_and_needs_the_others() -> None:
    points = all_points(SPACE)
    point = points.point(SPACE.to_internal(COMPLETE))
    assert point == points.point(SPACE.to_internal({**COMPLETE, "momentum": 0.5, "period": 3}))
    assert points.point(SPACE.to_internal({"optimizer": "sgd", "layers": 1, "rate": 0.1})) is None


@pytest.mark.parametrize(
    ("params", "name", "fault"),
    [
        (
            {**COMPLETE, "momentum": 0.5},
            "momentum",
            "a trial has it only if \"optimizer\" is one of 'sgd', 'nesterov', not 'adam'",
        ),
        (
            {"momentum": 0.5},
            "momentum",
            "a trial has it only if \"optimizer\" is one of 'sgd', 'nesterov', and there is no "
            '"optimizer"',
        ),
        (
            {**COMPLETE, "width": 8},
            "width",
            'a trial has it only if "layers" is at least 2, not 1',
        ),
        (
            {"optimizer": "sgd", "layers": 4, "schedule": "step"},
            "schedule",
            'a trial has it only if "layers" is from 2 to 3, not 4',
        ),
    ],
)
def test_a_value_of_a_parameter_that_is_not_active_is_a_fault(
    params: JSON, name: str, fault: str
) -> None:
    assert SPACE.faults(params) == [(name, fault)]


@pytest.mark.parametrize(
    ("parameters", "path", "text"),
    [
        ([A, child({"b": ["x"]})], ("b",), "there is no such parameter; the parameters are: a, ch"),
        ([A, child({"child": [1]})], ("child",), "a parameter has no condition on itself"),
        ([A, child({"a": ["x", "z"]})], ("a", 1), "\"a\" never has this value: expected one of '"),
        ([FLAG, child({"flag": [1]})], ("flag", 0), '"flag" never has this value: expected one of'),
        ([A, child({"a": {"min": 1}})], ("a",), '"a" has choices that are no numbers: list values'),
        ([FLAG, child({"flag": {"min": 1}})], ("flag",), '"flag" has choices that are no numbers'),
        ([REAL, child({"r": [0.5]})], ("r",), '"r" is a float without a step: give min and max'),
        ([COUNT, child({"n": [3]})], ("n", 0), '"n" never has this value: 3 is not an integer'),
        ([COUNT, child({"n": [2.0]})], ("n", 0), '"n" never has this value: expected an integer'),
        ([COUNT, child({"n": {"min": 11}})], ("n",), '"n" is never at least 11, so it can never'),
        ([COUNT, child({"n": {"min": 3, "max": 5}})], ("n",), '"n" is never from 3 to 5, so it'),
        ([COUNT, child({"n": {"min": 5, "max": 3}})], ("n", "min"), "min (5) is above max (3)"),
        ([REAL, child({"r": {"max": -0.1}})], ("r",), '"r" is never at most -0.1, so it can never'),
        ([BATCH, child({"batch": [48]})], ("batch", 0), '"batch" never has this value: expected o'),
        ([BATCH, child({"batch": {"min": 33, "max": 63}})], ("batch",), '"batch" is never from 33'),
        ([SIZE, child({"size": {"max": 15}})], ("size",), '"size" is never at most 15, so it can'),
        ([STEPPED, child({"s": {"min": 0.31, "max": 0.39}})], ("s",), '"s" is never from 0.31 to'),
        (
            [A, child({"c2": [1]}, "c1"), child({"c3": [1]}, "c2"), child({"c1": [1]}, "c3")],
            (),
            'the conditions are a circle: "c1" → "c2" → "c3" → "c1"',
        ),
        (
            [A, child({"a": ["x"]}, "c1"), child({"a": ["y"], "c1": [1]}, "c2")],
            (),
            "the conditions can never hold together, since they need different values of \"a\"",
        ),
        (
            [child({}, "c0") | {"when": {}}]
            + [child({f"c{index}": [1]}, f"c{index + 1}") for index in range(101)],
            (),
            "it depends on 101 other parameters, also through others, and at most 100 are allowed",
        ),
    ],
)  # fmt: skip
def test_conditions_that_cannot_be_are_faults(
    parameters: list[JSON], path: tuple[Any, ...], text: str
) -> None:
    [fault] = when_faults(SearchSpace(parameters))
    assert fault.path == path
    assert fault.text.startswith(text)


@pytest.mark.parametrize(
    ("parent", "wanted", "holding"),
    [
        (FLAG, [True], [True]),
        (FLAG, [2.0, False], [False, 2]),
        (BATCH, [16, 64], [16, 64]),
        (BATCH, {"min": 17}, [32, 64]),
        (SIZE, {"max": 32}, [16, 32]),
        (STEPPED, [0.3], [0.1 + 0.2]),
        (STEPPED, {"max": 0.3}, [0.0, 0.1, 0.2, 0.1 + 0.2]),
        (COUNT, {"min": 3}, [6, 10]),
        (COUNT, [2], [2]),
    ],
)
def test_a_condition_holds_for_these_values(parent: JSON, wanted: Any, holding: list[Any]) -> None:
    space = SearchSpace([child({parent["name"]: wanted}), parent])
    assert when_faults(space) == []
    values = values_of(parent) or []
    found = [each for each in values if "child" in space.missing({parent["name"]: each})]
    assert found == pytest.approx(holding)
    assert [type(each) for each in found] == [type(each) for each in holding]


def test_spaces_are_compared_with_their_conditions() -> None:
    def differing(one: Any, other: Any) -> list[str]:
        spaces = [
            [A, FLAG, child(when) if when else {**child({}), "when": {}}] for when in (one, other)
        ]
        return list(differing_parameters(*spaces))

    assert differing({"a": ["x", "y"]}, {"a": ["y", "x"]}) == []
    assert differing({"a": ["x"], "flag": [2]}, {"flag": [2.0], "a": ["x"]}) == []
    [fault] = differing({"flag": [True]}, {"flag": [False]})
    assert fault == (
        "search_space: parameter \"child\" differs: when is {'flag': [True]}, not {'flag': [False]}"
    )
    assert differing({"a": ["x"]}, {"a": ["x"], "flag": [2]}) != []
    assert differing({"a": ["x"]}, {}) != []
