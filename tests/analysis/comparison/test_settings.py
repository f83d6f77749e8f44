"""The settings of compared studies side by side."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from analysis.comparison.differences import MAX_ROWS, MAX_TEXT, side_by_side
from studies.models import Study
from tests.support import JSON
from tests.support.comparisons import compare, record_study
from tuner_project.json_values import same_json

SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "categorical", "name": "c", "choices": ["a", None]},
]
VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "1", 0.5, 1.0])
ATTRIBUTES = st.dictionaries(st.sampled_from("abc"), VALUES | st.lists(VALUES, max_size=2))


def a_study(**fields: Any) -> Study:
    """A study that is not stored."""
    defaults = {"directions": ["minimize"], "search_space": SPACE, "sampler": "random"}
    return Study(**defaults | {"pruner": "none"} | fields)


def test_only_rows_that_differ_are_shown(api: APIClient) -> None:
    one = {"search_space": SPACE[:1], "sampler_options": {"seed": 1}, "max_trials": 9}
    other_space = [{**SPACE[0], "high": 2.0}]
    record_study(api, "a", 1, **one, user_attrs={"data": "v1", "team": "x"})
    record_study(
        api, "b", 2, search_space=other_space, sampler="tpe", user_attrs={"team": "x", "gpu": 1}
    )
    found = compare(api, "a", "b")
    rows = {(row["kind"], row["name"]): row["values"] for row in found["settings"]}
    assert rows[("definition", "sampler")] == ['"random"', '"tpe"']
    assert rows[("sampler_options", "seed")] == ["1", "null"]
    assert rows[("sampler_options", "n_startup_trials")] == [None, "10"]
    assert rows[("search_space", "x")] == [
        '{"type": "float", "low": 0.0, "high": 1.0}',
        '{"type": "float", "low": 0.0, "high": 2.0}',
    ]
    assert rows[("budgets", "max_trials")] == ["9", "null"]
    assert rows[("user_attrs", "data")] == ['"v1"', None]
    assert rows[("user_attrs", "gpu")] == [None, "1"]
    assert ("user_attrs", "team") not in rows
    assert ("best_params", "x") not in rows  # both are 0.5
    assert all(row["differs"] for row in found["settings"])
    assert found["n_differing"] == len(rows) < found["n_settings"]
    everything = compare(api, "a", "b", rows="all")
    assert len(everything["settings"]) == everything["n_settings"] == found["n_settings"]
    assert [row for row in everything["settings"] if row["differs"]] == found["settings"]


@given(st.lists(ATTRIBUTES, min_size=3, max_size=3))
def test_row_differs_unless_all_values_are_the_same(attributes: list[JSON]) -> None:
    studies = [a_study(user_attrs=each) for each in attributes]
    found = side_by_side(studies, [None] * 3, only_differing=False)
    rows = {row.name: row for row in found.rows if row.kind == "user_attrs"}
    assert rows.keys() == {key for each in attributes for key in each}
    for name, row in rows.items():
        having = [each[name] for each in attributes if name in each]
        is_same = len(having) == 3 and all(same_json(having[0], each) for each in having)
        assert row.differs == (not is_same)
        assert [text is None for text in row.values] == [name not in each for each in attributes]
    differing = side_by_side(studies, [None] * 3)
    assert differing.rows == [row for row in found.rows if row.differs]


def test_null_choice_is_not_a_missing_parameter() -> None:
    studies = [a_study(), a_study()]
    (row,) = side_by_side(studies, [{"x": 1.0, "c": None}, {"x": 1.0}]).rows
    assert (row.kind, row.name, row.values) == ("best_params", "c", ["null", None])


def test_rows_and_texts_are_bounded() -> None:
    few = {f"few {i}": i for i in range(10)}
    many = {f"many {i}": "x" * 1000 for i in range(2 * MAX_ROWS)}
    studies = [a_study(user_attrs=many), a_study(user_attrs=many | few)]
    found = side_by_side(studies, [None] * 2, only_differing=False)
    assert len(found.rows) == MAX_ROWS
    assert {row.name for row in found.rows if row.differs} == few.keys()
    assert found.n_rows > 2 * MAX_ROWS
    texts = [text for row in found.rows for text in row.values if text is not None]
    assert max(map(len, texts)) == MAX_TEXT
    differing = side_by_side([a_study(), studies[0]], [None] * 2)
    assert (len(differing.rows), differing.n_differing) == (MAX_ROWS, 2 * MAX_ROWS)
