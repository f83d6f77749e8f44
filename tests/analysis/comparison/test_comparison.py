"""The comparison of studies over the API."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import numpy as np
import optuna
import pytest
from optuna.visualization._edf import _get_edf_info
from optuna.visualization._optimization_history import _get_optimization_history_info_list
from rest_framework.test import APIClient

from access.models import Token
from tests.support.api_client import (
    STUDIES,
    assert_refused,
    authorized_client,
    complete,
    create_study,
    get_study,
    invalid_pointers,
    strict_json,
    suggest_batch,
    trial_action,
)
from tests.support.comparisons import COMPARE_URL, compare, points, record_study, set_ends
from tests.support.database import recorded_statements
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import play_analysis_study

TWO = ["minimize", "maximize"]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

# Curves ------------------------------------------------------------------------------------


def test_comparison_says_which_study_is_better(api: APIClient) -> None:
    record_study(api, "a", 0.1, 0.2, 0.3)
    record_study(api, "b", 0.2, 0.35, 0.3, 0.4)
    set_ends("a", 3, 1, 2)
    set_ends("b", 1, 2, 3, 4)
    found = compare(api, "a", "b")
    assert found["headline"] == (
        "“b” is better: 0.4, against 0.3, a gap of 0.1 (33.3 %). "
        "0.3, the worst of these, was reached by “b” after 2 trials and “a” after 3 trials."
    )
    one, other = found["studies"]
    assert (one["study_name"], one["value"], one["best"]) == (
        "a",
        0.3,
        {"trial_id": 2, "value": 0.3, "params": {"x": 0.5}},
    )
    assert points(one["best_over_trials"]) == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert points(one["best_over_time"]) == [(60, 0.2), (120, 0.3), (180, 0.3)]
    assert points(other["best_over_trials"]) == [(1, 0.2), (2, 0.35), (4, 0.4)]
    assert points(one["edf"]) == [(0.1, 1 / 3), (0.2, 2 / 3), (0.3, 1)]
    assert one["reached"] == {"n_trials": 3, "seconds": 120}
    assert other["reached"] == {"n_trials": 2, "seconds": 120}
    assert (found["target"], found["metric"], found["direction"]) == (0.3, "Objective", "maximize")


def test_target_is_reached_or_not(api: APIClient) -> None:
    record_study(api, "a", 3, 2, direction="minimize")
    record_study(api, "b", 3, 1, direction="minimize")
    found = compare(api, "a", "b", target="1.5")
    assert [each["reached"]["n_trials"] for each in found["studies"]] == [None, 2]
    assert found["headline"] == (
        "“b” is better: 1, against 2, a gap of 1 (50 %). "
        "1.5 was reached by “b” after 2 trials. “a” did not reach it."
    )


def test_study_without_results_is_named(api: APIClient) -> None:
    record_study(api, "a", 3)
    record_study(api, "b")
    found = compare(api, "a", "b")
    assert found["headline"] == "Only “a” has a result: 3. “b” has no result yet."
    empty = found["studies"][1]
    assert (empty["best"], empty["value"], empty["edf"]) == (None, None, [])
    assert empty["reached"] == {"n_trials": None, "seconds": None}
    record_study(api, "c")
    assert compare(api, "b", "c")["headline"] == "No study has a result yet."


@pytest.mark.parametrize("direction", TWO)
def test_curves_are_as_optuna_draws_them(api: APIClient, direction: str) -> None:
    names = ["one", "other"]
    for seed, name in enumerate(names):
        draw = random.Random(seed)
        record_study(api, name, *(draw.gauss(0, 1) for _ in range(30)), direction=direction)
    stock = [load_optuna_study(name) for name in names]
    found = compare(api, *names)
    histories = _get_optimization_history_info_list(stock, None, "Objective", False)
    edf = _get_edf_info(stock)
    for study, history, line in zip(found["studies"], histories, edf.lines, strict=True):
        assert history.best_values_info is not None
        at, values = np.array(points(study["best_over_trials"])).T
        drawn = [values[at <= number + 1][-1] for number in history.trial_numbers]
        assert drawn == history.best_values_info.values
        known, shares = np.array(points(study["edf"])).T
        positions = np.searchsorted(known, edf.x_values, side="right")
        assert np.concatenate([[0], shares])[positions].tolist() == line.y_values.tolist()


def test_only_feasible_results_count(api: APIClient) -> None:
    play_analysis_study(api, name="search", constraints=["load"])
    record_study(
        api, "other", 3, direction="minimize", search_space=get_study(api)["search_space"][:1]
    )
    found = compare(api, "search", "other")["studies"][0]
    best = strict_json(api.get(f"{STUDIES}/search/best"))
    assert found["best"] == best
    assert found["value"] == best["value"] == found["best_over_trials"][-1]["value"]
    trials = load_optuna_study().get_trials(states=[optuna.trial.TrialState.COMPLETE])
    feasible = [t.values[0] for t in trials if all(c <= 0 for c in t.constraints.values())]
    assert [point["value"] for point in found["edf"]] == sorted(feasible)
    assert found["n_results"] == len(trials) > len(feasible)


def test_invalidated_result_does_not_count(api: APIClient) -> None:
    record_study(api, "a", 1, 9)
    record_study(api, "b", 5)
    assert compare(api, "a", "b")["headline"].startswith("“a” is better: 9")
    trial_action(api, 1, "invalidate", "a", reason="wrong data")
    assert compare(api, "a", "b")["headline"].startswith(
        "“b” is better: 5, against 1, a gap of 4 (400 %)."
    )


def test_repeats_count_once_their_group_is_complete(api: APIClient) -> None:
    create_study(
        api, name="noisy", sampler="random", direction="minimize", repeats={"n": 2}, pruner="none"
    )
    for values in ((1, 3), (0, 3)):
        for trial, value in zip(suggest_batch(api, 2, "noisy"), values, strict=True):
            complete(api, "noisy", trial["trial_id"], value)
    suggest_batch(api, 2, "noisy")
    complete(api, "noisy", 4, 0)  # half of a group
    record_study(api, "plain", 2, direction="minimize")
    set_ends("noisy", 1, 2, 3, 4, 5, 6)
    found = compare(api, "noisy", "plain")["studies"][0]
    assert points(found["best_over_trials"]) == [(2, 2), (4, 1.5)]
    assert points(found["best_over_time"]) == [(120, 2), (240, 1.5)]
    assert (found["best"]["trial_id"], found["n_results"]) == (2, 2)


# Several objectives ------------------------------------------------------------------------


def test_several_objectives_are_compared_by_their_hypervolume(api: APIClient) -> None:
    draw = random.Random(1)
    names = ["one", "other"]
    for name in names:
        pairs = [[draw.random(), draw.random()] for _ in range(25)]
        record_study(api, name, *pairs, direction=TWO)
    found = compare(api, *names, reference_point="1,0")
    assert (found["metric"], found["reference_point"]) == ("hypervolume", [1, 0])
    for name, study in zip(names, found["studies"], strict=True):
        figure = optuna.visualization.plot_hypervolume_history(load_optuna_study(name), [1, 0])
        at, values = np.array(points(study["best_over_trials"])).T
        drawn = [values[at <= number + 1][-1] for number in range(25)]
        assert drawn == pytest.approx(list(figure.data[0].y))
        assert study["best_over_time"][-1]["value"] == pytest.approx(drawn[-1])
        front = strict_json(api.get(f"{STUDIES}/{name}/pareto"))
        assert study["best"]["trial_id"] == front[0]["trial_id"]
        assert study["edf"] == []
    assert "is better: hypervolume 0." in found["headline"]


def test_one_of_several_objectives_is_compared(api: APIClient) -> None:
    record_study(api, "a", [1, 5], [2, 6], direction=TWO, metric_names=["loss", "gain"])
    record_study(api, "b", [1, 9], direction=TWO, metric_names=["loss", "gain"])
    found = compare(api, "a", "b", target_idx=1)
    assert (found["metric"], found["direction"]) == ("gain", "maximize")
    assert found["headline"].startswith("“b” is better: 9, against 6, a gap of 3 (50 %).")


def test_worst_values_of_all_studies_are_the_reference_point(api: APIClient) -> None:
    record_study(api, "a", [1, 5], [2, 6], direction=TWO)
    record_study(api, "b", [4, 9], direction=TWO)
    found = compare(api, "a", "b")
    assert found["reference_point"] == [4, 5]
    assert [each["value"] for each in found["studies"]] == [2, 0]


# Requests ----------------------------------------------------------------------------------


def test_other_directions_are_refused(api: APIClient) -> None:
    record_study(api, "up", 1)
    record_study(api, "down", 1, direction="minimize")
    record_study(api, "two", [1, 1], direction=TWO)
    for other in ("down", "two"):
        response = api.get(COMPARE_URL, {"names": ["up", other]})
        assert_refused(response, 409, "studies_not_comparable")


@pytest.mark.parametrize(
    "names",
    [["a"], ["a", "a"], ["a,a"], [f"s{i}" for i in range(9)], [""], ["a", "x" * 257], ["a", "\0"]],
)
def test_impossible_names_are_refused(api: APIClient, names: list[str]) -> None:
    assert invalid_pointers(api.get(COMPARE_URL, {"names": names})) == ["/names"]


def test_missing_study_is_named(api: APIClient) -> None:
    record_study(api, "a", 1)
    problem = assert_refused(api.get(COMPARE_URL, {"names": "a,b"}), 404, "study_not_found")
    assert problem["detail"] == 'there is no study "b"'


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"reference_point": "1,2"}, "/reference_point"),
        ({"target": "nan"}, "/target"),
        ({"rows": "some"}, "/rows"),
        ({"limit": 5}, "/limit"),
    ],
)
def test_impossible_query_is_refused(api: APIClient, query: Any, pointer: str) -> None:
    record_study(api, "a", 1)
    record_study(api, "b", 1)
    given: Any = {"names": "a,b", **query}
    response = api.get(COMPARE_URL, given)
    assert invalid_pointers(response) == [pointer]


def test_objective_that_does_not_exist_is_refused(api: APIClient) -> None:
    record_study(api, "a", 1)
    record_study(api, "b", 1)
    response = api.get(f"{COMPARE_URL}?names=a,b&target_idx=1")
    assert_refused(response, 400, "invalid")


def test_names_with_commas_are_given_one_by_one(api: APIClient) -> None:
    names = ["a,b", "c & d", "ü"]
    for name in names:
        record_study(api, name, 1)
    assert [each["study_name"] for each in compare(api, *names)["studies"]] == names
    query = "&".join(f"names={quote(name)}" for name in reversed(names))
    answer = strict_json(api.get(f"{COMPARE_URL}?{query}"))
    assert [each["study_name"] for each in answer["studies"]] == names[::-1]


def test_study_named_compare_is_reached(api: APIClient) -> None:
    assert_refused(api.get(COMPARE_URL), 404, "study_not_found")
    assert invalid_pointers(api.get(COMPARE_URL, {"target": 1})) == ["/names"]
    record_study(api, "compare", 1)
    record_study(api, "b", 2)
    assert strict_json(api.get(COMPARE_URL))["study_name"] == "compare"
    assert compare(api, "compare", "b")["studies"][0]["study_name"] == "compare"
    assert api.patch(COMPARE_URL, {"max_trials": 7}).json()["max_trials"] == 7
    assert strict_json(api.get(f"{COMPARE_URL}/best"))["value"] == 1
    assert api.delete(COMPARE_URL).status_code == 204
    assert_refused(api.get(COMPARE_URL), 404, "study_not_found")


def test_studies_of_other_tokens_do_not_exist(
    api: APIClient, token: Callable[..., tuple[Token, str]]
) -> None:
    for name in ("team-a", "team-b", "other"):
        record_study(api, name, 1)
    _, key = token(studies="team-*")
    client = authorized_client(key)
    assert client.get(COMPARE_URL, {"names": "team-a,team-b"}).status_code == 200
    answers = [client.get(COMPARE_URL, {"names": f"team-a,{n}"}) for n in ("other", "none")]
    for name, answer in zip(("other", "none"), answers, strict=True):
        problem = assert_refused(answer, 404, "study_not_found")
        assert problem["detail"] == f'there is no study "{name}"'


@pytest.mark.parametrize("n", [3, 8])
def test_statements_are_one_for_each_study_and_two_more(api: APIClient, n: int) -> None:
    names = [f"s{index}" for index in range(n)]
    for name in names:
        record_study(api, name, 1, 2)
    with recorded_statements() as statements:
        compare(api, *names)
    assert len(statements) == n + 2


def test_values_beyond_numbers_are_null(api: APIClient) -> None:
    record_study(api, "a", 1e308, -1e308)
    record_study(api, "b", -1e308)
    found = compare(api, "a", "b")
    assert found["headline"].startswith("“a” is better: 1e+308, against -1e+308. ")
