"""An ordinal parameter lists numbers: samplers see a scale, everyone else the numbers."""

import csv
import io
import json
from typing import Any
from urllib.parse import urlencode

import optuna
import pytest
from django.test import Client
from hypothesis import assume, given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
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
    suggest_batch,
    unpacked_figure,
)
from tests.support.sample_studies import get_advice, repeatable_examples
from tests.support.transfer_files import clone_study
from trials.models import Trial

VALUES = [0.5, 16, 32, 64.0, 128]
SPACE: list[JSON] = [
    {"type": "ordinal", "name": "batch", "values": VALUES},
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
]
# What samplers see.
INDEXES: list[JSON] = [{"type": "int", "name": "batch", "low": 0, "high": 4}, SPACE[1]]
FINITE: JSON = {"type": "int", "name": "x", "low": 0, "high": 2}
INSTALLED = [
    name
    for name, kind in SAMPLERS.items()
    if kind.missing is None and not kind.visits_each_point  # those end, and need a finite space
]


def options(sampler: str) -> JSON:
    """Few trials at random, and small generations, so that a model draws soon."""
    if sampler in ("tpe", "gp"):
        return {"seed": 3, "n_startup_trials": 5}
    return {"seed": 3} | ({"population_size": 4} if sampler.startswith("nsga") else {})


def play(api: APIClient, n: int, space: list[JSON] = SPACE, **definition: Any) -> list[JSON]:
    """Let n trials complete, the last ones at a time; return their parameters.

    The values are the index of `batch`, whose numbers are the indexes or `VALUES`.
    """
    create_study(api, search_space=space, direction="minimize", **definition)
    played, running = [], []
    for _ in range(n):
        trial = suggest(api)
        played.append(trial["params"])
        running.append(trial)
        if len(running) > 1:
            finish(api, running.pop(0), space)
    for trial in running:
        finish(api, trial, space)
    return played


def finish(api: APIClient, trial: JSON, space: list[JSON]) -> None:
    values = space[0].get("values", range(5))
    value = abs(values.index(trial["params"]["batch"]) - 3) + trial["params"]["x"]
    complete(api, STUDY_NAME, trial["trial_id"], value)


def numbers(api: APIClient, params: JSON) -> list[int]:
    query = urlencode({"params": json.dumps(params)})
    return [trial["trial_id"] for trial in strict_json(api.get(f"{TRIALS_URL}?{query}"))]


@pytest.mark.parametrize(
    ("duplicates", "other"), [("allow", SPACE[1]), ("avoid", FINITE)], ids=["infinite", "finite"]
)
@pytest.mark.parametrize("sampler", INSTALLED)
def test_sampler_suggests_as_for_the_indexes(
    api: APIClient, sampler: str, duplicates: str, other: JSON
) -> None:
    definition: JSON = {"sampler": sampler, "sampler_options": options(sampler)}
    definition["duplicates"] = duplicates
    n = {"gp": 7}.get(sampler, 10)
    of_indexes = play(api, n, [INDEXES[0], other], **definition)
    assert api.delete(STUDY_URL).status_code == 204
    played = play(api, n, [SPACE[0], other], **definition)
    as_values = [params | {"batch": VALUES[params["batch"]]} for params in of_indexes]
    assert repr(played) == repr(as_values)  # with types and order
    assert_schemas_agree(STUDY_NAME)


def seen_by_optuna() -> optuna.Study:
    return optuna.load_study(study_name=STUDY_NAME, storage=DjangoStorage())


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii"])  # which store different attributes
def test_stock_optuna_reads_the_numbers(api: APIClient, sampler: str) -> None:
    played = play(api, 8, sampler=sampler, sampler_options=options(sampler))
    stock = seen_by_optuna()
    assert repr([trial.params for trial in stock.trials]) == repr(played)
    assert stock.trials[0].distributions["batch"] == CategoricalDistribution(VALUES)
    assert repr(stock.best_params) == repr(get_study(api)["best_params"])
    assert repr([trial["params"] for trial in strict_json(api.get(TRIALS_URL))]) == repr(played)
    assert repr(get_study(api)["search_space"][0]["values"]) == repr(VALUES)
    assert_schemas_agree(STUDY_NAME)


