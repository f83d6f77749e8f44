"""Warm start: samplers learn from the trials that a clone copied."""

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    add_trials,
    assert_schemas_agree,
    complete,
    create_study,
    list_trials,
    start_trial,
    suggest,
)
from tests.support.sample_studies import CLONED_SPACE, create_study_to_clone
from tests.support.transfer_files import clone_study
from trials.models import Trial

# Warm start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("tpe", {"n_startup_trials": 4}),
        ("nsgaii", {"population_size": 4}),
        ("random", {}),
        ("qmc", {"scramble": True}),
        ("gp", {"n_startup_trials": 4}),
    ],
)
def test_sampler_learns_from_kept_trials_as_from_recorded_ones(
    api: APIClient, sampler: str, options: JSON
) -> None:
    create_study_to_clone(api, direction="minimize", pruner="none")
    options = {"seed": 11, **options}
    create_study(
        api,
        name="recorded",
        search_space=CLONED_SPACE,
        direction="minimize",
        sampler=sampler,
        sampler_options=options,
        pruner="none",
    )
    results = [
        {
            key: trial[key]
            for key in ("params", "state", "values", "intermediate_values")
            if trial["state"] == "COMPLETE" or key != "values"
        }
        for trial in list_trials(api)
    ]
    add_trials(api, results, "recorded")

    clone_study(api, sampler=sampler, sampler_options=options)

    for _ in range(6):
        expected, trial = suggest(api, "recorded"), suggest(api, "clone")
        assert (trial["trial_id"], trial["params"]) == (expected["trial_id"], expected["params"])
        for name in ("recorded", "clone"):
            complete(api, name, trial["trial_id"], trial["params"]["x"])
    assert_schemas_agree("clone")


def test_kept_trials_are_nsgaii_parents(api: APIClient) -> None:
    create_study_to_clone(api, direction="minimize")
    clone_study(api, sampler="nsgaii", sampler_options={"population_size": 4, "seed": 1})
    start_trial(api, "clone")
    noted = Trial.objects.filter(study__name="clone", study_attrs__isnull=False).get()
    (parents,) = noted.study_attrs.values()
    numbers = Trial.objects.filter(id__in=parents).values_list("number", flat=True)
    assert noted.number == 12
    assert len(numbers) == 4
    assert max(numbers) < 12
