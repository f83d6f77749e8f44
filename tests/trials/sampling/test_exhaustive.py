"""Brute force and grid: the points of stock Optuna's samplers, each of them once."""

import random
from collections import Counter
from typing import Any

import optuna
import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    add_trials,
    assert_refused,
    assert_schemas_agree,
    assert_study_completed,
    create_study,
    post_study,
    study_state,
    suggest,
    trial_action,
)
from tests.support.transfer_files import delete_study, export_study, import_file
from trials.domain.asking import ask
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

URL = "/api/v1/studies/search"
FINITE = [
    {"type": "int", "name": "n", "low": 1, "high": 4, "log": True},
    {"type": "float", "name": "x", "low": 0.0, "high": 0.3, "step": 0.1},
    {"type": "categorical", "name": "kind", "choices": ["a", None, 2.5]},
]
WIDE = [
    {"type": "float", "name": "rate", "low": 1e-4, "high": 1.0, "log": True},
    {"type": "float", "name": "x", "low": -1.0, "high": 1.0},
    {"type": "int", "name": "n", "low": 0, "high": 1000},
    {"type": "categorical", "name": "kind", "choices": ["a", "b"]},
]
N_WIDE = 3 * 3 * 3 * 2
SAMPLERS: dict[str, JSON] = {
    "brute_force": {"sampler": "brute_force", "search_space": FINITE},
    "grid": {"sampler": "grid", "search_space": WIDE, "sampler_options": {"n_values": 3}},
}
N_POINTS = {"brute_force": 4 * 4 * 3, "grid": N_WIDE}


def create(api: APIClient, sampler: str, seed: int | None = None, **more: Any) -> JSON:
    definition = SAMPLERS[sampler]
    options = definition.get("sampler_options", {}) | {"seed": seed}
    return create_study(api, **definition | {"sampler_options": options} | more)


def point(params: JSON) -> tuple[Any, ...]:
    return tuple(round(v, 9) if isinstance(v, float) else v for _, v in sorted(params.items()))


def finish(api: APIClient, trial: JSON) -> None:
    n_values = len(Study.objects.get().directions)
    trial_action(api, trial["trial_id"], "complete", values=[0.5] * n_values)


def play(api: APIClient) -> list[JSON]:
    """Ask and complete until the study ends; the parameters of all trials."""
    found = []
    while study_state(api)[0] == "ACTIVE":
        trial = suggest(api)
        found.append(trial["params"])
        finish(api, trial)
    return found


def stock_points(sampler: str) -> set[tuple[Any, ...]]:
    """The points that stock Optuna visits, in a process of its own."""
    study = Study.objects.get()
    distributions = study.space.distributions
    if sampler == "brute_force":
        stock: Any = optuna.samplers.BruteForceSampler(seed=1)
    else:
        rate, x, n = [1e-4, 1e-2, 1.0], [-1.0, 0.0, 1.0], [0, 500, 1000]
        grid: Any = {"rate": rate, "x": x, "n": n, "kind": ["a", "b"]}
        stock = optuna.samplers.GridSampler(grid, seed=1)
    mirror = optuna.create_study(sampler=stock)

    def objective(trial: optuna.Trial) -> float:
        for name, distribution in distributions.items():
            trial._suggest(name, distribution)
        return 0.5

    mirror.optimize(objective)
    return {point(trial.params) for trial in mirror.trials}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("direction", ["minimize", ["minimize", "maximize"]])
