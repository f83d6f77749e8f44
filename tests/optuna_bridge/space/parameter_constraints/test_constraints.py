"""Constraints between parameters: what is read, and where they hold, compared with Python."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_bridge.space.comparison import are_same_constraints
from optuna_bridge.space.parameter_constraints.constraints import faults_of
from optuna_bridge.space.search_space import SearchSpace

FLOATS = [{"type": "float", "name": name, "low": -4.0, "high": 4.0} for name in "xyz"]
NUMBERS = st.sampled_from([-4.0, -1.5, -1.0, -0.0, 0.0, 0.1, 0.3, 1.0, 2.0, 3.7])

OPERANDS = st.sampled_from(["x", "y", "z", "0", "1", "2.5", ".1", "1e-3"])
EXPRESSIONS = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", " * ", "/"]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"+ {text}"),
    ),
    max_leaves=8,
)


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    sides = draw(st.lists(EXPRESSIONS, min_size=2, max_size=3))
    text = sides[0]
    for side in sides[1:]:
        text += draw(st.sampled_from([" < ", "<=", " > ", ">= ", "!="])) + side
    return text


TEXTS = st.lists(comparisons(), min_size=1, max_size=3).map(" and ".join)


def holds_in_python(text: str, params: dict[str, float]) -> bool:
    try:
        return bool(eval(text, {}, params))  # noqa: S307 - the texts are made here
    except ZeroDivisionError:
        return False


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, points=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_constraint_holds_where_it_is_true_in_python(
    text: str, points: list[tuple[float, ...]]
) -> None:
    distributions = SearchSpace(FLOATS).distributions
    if faults := faults_of([text], distributions):
        assert not {"x", "y", "z"} & set(text), faults
        return
    constraints = SearchSpace(FLOATS, [text]).parameter_constraints
    assert constraints is not None
    by_name = [dict(zip("xyz", each, strict=True)) for each in points]
    columns = {name: np.array([each[name] for each in by_name]) for name in "xyz"}
    expected = [holds_in_python(text, each) for each in by_name]
    assert constraints.hold_at(columns, len(points)).tolist() == expected
    assert [constraints.hold(each) for each in by_name] == expected


SPACE: list[dict[str, Any]] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "step", "low": 0.0, "high": 1.0, "step": 0.1},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "ordinal", "name": "batch size", "values": [16, 32, 64]},
    {"type": "categorical", "name": "model.width", "choices": [64, 8, 16.5]},
    {"type": "categorical", "name": "kind", "choices": ["a", 1]},
    {"type": "categorical", "name": "flag", "choices": [True, False]},
    {"type": "int", "name": "lambda", "low": 1, "high": 9},
    {"type": "int", "name": "a`b", "low": 1, "high": 9},
    {"type": "int", "name": "\u00b5", "low": 1, "high": 9},
]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "expected a comparison"),
        ("x", "expected a comparison"),
        ("x + 1", "expected a comparison"),
        ("1 < 2", "it contains no parameter"),
        ("w < 1", 'unknown parameter "w"; the parameters are: x, step, n'),
        ("batch size < 64", 'unknown parameter "batch"'),
        ("kind < 1", 'parameter "kind" has choices that are not numbers'),
        ("flag < 1", 'parameter "flag" has choices that are not numbers'),
        ("x == 0.5", '"x" is a float without a step'),
        ("n == 2 * x", '"x" is a float without a step'),
        ("x < 1 or n < 2", '"or" is not supported'),
        ("not x < 1", '"not" is not supported'),
        ("x ** 2 < 1", "** is not supported"),
        ("n // 2 < 1", "// is not supported"),
        ("n % 2 < 1", "unexpected '% 2 < 1'"),
        ("x.real < 1", 'unknown parameter "x.real"'),
        ("n(x) < 1", "functions are not supported"),
        ("__import__('os') < x", 'unknown parameter "__import__"'),
        ("x[0] < 1", "unexpected '[0] < 1'"),
        ("x < '1'", "unexpected"),
        ("x := 1", "unexpected ':= 1'"),
        ("(x < 1) + 1 < 2", "a comparison is between numbers"),
        ("x < 1 n", "it cannot be read"),
        ("x < 1e999", "1e999 is too large for a float"),
        ("x < 1\0", "unexpected"),
        ("(" * 400 + "x" + ")" * 400 + " < 1", "it cannot be read"),
        ("x" + " " * 1000 + "< 1", "it has 1004 characters, and at most 1000"),
    ],
)
def test_what_is_no_constraint_is_refused(text: str, fault: str) -> None:
    [(index, found)] = faults_of(["n < 9", text], SearchSpace(SPACE).distributions)
    assert index == 1
    assert fault in found


def test_too_many_operations_are_refused() -> None:
    texts = ["+".join(["x"] * 400) + "<1"] * 7
    [(index, fault)] = faults_of(texts, SearchSpace(SPACE).distributions)
    assert (index, "at most 5000 are allowed" in fault) == (6, True)


@pytest.mark.parametrize(
    ("text", "holding", "violating"),
    [
        ("`batch size` * n <= 64", {"batch size": 16, "n": 4}, {"batch size": 32, "n": 3}),
        ("model.width < `batch size`", {"model.width": 8, "batch size": 16}, {"model.width": 64}),
        ("`model.width` == 16.5", {"model.width": 16.5}, {"model.width": 64}),
        ("lambda < n", {"lambda": 1, "n": 2}, {"lambda": 2}),
        ("`a``b` != n", {"a`b": 1, "n": 2}, {"a`b": 2}),
        ("\u00b5 >= 3", {"\u00b5": 3}, {"\u00b5": 2}),
        ("step * 10 == n", {"step": 0.2, "n": 2}, {"step": 0.3}),
        ("1 / (n - 1) > 0", {"n": 2}, {"n": 1}),
        ("-" * 500 + "n > 1", {"n": 2}, {"n": 1}),
        ("0 < x < step <= 0.5", {"x": 0.1, "step": 0.5}, {"x": 0.5}),
    ],
)
def test_values_count_as_the_numbers_that_they_are(
    text: str, holding: dict[str, Any], violating: dict[str, Any]
) -> None:
    space = SearchSpace(SPACE, [text])
    assert faults_of([text], space.distributions) == []
    assert space.faults(holding) == []
    [(name, fault)] = space.faults({**holding, **violating})
    assert name in text.replace("``", "`")
    assert fault == f"the constraint {text} between parameters does not hold"


def test_constraint_does_not_apply_without_one_of_its_parameters() -> None:
    space = SearchSpace(SPACE, ["n < lambda", "x < 0.5"])
    assert space.faults({"n": 9}) == []
    assert [name for name, _ in space.faults({"n": 9, "x": 0.5})] == ["x"]
    constraints = space.parameter_constraints
    assert constraints is not None
    columns = {"n": np.array([9.0, np.nan]), "lambda": np.array([1.0, 1.0])}
    assert constraints.hold_at(columns, 2).tolist() == [False, True]


def test_values_outside_the_space_are_named_before_constraints() -> None:
    faults = SearchSpace(SPACE, ["n < lambda"]).faults({"n": 10, "lambda": 1})
    assert faults == [("n", "10 is not an integer from 1 to 9")]


def test_notation_makes_no_other_constraint() -> None:
    names = SearchSpace(SPACE).distributions
    stored = ["x<`step`", "n  <= 2.0 * (lambda)"]
    assert are_same_constraints(stored, ["n<=2*(`lambda`)", "x < step"], names)
    assert not are_same_constraints(stored, ["n<=2*(`lambda`)", "x <= step"], names)
    assert not are_same_constraints(stored, [*stored, "x $"], names)
