"""Studies whose search space has changed come and go with their versions."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    create_study,
    get_page,
    get_study,
    list_trials,
    start_trial,
    suggest,
    trial_action,
)
from tests.support.transfer_files import (
    assert_line_refused,
    clone_study,
    delete_study,
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
    post_file,
)

X = {"type": "float", "name": "x", "low": 0.0, "high": 1.0}
N = {"type": "ordinal", "name": "n", "values": [1, 8]}
C = {"type": "categorical", "name": "c", "choices": ["a", "b"]}
CHANGES: list[JSON] = [
    {"search_space": [C, N | {"values": [1, 4, 8]}], "defaults": {"c": "b"}, "retired": {"x": 0.5}},
    {"search_space": [N | {"values": [4]}, C | {"choices": ["d", "a"]}]},
    {"search_space": [C, X | {"high": 2.0}], "retired": {"n": 4}},
]
# What a copy has of its own.
OWN = ("study_id", "study_name", "datetime_start")


@pytest.fixture
def file(api: APIClient) -> bytes:
    """The export of a study with trials of four versions, in all states."""
    create_study(api, search_space=[X, N], sampler="random")
    for number, change in enumerate([None, *CHANGES]):
        if change:
            assert api.patch(STUDY_URL, change).status_code == 200
        trial_action(api, start_trial(api), "complete", values=number)
        trial_action(api, start_trial(api), "fail")
    start_trial(api)
    add_trials(api, {"params": {"c": "a"}})
    assert api.patch(STUDY_URL, CHANGES[0] | {"defaults": {}}).status_code == 200
    return export_study(api)


def contents(api: APIClient, name: str = "search") -> tuple[JSON, list[JSON], list[JSON]]:
    """What the API says of a study, its trials, and its versions."""
    study = {key: value for key, value in get_study(api, name).items() if key not in OWN}
    trials = [
        {key: value for key, value in trial.items() if key not in OWN}
        for trial in list_trials(api, name)
    ]
    url = f"/api/v1/studies/{name}/search-space-versions"
    return study, trials, get_page(api, url).json()


def test_exported_study_is_imported_with_its_versions(api: APIClient, file: bytes) -> None:
    before = contents(api)
    assert [each["version"] for each in before[2]] == [5, 4, 3, 2, 1]
    assert {trial["search_space_version"] for trial in before[1]} == {1, 2, 3, 4}
    delete_study(api)
    import_file(api, file)
    assert contents(api) == before
    assert export_study(api) == file
    assert suggest(api, new=True)["search_space_version"] == 5


def test_clone_has_the_versions_of_its_source(api: APIClient, file: bytes) -> None:
    study, trials, versions = contents(api)
    clone_study(api)
    of_clone, cloned, of_versions = contents(api, "clone")
    assert of_versions == versions
    space = ("search_space", "search_space_version", "retired", "best_params")
    assert [of_clone[key] for key in space] == [study[key] for key in space]
    of_trial = ("params", "search_space_version")
    finished = [trial for trial in trials if trial["state"] in ("COMPLETE", "FAIL")]
    assert [[each[key] for key in of_trial] for each in cloned[: len(finished)]] == [
        [each[key] for key in of_trial] for each in finished
    ]


def test_clone_with_a_space_begins_with_it(api: APIClient, file: bytes) -> None:
    space = [C | {"choices": ["a", "b", "d"]}, N]
    answer = clone_study(api, search_space=space)
    assert (answer["search_space"], answer["search_space_version"]) == (space, 1)
    assert 0 < answer["n_trials_kept"] < 4
    assert {each["search_space_version"] for each in list_trials(api, "clone")} == {1}


@pytest.mark.parametrize(
    ("break_", "line", "pointer"),
    [
        (lambda lines: lines[2].update(version=3), 3, "/3/version"),
        (lambda lines: lines[2]["search_space"].pop(), 3, "/3/retired/n"),
        (lambda lines: lines[4]["search_space"][1].update(log=True, low=1.0), 5, "/5/search_space"),
        (lambda lines: lines[2].update(defaults={}), 3, "/3/defaults/c"),
        (lambda lines: lines.pop(5), 6, "/6/kind"),
        (lambda lines: lines[0].update(search_space=[X]), 1, "/1/search_space"),
        (lambda lines: lines[6].update(search_space_version=6), 7, "/7/search_space_version"),
    ],
)
def test_versions_that_do_not_fit_are_refused(
    api: APIClient, file: bytes, break_: Callable[[list[Any]], Any], line: int, pointer: str
) -> None:
    delete_study(api)
    lines = parsed_lines(file)
    break_(lines)
    response = post_file(api, joined_lines(lines))
    assert response.status_code == 400, response.content
    problem = response.json()
    assert problem["detail"].startswith(f"line {line}: "), json.dumps(problem)
    assert problem["errors"][0]["pointer"].startswith(pointer)


def test_constraint_may_contain_a_retired_parameter(api: APIClient) -> None:
    x = {"type": "float", "name": "x", "low": 0.0, "high": 1.0}
    n = {"type": "int", "name": "n", "low": 1, "high": 8}
    create_study(api, search_space=[x, n], parameter_constraints=["x <= n / 4"], sampler="random")
    suggest(api)
    retired = api.patch(STUDY_URL, {"search_space": [x], "retired": {"n": 2}})
    assert retired.status_code == 200, retired.content
    cloned = api.post(f"{STUDY_URL}/clone", {"name": "clone"})
    assert cloned.status_code == 201, cloned.content
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert export_study(api) == file
    for name in ("search", "clone"):
        drawn = [suggest(api, name)["params"] for _ in range(10)]
        assert all(each["x"] <= each["n"] / 4 == 0.5 for each in drawn[1:])
    refused = {"name": "b", "parameter_constraints": ["x > n"]}
    assert api.post(f"{STUDY_URL}/clone", refused).status_code == 400
    refused = {"name": "b", "parameter_constraints": ["x > other"]}
    assert api.post(f"{STUDY_URL}/clone", refused).status_code == 400
    for name in ("search", "clone"):
        delete_study(api, name)
    for text in (b"x > n + 99", b"x <= other"):
        assert_line_refused(post_file(api, file.replace(b"x <= n / 4", text)), 1)