def test_numbers_are_queued_recorded_filtered_and_cloned(api: APIClient) -> None:
    create_study(api, search_space=SPACE, sampler="nsgaii", direction="minimize")
    best = {"batch": 64.0, "x": 0.5}
    add_trials(api, [{"params": best}, {"params": {"batch": 32}}])
    add_trials(api, [{"params": best | {"batch": 128}, "state": "COMPLETE", "values": 0.5}])
    add_trials(api, [{"params": best | {"batch": 0.5}, "state": "COMPLETE", "values": 1.5}])
    assert repr(suggest(api)["params"]) == repr(best)
    trial = suggest(api)["params"]
    assert repr(trial["batch"]) == "32"
    assert numbers(api, {"batch": 64}) == [0]  # as Optuna compares choices
    for low, high, found in (
        (16, 64, [0, 1]),
        (0.5, 0.5, [3]),
        (33, 63, []),
        (None, 32, [1, 3]),
        (65, None, [2]),
        (129, None, []),
        (None, 0, []),
    ):
        ends = {"min": low, "max": high}
        wanted = {key: end for key, end in ends.items() if end is not None}
        assert numbers(api, {"batch": wanted}) == found, wanted
    assert strict_json(api.get(f"{STUDY_URL}/best"))["params"] == best | {"batch": 128}
    clone = clone_study(api)
    assert (clone["n_trials_kept"], clone["best_params"]) == (4, best | {"batch": 128})
    assert repr(clone["search_space"]) == repr(get_study(api)["search_space"])


@pytest.mark.parametrize("value", [17, "32", True, None, 0, [16], {"a": 1}, 1e300])
def test_value_outside_the_list_is_refused(api: APIClient, value: Any) -> None:
    create_study(api, search_space=SPACE, sampler="random")
    problem = assert_refused(api.post(TRIALS_URL, {"params": {"batch": value}}), 400, "invalid")
    assert problem["errors"] == [
        {
            "pointer": "/params/batch",
            "detail": 'parameter "batch": expected one of 0.5, 16, 32, 64.0, 128',
        }
    ]
    assert get_study(api)["n_trials"] == 0


@pytest.mark.parametrize(
    ("values", "pointer", "detail"),
    [
        ([2, 1], "/search_space/0/values", "the values must increase, and 1 comes after 2"),
        ([1, 1.0], "/search_space/0/values", "the values must increase, and 1.0 comes after 1"),
        ([1, 2, 2], "/search_space/0/values", "the values must increase, and 2 comes after 2"),
        ([], "/search_space/0/values", ""),
        (list(range(1001)), "/search_space/0/values", ""),
        ([1, True], "/search_space/0/values/1", "expected a number, not True"),
        ([1, "2"], "/search_space/0/values/1", "expected a number, not '2'"),
        ([1, None], "/search_space/0/values/1", ""),
        ([1, 2**53 + 1], "/search_space/0/values/1", ""),
        ("16", "/search_space/0/values", ""),
        (None, "/search_space/0/values", ""),
    ],
)
def test_invalid_list_is_refused(api: APIClient, values: Any, pointer: str, detail: str) -> None:
    parameter = {"type": "ordinal", "name": "batch", "values": values}
    body = {"name": STUDY_NAME, "search_space": [parameter]}
    problem = assert_refused(api.post("/api/v1/studies", body), 400, "invalid")
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert detail in problem["errors"][0]["detail"]
    assert not Study.objects.exists()


def test_other_spaces_with_these_numbers_differ(api: APIClient) -> None:
    create_study(api, search_space=SPACE[:1], load_if_exists=True)
    again = {"name": STUDY_NAME, "load_if_exists": True}
    same = [SPACE[0] | {"values": [0.5, 16.0, 32, 64, 128]}]
    assert api.post("/api/v1/studies", again | {"search_space": same}).status_code == 200
    for other in (
        {"type": "categorical", "name": "batch", "choices": VALUES},
        SPACE[0] | {"values": VALUES[:-1]},
        INDEXES[0],
    ):
        response = api.post("/api/v1/studies", again | {"search_space": [other]})
        detail = assert_refused(response, 409, "study_conflict")["detail"]
        assert 'parameter "batch" differs' in detail


def test_categorical_study_is_cloned_as_ordinal(api: APIClient) -> None:
    categorical = [{"type": "categorical", "name": "batch", "choices": [128, 0.5, 16]}, SPACE[1]]
    create_study(api, search_space=categorical, sampler="random")
    params = {"batch": 16, "x": 0.5}
    add_trials(api, [{"params": params, "state": "COMPLETE", "values": 1}])
    clone = clone_study(api, search_space=SPACE)
    assert (clone["n_trials_kept"], clone["best_params"]) == (1, params)


def test_each_point_is_suggested_once(api: APIClient) -> None:
    played = play(api, 15, [SPACE[0], FINITE], sampler="tpe", duplicates="avoid")
    assert len({(params["batch"], params["x"]) for params in played}) == 15
    assert get_study(api)["state_reason"] == "space_exhausted"
    assert_schemas_agree(STUDY_NAME)


def test_importance_is_that_of_the_indexes(api: APIClient) -> None:
    definition: JSON = {"sampler": "random", "sampler_options": {"seed": 1}}

    def importances() -> list[JSON]:
        methods = ("fanova", "mean_decrease_impurity", "ped_anova")
        url = f"{STUDY_URL}/importance"
        return [strict_json(api.get(url, {"method": each}))["importances"] for each in methods]

    play(api, 20, INDEXES, **definition)
    of_indexes = importances()
    api.delete(STUDY_URL)
    play(api, 20, **definition)
    assert importances() == of_indexes


