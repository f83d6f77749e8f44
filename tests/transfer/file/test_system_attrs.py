"""Imported system attributes of samplers, pruners and studies that their readers would fail on."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    add_trials,
    create_study,
    get_study,
    post_study,
    start_trial,
    trial_action,
)
from tests.support.transfer_files import (
    assert_line_refused,
    delete_study,
    export_study,
    import_file,
    parsed_lines,
    post_file,
    set_keys,
    with_line_changed,
)

PARENT = "NSGAIISampler:parent:1"
OBJECTS: list[Any] = [1, "x", None, [1]]

BAD_OF_TRIAL = [
    ("constraints", "zz"),
    ("constraints", ["a"]),
    ("constraints", [True]),
    ("constraints", {"c": 1}),
    *(("fixed_params", value) for value in OBJECTS),
    *(("NSGAIISampler:generation", value) for value in (-1, 1.5, "1", None, True, 2**40)),
    *(("completed_rung_0", value) for value in ("1", None, [1], True)),
    ("terminator:cv_scores", [1, "2"]),
    ("grid_id", "1"),
    ("search_space", {"x": 1}),
    ("retry_history", [0.5]),
    ("failed_trial", True),
    ("gp:relative_params:0", 5),
    ("gp:relative_params:0", '{"x": 0.5'),
    ("gp:relative_params:0", "[1]"),
    ("tpe:relative_params:0", '{"x": "a"}'),
    ("tpe:relative_params:0", "[" * 100_000),
    ("tpe:relative_params:0", '{"y": ' + "[" * 500 + "]" * 500 + "}"),
]
BAD_OF_STUDY = [
    *((PARENT, value) for value in ("0", None, [0.0], ["0"], [-1], {"0": 0})),
    ("qmc:0123", "1"),
    ("study:metric_names", "loss"),
    ("study:metric_names", ["loss", "time"]),
    ("study:metric_names", [1]),
]


@pytest.fixture
def played(api: APIClient) -> bytes:
    """A study of two trials, the second of which runs."""
    create_study(api, direction="minimize", sampler="random", pruner="none")
    trial_action(api, start_trial(api), "complete", values=1)
    start_trial(api)
    file = export_study(api)
    delete_study(api)
    return file


@pytest.mark.parametrize(("key", "value"), BAD_OF_TRIAL)
def test_invalid_trial_attribute_is_refused(
    api: APIClient, played: bytes, key: str, value: Any
) -> None:
    bad = with_line_changed(played, 3, set_keys(system_attrs={key: value}))
    problem = assert_line_refused(post_file(api, bad), 3)
    assert [error["pointer"] for error in problem["errors"]] == [f"/3/system_attrs/{key}"]


@pytest.mark.parametrize(("key", "value"), BAD_OF_STUDY)
def test_invalid_study_attribute_is_refused(
    api: APIClient, played: bytes, key: str, value: Any
) -> None:
    bad = with_line_changed(played, 3, set_keys(study_attrs={key: value}))
    problem = assert_line_refused(post_file(api, bad), 3)
    assert [error["pointer"] for error in problem["errors"]] == [f"/3/study_attrs/{key}"]


def test_constraint_list_is_the_studys(api: APIClient, played: bytes) -> None:
    listed = with_line_changed(played, 2, set_keys(system_attrs={"constraints": [0.5]}))
    problem = assert_line_refused(post_file(api, listed), 2)
    assert problem["errors"][0]["pointer"] == "/2/system_attrs"
    named = with_line_changed(
        with_line_changed(listed, 1, set_keys(constraints=["0"])),
        2,
        set_keys(constraints={"0": 0.5}),
    )

    import_file(api, named)

    assert parsed_lines(export_study(api))[1]["system_attrs"] == {"constraints": [0.5]}
    assert get_study(api)["best_value"] is None


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsgaii", "qmc", "random"])
def test_valid_attributes_are_kept_and_samplers_continue(
    api: APIClient, played: bytes, sampler: str
) -> None:
    notes = {
        "NSGAIISampler:generation": 0,
        "completed_rung_0": 1,
        "terminator:cv_scores": [0.5],
        "gp:relative_params:0": '{"x": ',
        "gp:relative_params:1": "0.5}",
    }
    of_study = {PARENT: [0], "qmc:0123": 3, "study:metric_names": ["loss"]}
    head = set_keys(sampler=sampler, sampler_options={}, pruner="hyperband", pruner_options={})
    file = with_line_changed(
        with_line_changed(played, 1, head), 3, set_keys(system_attrs=notes, study_attrs=of_study)
    )

    import_file(api, file)

    line = parsed_lines(export_study(api))[2]
    assert (line["system_attrs"], line["study_attrs"]) == (notes, of_study)
    add_trials(
        api, [{"params": {"x": k / 20}, "state": "COMPLETE", "values": k} for k in range(12)]
    )
    assert start_trial(api) == 14


@pytest.mark.parametrize("name", ["", "n" * 257])
def test_metric_name_that_a_study_cannot_have_is_left_out(
    api: APIClient, played: bytes, name: str
) -> None:
    head = parsed_lines(played)[0]
    del head["metric_names"]  # as files had it before studies had metric names
    lines = [json.dumps(head).encode(), *played.splitlines()[1:]]
    noted = set_keys(study_attrs={"study:metric_names": [name]})

    import_file(api, with_line_changed(b"\n".join(lines) + b"\n", 3, noted))

    assert get_study(api)["metric_names"] is None
    import_file(api, export_study(api), "?conflict=rename")


# The study's past ----------------------------------------------------------------------------


def imported(api: APIClient, played: bytes, **changes: Any) -> Study:
    import_file(api, with_line_changed(played, 1, set_keys(**changes)))
    return Study.objects.get()


@pytest.mark.parametrize("key", ["user_attrs", "max_retries"])
def test_null_in_created_with_is_left_out(api: APIClient, played: bytes, key: str) -> None:
    study = imported(api, played, created_with={key: None, "max_trials": None})
    assert study.created_with == {"max_trials": None}
    body = {"search_space": study.search_space, "user_attrs": {"a": 1}, "max_retries": 3}
    assert post_study(api, **body).status_code == 409


def test_created_with_is_stored_like_a_creations(api: APIClient, played: bytes) -> None:
    given = {"deadline": "2030-01-01T02:00:00+02:00", "target_value": 1, "lease_seconds": 60}
    study = imported(api, played, created_with=given)
    assert repr(study.created_with) == repr(
        {"deadline": "2030-01-01T00:00:00+00:00", "target_value": 1.0, "lease_seconds": 60.0}
    )


def test_state_changes_are_stored_like_ours(api: APIClient, played: bytes) -> None:
    moment = "20300101T020000.5+0200"
    change: JSON = {"datetime": moment, "state": "PAUSED"}
    study = imported(api, played, state_history=[change, change | {"reason": "lunch"}])
    expected = {"state": "PAUSED", "reason": None, "datetime": "2030-01-01T00:00:00.500000+00:00"}
    assert study.state_history == [expected, expected | {"reason": "lunch"}]
    assert list(study.state_history[0]) == list(expected)
