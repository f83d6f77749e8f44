"""Features of search spaces and studies together, as random studies combine them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDY_NAME,
    STUDY_URL,
    assert_schemas_agree,
    get_study,
    list_trials,
    post_study,
    suggest_batch,
    trial_action,
)
from tests.support.conditional_spaces import conditional_spaces, is_active, is_equal, values_of
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import repeatable_examples
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file

pytestmark = pytest.mark.django_db

CONSTRAINED: list[JSON] = [
    {"type": "int", "name": "x", "low": 0, "high": 9},
    {"type": "ordinal", "name": "y", "values": [0, 2, 4.5, 9]},
]
SAMPLERS = ["random", "tpe", "auto", "qmc", "cmaes", "nsgaii", "gp"]
ENDS = ["complete", "complete", "fail", "prune", "nothing"]


@st.composite
def combinations(draw: st.DrawFn) -> JSON:
    """A study with a space that has conditions and constraints, and what else studies can have."""
    repeats = draw(st.sampled_from([None, None, {"n": 2, "aggregate": "mean"}]))
    return {
        "search_space": [*CONSTRAINED, *draw(conditional_spaces())],
        "parameter_constraints": draw(
            st.sampled_from([["x <= y"], ["x + y <= 9", "x >= 1"], ["2 * x - y < 3"]])
        ),
        "sampler": draw(st.sampled_from(SAMPLERS)),
        "sampler_options": {"seed": draw(st.integers(0, 99))},
        "pruner": "none" if repeats else draw(st.sampled_from(["none", "median"])),
        "stop_after_no_improvement": draw(st.sampled_from([None, {"trials": 40}])),
        "duplicates": "allow",
        **({"repeats": repeats} if repeats else {}),
    }


def holds(text: str, params: JSON) -> bool:
    names = {name: params[name] for name in ("x", "y")}
    return bool(eval(text, {"__builtins__": {}}, names))  # noqa: S307 - texts of this file


def assert_valid(params: JSON, study: JSON) -> None:
    space = study["search_space"]
    active = [each for each in space if is_active(each, params, space)]
    assert list(params) == [each["name"] for each in active]
    for each in active:
        value, values = params[each["name"]], values_of(each)
        if values is None:
            assert each["low"] <= value <= each["high"]
        else:
            assert any(is_equal(value, other) for other in values)
    assert all(holds(text, params) for text in study["parameter_constraints"])


def end(api: APIClient, trial: JSON, kind: str) -> None:
    params = trial["params"]
    bodies: dict[str, Any] = {
        "complete": {"values": float(params["x"]) - 0.5 * float(params["y"]) + len(params)},
        "fail": {"reason": "as planned"},
        "prune": {},
    }
    if kind in bodies:
        trial_action(api, trial["trial_id"], kind, **bodies[kind])


@given(definition=combinations(), data=st.data())
@repeatable_examples(12)
def test_features_work_together(api: APIClient, definition: JSON, data: st.DataObject) -> None:
    Study.objects.all().delete()
    response = post_study(api, **definition)
    assert response.status_code == 201, response.content
    study = get_study(api)
    for step in range(6):
        fixed: JSON = data.draw(st.sampled_from([{}, {"x": 2}, {"y": 4.5}]))
        for trial in suggest_batch(api, data.draw(st.sampled_from([1, 1, 3])), fixed=fixed):
            assert_valid(trial["params"], study)
            assert fixed.items() <= trial["params"].items()
            end(api, trial, data.draw(st.sampled_from(ENDS)))
        if step == 3:
            wider = [{**CONSTRAINED[0], "high": 12}, *study["search_space"][1:]]
            change = {"search_space": wider, "if_version": study["search_space_version"]}
            changed = api.patch(STUDY_URL, change)
            assert changed.status_code == 200, changed.content
            study = changed.json()
    assert_schemas_agree()
    ours = [trial["params"] for trial in list_trials(api)]
    begun = [
        trial for trial in load_optuna_study(STUDY_NAME).trials if trial.state.name != "WAITING"
    ]
    assert all(trial.params == ours[trial.number] for trial in begun)
    for url in ("best", "progress", "advice", "importance"):
        assert api.get(f"{STUDY_URL}/{url}").status_code < 500
    assert clone_study(api)["search_space"] == study["search_space"]
    assert_schemas_agree("clone")
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert_schemas_agree()
    assert [trial["params"] for trial in list_trials(api)] == ours
