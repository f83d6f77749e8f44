"""The trials that a clone keeps: all of the same space, defaults of new parameters, exclusions."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    STUDY_URL,
    add_trials,
    assert_refused,
    create_study,
    get_study,
    invalid_pointers,
    list_trials,
    start_trial,
    suggest,
    trial_action,
)
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import CLONED_SPACE, create_study_to_clone
from tests.support.transfer_files import (
    clone_study,
    delete_study,
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
)

CLONE_URL = f"{STUDY_URL}/clone"
DROPOUT: JSON = {"type": "float", "name": "dropout", "low": 0.0, "high": 0.5}
X: JSON = {"type": "float", "name": "x", "low": 0.0, "high": 1.0}


def counts(answer: JSON) -> tuple[int, int]:
    return answer["n_trials_kept"], answer["n_trials_left_out"]


def states_of(api: APIClient, name: str = "clone") -> list[str]:
    return [trial["state"] for trial in list_trials(api, name)]


def play_every_state(api: APIClient, **definition: Any) -> None:
    """A retried failure, its retry, an infeasible trial, and one in each of the other states."""
    create_study(api, search_space=[X], max_retries=1, sampler="nsgaii", **definition)
    trial_action(api, start_trial(api), "fail", retry=True, reason="lost")
    trial_action(api, start_trial(api), "complete", values=1, user_attrs={"a": 1})
    trial_action(api, start_trial(api), "fail", infeasible=True)
    trial_action(api, start_trial(api), "report", values={"1": 0.5})
    trial_action(api, 3, "prune")
    start_trial(api, worker_id="w", lease_seconds=60)
    add_trials(api, [{"params": {"x": 0.25}, "priority": 3}, {"params": {}}])
    add_trials(api, {"params": {"x": 0.5}})
    api.delete(f"{STUDY_URL}/trials/7")


def test_all_trials_of_the_same_space_are_kept(api: APIClient) -> None:
    play_every_state(api)

    assert counts(clone_study(api)) == (8, 0)

    assert states_of(api) == [
        "FAIL", "COMPLETE", "FAIL", "PRUNED", "WAITING", "WAITING", "WAITING", "FAIL",
    ]  # fmt: skip
    running = {"state": "WAITING", "worker_id": None, "datetime_start": None}
    running |= {"lease_expires_at": None}
    clone = {"study_name": "clone", "study_id": get_study(api, "clone")["study_id"]}
    expected = [trial | clone for trial in list_trials(api)]
    expected[4] |= running
    assert list_trials(api, "clone") == expected
    study = Study.objects.get(name="clone")
    assert (study.n_failures, study.n_infeasible, study.n_waiting) == (0, 1, 3)
    queued = [suggest(api, "clone") for _ in range(3)]
    assert [trial["trial_id"] for trial in queued] == [5, 4, 6]
    assert queued[1]["params"] == expected[4]["params"]


def test_clone_of_all_states_exports_and_imports(api: APIClient) -> None:
    play_every_state(api)
    clone_study(api)
    file = export_study(api, "clone")
    delete_study(api, "clone")
    import_file(api, file)
    assert export_study(api, "clone") == file


def conditional_study(api: APIClient) -> None:
    """A study of which finished trials lack parameters, as imports from Optuna bring them."""
    create_study(api, search_space=[X, DROPOUT], sampler="random")
    for value in range(3):
        params = {"x": 0.25, "dropout": 0.25}
        add_trials(api, {"params": params, "state": "COMPLETE", "values": value})
    lines = parsed_lines(export_study(api))
    del lines[1]["params"]["dropout"]
    lines[2]["params"] = {}
    delete_study(api)
    import_file(api, joined_lines(lines))


def test_trials_without_all_parameters_are_kept(api: APIClient) -> None:
    conditional_study(api)
    assert counts(clone_study(api)) == (3, 0)
    expected = [{"x": 0.25}, {}, {"x": 0.25, "dropout": 0.25}]
    assert [trial["params"] for trial in list_trials(api, "clone")] == expected
    assert [trial.params for trial in load_optuna_study("clone").trials] == expected


def test_trials_may_lack_what_they_lacked_before(api: APIClient) -> None:
    conditional_study(api)
    wider = [X | {"high": 2.0}, DROPOUT]
    assert counts(clone_study(api, search_space=wider)) == (3, 0)
    filled = clone_study(api, name="filled", search_space=wider, defaults={"dropout": 0.0})
    assert counts(filled) == (3, 0)
    assert [trial["params"].get("dropout") for trial in list_trials(api, "filled")] == [
        0.0, 0.0, 0.25,
    ]  # fmt: skip


def test_new_parameter_has_a_value_for_old_trials(api: APIClient) -> None:
    create_study_to_clone(api)
    space = [*CLONED_SPACE, DROPOUT]
    assert counts(clone_study(api, name="bare", search_space=space)) == (0, 12)

    clone = clone_study(api, search_space=space, defaults={"dropout": 0.0})

    assert counts(clone) == (11, 1)
    kept = [trial["params"] for trial in list_trials(api) if trial["state"] != "FAIL"]
    found = [trial["params"] for trial in list_trials(api, "clone")]
    assert found == [params | {"dropout": 0.0} for params in kept]
    assert set(suggest(api, "clone")["params"]) == {"x", "n", "c", "dropout"}


def test_default_does_not_replace_a_value(api: APIClient) -> None:
    create_study_to_clone(api)
    clone_study(api, defaults={"x": 0.5})
    before = [trial["params"] for trial in list_trials(api)]
    assert [trial["params"] for trial in list_trials(api, "clone")] == before


def test_infeasible_trials_are_kept_in_another_space(api: APIClient) -> None:
    play_every_state(api)
    assert counts(clone_study(api, search_space=[X | {"high": 2.0}])) == (3, 5)
    assert states_of(api) == ["COMPLETE", "FAIL", "PRUNED"]
    assert list_trials(api, "clone")[1]["infeasible"] is True


def test_trials_are_excluded_by_number(api: APIClient) -> None:
    play_every_state(api)

    assert counts(clone_study(api, exclude=[1, 4, 4])) == (6, 2)

    kept = [trial for trial in list_trials(api) if trial["trial_id"] not in (1, 4)]
    clone = list_trials(api, "clone")
    assert [trial["params"] for trial in clone] == [trial["params"] for trial in kept]
    assert get_study(api, "clone")["best_value"] is None
    assert counts(clone_study(api, name="none", exclude=list(range(8)))) == (0, 8)
    space = [X | {"high": 2.0}]
    assert counts(clone_study(api, name="other", search_space=space, exclude=[1])) == (2, 6)


def test_links_between_attempts_follow_the_numbers(api: APIClient) -> None:
    create_study(api, search_space=[X], max_retries=2)
    for number in range(2):
        trial_action(api, start_trial(api), "complete", values=number)
    trial_action(api, start_trial(api), "fail", retry=True)
    retried = list_trials(api)[2]["retried_as"]
    assert retried == 3

    clone_study(api, exclude=[0])
    clone_study(api, name="lost", exclude=[3])

    links = [(each["retry_of"], each["retried_as"]) for each in list_trials(api, "clone")]
    assert links == [(None, None), (None, 2), (1, None)]
    links = [(each["retry_of"], each["retried_as"]) for each in list_trials(api, "lost")]
    assert links == [(None, None), (None, None), (None, None)]
    assert Study.objects.get(name="lost").n_failures == 1


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"defaults": {"dropout": 0.0}}, ["/defaults/dropout"]),
        ({"defaults": {"x": 2}}, ["/defaults/x"]),
        ({"defaults": {"c": True, "n": 1.5}}, ["/defaults/n", "/defaults/c"]),
        ({"defaults": {"x": None}}, ["/defaults/x"]),
        ({"defaults": [1]}, ["/defaults"]),
        ({"exclude": [0, 12, 3, 99]}, ["/exclude/1", "/exclude/3"]),
        ({"exclude": [-1]}, ["/exclude/0"]),
        ({"exclude": ["1", 1.5]}, ["/exclude/0", "/exclude/1"]),
        ({"exclude": 3}, ["/exclude"]),
        ({"trials": False, "exclude": [99]}, ["/exclude/0"]),
    ],
)
def test_invalid_choice_of_trials_is_refused(
    api: APIClient, body: JSON, pointers: list[str]
) -> None:
    create_study_to_clone(api)
    response = api.post(CLONE_URL, {"name": "clone", **body})
    assert invalid_pointers(response) == pointers
    assert_refused(api.get(f"{STUDIES}/clone"), 404, "study_not_found")


def test_kept_failures_that_use_up_the_budget_are_refused(api: APIClient) -> None:
    create_study_to_clone(api, max_failures=2)

    problem = assert_refused(
        api.post(CLONE_URL, {"name": "clone", "max_failures": 1}), 409, "budget_used_up"
    )

    assert problem["detail"] == (
        "max_failures is 1, and 1 kept trials failed: "
        'give more, "max_failures": null, exclude, or trials: false'
    )
    assert clone_study(api, max_failures=1, exclude=[5])["state"] == "ACTIVE"


def test_queued_trials_leave_something_to_do(api: APIClient) -> None:
    create_study(api, search_space=[X], max_trials=2)
    add_trials(api, {"params": {"x": 0.5}, "state": "COMPLETE", "values": 1})
    add_trials(api, {"params": {"x": 0.25}})
    clone_study(api)
    assert suggest(api, "clone")["params"] == {"x": 0.25}
    body = {"name": "other", "max_trials": 1}
    assert_refused(api.post(CLONE_URL, body), 409, "max_trials_exceeded")
