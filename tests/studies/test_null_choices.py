"""A choice may be null, everywhere where a choice may be."""

import csv
import io
import json
from typing import Any
from urllib.parse import urlencode

import optuna
import pytest
from django.test import Client
from rest_framework.test import APIClient

from analysis.plots.catalogue import KINDS
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDY_NAME,
    STUDY_URL,
    TRIALS_URL,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    strict_json,
    suggest,
)
from tests.support.transfer_files import clone_study
from trials.models import Trial

SPACE: list[JSON] = [
    {"type": "categorical", "name": "c", "choices": [None, "null", 1, False]},
    {"type": "int", "name": "n", "low": 0, "high": 3},
]


def play(api: APIClient, n: int, **definition: Any) -> list[JSON]:
    """Let n trials complete, of which those with null are the best; return their parameters."""
    create_study(api, search_space=SPACE, direction="minimize", **definition)
    played = []
    for _ in range(n):
        trial = suggest(api)
        played.append(trial["params"])
        value = trial["params"]["n"] + (10 if trial["params"]["c"] is not None else 0)
        value += trial["trial_id"] / 1000  # else several would be best
        complete(api, STUDY_NAME, trial["trial_id"], value)
    return played


def numbers(api: APIClient, params: JSON) -> list[int]:
    query = urlencode({"params": json.dumps(params)})
    return [trial["trial_id"] for trial in strict_json(api.get(f"{TRIALS_URL}?{query}"))]


@pytest.mark.parametrize(
    "sampler", [name for name, kind in SAMPLERS.items() if kind.missing is None]
)
def test_study_with_null_is_optimised(api: APIClient, sampler: str) -> None:
    options = {"seed": 1} | ({"n_startup_trials": 5} if sampler in ("tpe", "gp") else {})
    played = play(api, 8, sampler=sampler, sampler_options=options)

    assert [trial["params"] for trial in strict_json(api.get(TRIALS_URL))] == played
    stock = optuna.load_study(study_name=STUDY_NAME, storage=DjangoStorage())
    assert [trial.params for trial in stock.trials] == played
    assert get_study(api)["search_space"] == SPACE
    assert get_study(api)["best_params"] == stock.best_params
    assert_schemas_agree(STUDY_NAME)


def test_null_is_queued_recorded_filtered_and_cloned(api: APIClient) -> None:
    create_study(api, search_space=SPACE, sampler="random", direction="minimize")
    null = {"c": None, "n": 2}
    add_trials(api, [{"params": null}, {"params": {"c": None}}])
    add_trials(api, [{"params": {"c": "null", "n": 2}}])
    add_trials(api, [{"params": null, "state": "COMPLETE", "values": 0.5}])
    assert suggest(api)["params"] == null
    assert suggest(api)["params"]["c"] is None
    assert numbers(api, {"c": None}) == [0, 1, 3]
    assert numbers(api, {"c": "null"}) == [2]
    assert strict_json(api.get(f"{STUDY_URL}/best"))["params"] == null
    clone = clone_study(api)
    assert (clone["n_trials_kept"], clone["best_params"]) == (4, null)
    refused = api.post(TRIALS_URL, {"params": {"n": None}})
    assert_refused(refused, 400, "invalid")


def test_null_is_a_point(api: APIClient) -> None:
    played = play(api, 16, sampler="random", duplicates="avoid")
    assert len({(repr(params["c"]), params["n"]) for params in played}) == 16
    assert get_study(api)["state_reason"] == "space_exhausted"


def test_study_with_null_is_analysed(api: APIClient) -> None:
    play(api, 30, sampler="random", sampler_options={"seed": 1})
    for method in ("fanova", "mean_decrease_impurity", "ped_anova"):
        answer = strict_json(api.get(f"{STUDY_URL}/importance", {"method": method}))
        assert sorted(answer["importances"]) == ["c", "n"]
    for kind in set(KINDS) - {"pareto_front", "hypervolume"}:  # which need several objectives
        assert api.get(f"{STUDY_URL}/plots/{kind}").status_code == 200, kind
    for path in ("advice", "progress", "history"):
        strict_json(api.get(f"{STUDY_URL}/{path}"))


def test_admin_shows_null(api: APIClient, admin_client: Client) -> None:
    create_study(api, search_space=SPACE, sampler="random")
    add_trials(api, [{"params": {"c": None, "n": 2}, "state": "COMPLETE", "values": 1}])
    study, trial = Study.objects.get(), Trial.objects.get()
    for url in (
        "/admin/studies/study/",
        f"/admin/studies/study/{study.id}/change/",
        f"/admin/trials/trial/?study__id__exact={study.id}",
        f"/admin/trials/trial/{trial.id}/change/",
    ):
        page = admin_client.get(url)
        assert page.status_code == 200, url
        assert "c=None" not in page.content.decode()
    response: Any = admin_client.get(f"/admin/trials/trial/export/?study__id__exact={study.id}")
    text = b"".join(response.streaming_content).decode()
    assert [row["params_c"] for row in csv.DictReader(io.StringIO(text))] == ["null"]