def test_points_are_those_of_stock_optuna(api: APIClient, sampler: str, direction: Any) -> None:
    assert create(api, sampler, direction=direction)["duplicates"] == "avoid"
    found = Counter(map(point, play(api)))
    assert_study_completed(api, "space_exhausted")
    assert set(found.values()) == {1}
    assert len(found) == N_POINTS[sampler]
    assert found.keys() == stock_points(sampler)
    assert_schemas_agree()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_order_is_shuffled_and_repeats_with_the_seed(
    api: APIClient, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registries, orders = [SessionRegistry(), SessionRegistry()], []
    for seed, n_processes in ((1, 1), (1, 2), (2, 1)):
        create(api, sampler, seed=seed)
        session_registry.clear()
        found = []
        for _ in range(20):
            if n_processes == 2:
                registries.reverse()
                monkeypatch.setattr(ask, "session_registry", registries[0])
            trial = suggest(api)
            finish(api, trial)
            found.append(point(trial["params"]))
        monkeypatch.undo()
        orders.append(found)
        delete_study(api)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0], key=str)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_several_processes_visit_each_point_once(
    api: APIClient, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With parallel trials, restarts, and failures that are retried or free their points."""
    create(api, sampler, seed=1, max_retries=1)
    rng, completed = random.Random(1), []
    running: list[JSON] = []
    failed: set[tuple[Any, ...]] = set()  # each point fails once at most
    registries = [SessionRegistry() for _ in range(3)]
    while study_state(api)[0] == "ACTIVE":
        registry = rng.randrange(3)
        if rng.random() < 0.1:
            registries[registry] = SessionRegistry()
        monkeypatch.setattr(ask, "session_registry", registries[registry])
        response = api.post(f"{URL}/trials/suggest-batch", {"count": rng.randrange(1, 6)})
        running += response.json()["trials"] if response.status_code == 200 else []
        rng.shuffle(running)
        for trial in [running.pop() for _ in range(len(running) // 2 + 1) if running]:
            at = point(trial["params"])
            if at not in failed and rng.random() < 0.1:
                trial_action(api, trial["trial_id"], "fail", retry=rng.random() < 0.5)
                failed.add(at)
            else:
                finish(api, trial)
                completed.append(at)
    assert failed
    assert_study_completed(api, "space_exhausted")
    assert len(completed) == len(set(completed)) == N_POINTS[sampler]


def test_failed_point_is_tried_as_often_as_retries_allow(api: APIClient) -> None:
    space = [{"type": "int", "name": "n", "low": 1, "high": 3}]
    create_study(api, sampler="brute_force", search_space=space, max_retries=2)
    asked: Counter[int] = Counter()
    while study_state(api)[0] == "ACTIVE":
        trial = suggest(api)
        asked[trial["params"]["n"]] += 1
        if trial["params"]["n"] == 2:
            trial_action(api, trial["trial_id"], "fail")
        else:
            finish(api, trial)
    assert asked == {1: 1, 2: 3, 3: 1}
    assert_study_completed(api, "space_exhausted")


def test_trials_beside_the_grid_do_not_count(api: APIClient) -> None:
    space = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
    create_study(api, sampler="grid", search_space=space, sampler_options={"n_values": 3})
    for x in (0.1, 0.2, 0.3, 0.4, 0.5):
        add_trials(api, {"params": {"x": x}, "state": "COMPLETE", "values": x})
    add_trials(api, {"params": {"x": 0.7}})
    add_trials(api, {"params": {"x": 1.0}})
    found = [trial["x"] for trial in play(api)]
    assert found[:2] == [0.7, 1.0]
    assert found[2:] == [0.0]
    assert_study_completed(api, "space_exhausted")


def test_partly_queued_trial_gets_a_point_of_the_grid(api: APIClient) -> None:
    create(api, "grid")
    add_trials(api, {"params": {"x": -1.0, "kind": "b"}})
    add_trials(api, {"params": {"x": 0.123}})  # of no point
    on, beside = suggest(api)["params"], suggest(api)["params"]
    assert (on["x"], on["kind"]) == (-1.0, "b")
    assert beside["x"] == 0.123
    for params in (on, beside):
        assert params["n"] in (0, 500, 1000)
        assert point(params)[3 if len(params) > 4 else 2] in (1e-4, 1e-2, 1.0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_imported_study_goes_on_with_what_is_left(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    first = []
    for _ in range(20):
        trial = suggest(api)
        finish(api, trial)
        first.append(point(trial["params"]))
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    rest = list(map(point, play(api)))
    assert len({*first, *rest}) == len(first) + len(rest) == N_POINTS[sampler]


def test_clone_tries_what_is_left(api: APIClient) -> None:
    create_study(api, sampler="random", search_space=FINITE)
    kept = set()
    for _ in range(10):
        trial = suggest(api)
        trial_action(api, trial["trial_id"], "complete", values=1.0)
        kept.add(point(trial["params"]))
    clone = api.post(f"{URL}/clone", {"name": "copy", "sampler": "brute_force"})
    assert (clone.status_code, clone.json()["duplicates"]) == (201, "avoid")
    found = []
    while study_state(api, "copy")[0] == "ACTIVE":
        trial = suggest(api, "copy")
        found.append(point(trial["params"]))
        url = f"/api/v1/studies/copy/trials/{trial['trial_id']}/complete"
        assert api.post(url, {"values": 1.0}).status_code == 200
    assert len(found) == N_POINTS["brute_force"] - len(kept)
    assert not kept & set(found)


# What is refused -----------------------------------------------------------------------------

BIG = {"type": "int", "name": "big", "low": 1, "high": 200_000}


@pytest.mark.parametrize(
    ("sampler", "space", "options", "words"),
    [
        ("brute_force", WIDE, {}, ['parameter "rate" is a float without a step', "sampler grid"]),
        ("brute_force", [BIG], {}, ["has 200000 points", '"big" has the most values, 200,000']),
        ("grid", WIDE, {"n_values": 100}, ["has 2e+06 points", "n_values", '"x" has the most']),
    ],
)
def test_too_many_points_are_refused(
    api: APIClient, sampler: str, space: Any, options: JSON, words: list[str]
) -> None:
    body = {"sampler": sampler, "search_space": space, "sampler_options": options}
    problem = assert_refused(post_study(api, **body), 400, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == "/sampler"
    for word in words:
        assert word in error["detail"]
    assert Study.objects.count() == 0


def test_duplicates_cannot_be_allowed(api: APIClient) -> None:
    body = SAMPLERS["grid"] | {"duplicates": "allow"}
    problem = assert_refused(post_study(api, **body), 400, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == "/duplicates"
    assert "the sampler grid visits each point once" in error["detail"]


def test_loading_needs_no_rule(api: APIClient) -> None:
    create(api, "grid")
    for more in ({}, {"duplicates": "avoid"}):
        assert post_study(api, **SAMPLERS["grid"] | more).status_code == 200
