"""Groups of studies that repeat each other, and the test between them."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from analysis.comparison.repetitions import NOT_REPEATED, Group, compare_groups
from tests.support.comparisons import compare, record_study


def seeded(api: APIClient, prefix: str, values: list[float], **more: Any) -> list[str]:
    """Create a study for each value, with the same definition and other seeds."""
    names = [f"{prefix}{seed}" for seed in range(len(values))]
    for seed, (name, value) in enumerate(zip(names, values, strict=True)):
        options = {"seed": seed, **more.get("sampler_options", {})}
        record_study(api, name, value, **more | {"sampler_options": options})
    return names


def test_studies_that_differ_in_the_seed_are_a_group(api: APIClient) -> None:
    random = seeded(api, "random", [1, 2, 3, 4])
    tpe = seeded(api, "tpe", [5, 6, 7, 9], sampler="tpe")
    found = compare(api, *random, *tpe)
    assert found["groups"] == [
        {"studies": [0, 1, 2, 3], "n": 4, "mean": 2.5, "median": 2.5},
        {"studies": [4, 5, 6, 7], "n": 4, "mean": 6.75, "median": 6.5},
    ]
    (test,) = found["tests"]
    assert (test["groups"], test["n"], test["is_significant"]) == ([0, 1], [4, 4], True)
    assert test["p_value"] == pytest.approx(2 / 70)
    assert found["significance"] == (
        "Group 2 has the better median, 6.5, against 2.5 of group 1; "
        "significant: 4 against 4 studies, p = 0.029."
    )


@pytest.mark.parametrize(
    "other",
    [
        {"sampler_options": {"n_startup_trials": 5}},
        {"pruner": "median"},
        {"max_trials": 50},
        {"search_space": [{"type": "float", "name": "x", "low": 0.0, "high": 2.0}]},
    ],
)
def test_studies_that_differ_otherwise_are_no_group(api: APIClient, other: Any) -> None:
    common = {"sampler": "tpe", "pruner": "none"}
    record_study(api, "a", 1, **common)
    record_study(api, "b", 1, **common | other)
    found = compare(api, "a", "b")
    assert [group["studies"] for group in found["groups"]] == [[0], [1]]
    assert (found["tests"], found["significance"]) == ([], NOT_REPEATED)


def test_leases_and_names_do_not_matter_for_a_group(api: APIClient) -> None:
    record_study(api, "a", 1, lease_seconds=60, user_attrs={"a": 1})
    record_study(api, "b", 1, max_retries=3)
    assert [group["studies"] for group in compare(api, "a", "b")["groups"]] == [[0, 1]]


def test_too_few_studies_are_named_so(api: APIClient) -> None:
    names = seeded(api, "a", [1, 2]) + seeded(api, "b", [3, 4, 5], sampler="tpe")
    (test,) = compare(api, *names)["tests"]
    assert not test["is_significant"]
    assert test["detail"].startswith("too few to tell: with 2 against 3 studies, p = 0.2")


def test_chance_is_named_so(api: APIClient) -> None:
    names = seeded(api, "a", [1, 3, 5, 7]) + seeded(api, "b", [2, 4, 6, 8], sampler="tpe")
    found = compare(api, *names)
    assert found["significance"].startswith(
        "Group 2 has the better median, 5, against 4 of group 1; "
        "not significant, it may be chance: 4 against 4 studies, p ="
    )


def test_studies_with_the_same_seed_are_no_independent_repeats(api: APIClient) -> None:
    for name in ("a", "b"):
        record_study(api, name, 1, sampler_options={"seed": 7})
    names = ["a", "b", *seeded(api, "tpe", [2, 3], sampler="tpe")]
    (test,) = compare(api, *names)["tests"]
    assert test["p_value"] is None
    assert "the same seed" in test["detail"]


def test_group_without_results_is_not_tested(api: APIClient) -> None:
    names = seeded(api, "a", [1, 3])
    for name in ("b1", "b2"):
        record_study(api, name, sampler="tpe")
    found = compare(api, *names, "b1", "b2")
    (test,) = found["tests"]
    assert (test["p_value"], test["n"]) == (None, [2, 0])
    assert found["significance"] == "Groups 1 and 2: a group has no result yet."


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=4),
    st.lists(st.integers(0, 5), min_size=2, max_size=4),
)
def test_p_value_is_the_share_of_permutations(one: list[int], other: list[int]) -> None:
    def u(chosen: tuple[int, ...], pooled: list[int]) -> float:
        rest = [value for index, value in enumerate(pooled) if index not in chosen]
        these = [pooled[index] for index in chosen]
        return sum((a > b) + (a == b) / 2 for a in these for b in rest)

    pooled = one + other
    all_u = [u(each, pooled) for each in combinations(range(len(pooled)), len(one))]
    found = u(tuple(range(len(one))), pooled)
    low = sum(each <= found for each in all_u) / len(all_u)
    high = sum(each >= found for each in all_u) / len(all_u)
    groups = [
        Group(list(range(len(each))), [float(value) for value in each], has_equal_seeds=False)
        for each in (one, other)
    ]
    (test,) = compare_groups(groups)
    assert test.p_value == pytest.approx(min(1, 2 * min(low, high)))