def test_long_scale_has_an_importance(api: APIClient) -> None:
    scale = [{"type": "ordinal", "name": "batch", "values": list(range(0, 2000, 2))}, SPACE[1]]
    play(api, 20, scale, sampler="random")
    answer = strict_json(api.get(f"{STUDY_URL}/importance", {"method": "fanova"}))
    assert sorted(answer["importances"]) == ["batch", "x"]


def test_study_is_analysed(api: APIClient) -> None:
    play(api, 15, sampler="random", sampler_options={"seed": 1})
    for kind in set(KINDS) - {"pareto_front", "hypervolume"}:  # which need several objectives
        assert api.get(f"{STUDY_URL}/plots/{kind}").status_code == 200, kind
    plot = api.get(f"{STUDY_URL}/plots/slice", {"params": '["batch"]'})
    axis = unpacked_figure(strict_json(plot))["layout"]["xaxis"]
    assert axis["categoryarray"] == ["0.5", "16", "32", "64.0", "128"]  # evenly spaced, in order
    for path in ("progress", "history"):
        strict_json(api.get(f"{STUDY_URL}/{path}"))


def test_bound_of_the_scale_is_named(api: APIClient) -> None:
    create_study(api, search_space=SPACE, sampler="random", direction="minimize")
    add_trials(
        api,
        [
            {
                "params": {"batch": VALUES[n % 5], "x": n % 20 / 40 + 0.25},
                "state": "COMPLETE",
                "values": 4 - n % 5,
            }
            for n in range(60)
        ],
    )
    texts = [each["detail"] for each in get_advice(api)]
    assert 'parameter "batch" is at its bound 128 in 100% of the best' in " ".join(texts)


def test_failing_end_of_the_scale_is_named(api: APIClient) -> None:
    create_study(api, search_space=SPACE, sampler="random", direction="minimize")
    queued = [{"params": {"batch": VALUES[n % 5], "x": n % 12 / 12}} for n in range(60)]
    add_trials(api, queued)
    for trial in suggest_batch(api, len(queued)):
        url = f"{TRIALS_URL}/{trial['trial_id']}"
        if trial["params"]["batch"] > 32:
            api.post(f"{url}/fail", {})
        else:
            api.post(f"{url}/complete", {"values": 1})
    texts = [each["detail"] for each in get_advice(api)]
    assert 'with parameter "batch" above 32 have failed' in " ".join(texts)


def test_admin_shows_the_numbers(api: APIClient, admin_client: Client) -> None:
    create_study(api, search_space=SPACE, sampler="random")
    params = {"batch": 128, "x": 0.5}
    add_trials(api, [{"params": params, "state": "COMPLETE", "values": 1}])
    study, trial = Study.objects.get(), Trial.objects.get()
    pages = {
        f"/admin/studies/study/{study.id}/change/": "0.5, 16, 32, 64.0, 128",
        f"/admin/trials/trial/?study__id__exact={study.id}": "128",
        f"/admin/trials/trial/{trial.id}/change/": "128",
    }
    for url, text in pages.items():
        page = admin_client.get(url)
        assert page.status_code == 200, url
        assert text in page.content.decode()
    response: Any = admin_client.get(f"/admin/trials/trial/export/?study__id__exact={study.id}")
    text = b"".join(response.streaming_content).decode()
    assert [row["params_batch"] for row in csv.DictReader(io.StringIO(text))] == ["128"]


scales = st.lists(
    st.one_of(
        st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False, width=64)
    ),
    min_size=1,
    max_size=20,
    unique_by=float,
).map(lambda values: sorted(values, key=float))


@repeatable_examples(8)
@given(values=scales, seed=st.integers(0, 2**32 - 1), sampler=st.sampled_from(INSTALLED))
def test_random_scale_is_answered_as_given(
    api: APIClient, values: list[float], seed: int, sampler: str
) -> None:
    assume(sampler != "cmaes" or len(values) > 1)  # it refuses a constant
    Study.objects.all().delete()
    space = [{"type": "ordinal", "name": "v", "values": values}]
    create_study(api, search_space=space, sampler=sampler, sampler_options={"seed": seed})
    allowed = set(map(repr, values))
    suggested = []
    for value in (1.0, -1.0, 0.5):
        trial = suggest(api)
        suggested.append(trial["params"]["v"])
        complete(api, STUDY_NAME, trial["trial_id"], value)
    assert set(map(repr, suggested)) <= allowed
    assert repr(get_study(api)["search_space"][0]["values"]) == repr(values)
    assert repr([trial.params["v"] for trial in seen_by_optuna().trials]) == repr(suggested)
    add_trials(api, [{"params": {"v": each}} for each in values])
    assert [repr(suggest(api)["params"]["v"]) for _ in values] == list(map(repr, values))
    assert_schemas_agree(STUDY_NAME)
