"""Studies of the sampler `auto`, which says of each trial what has drawn it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import optuna
import pytest
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support.api_client import assert_schemas_agree
from tests.support.database import call_and_close_connection
from tests.support.study_builders import ask_trial, build_study, tell_trial
from trials.sampling.plan import Plan
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": -4.0, "high": 6.0},
    {"type": "int", "name": "n", "low": 1, "high": 100, "log": True},
    {"type": "categorical", "name": "kind", "choices": ["a", "b", "c"]},
]
DESIGN = ["design"] * 6


def build_auto(**definition: Any) -> Study:
    return build_study(
        space=SPACE, sampler="auto", pruner="none", **{"direction": "minimize"} | definition
    )


def play(study: Study, n: int) -> list[str | None]:
    """Ask and tell n trials, and return what has drawn them."""
    drawn_by = []
    for _ in range(n):
        trial = ask_trial(study)
        drawn_by.append(trial.sampled_by)
        loss = abs(trial.params["x"] - 1.5) + (trial.params["kind"] != "b")
        tell_trial(study, trial.number, *[loss] * len(study.directions))
    return drawn_by


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "minimize"]])
def test_trials_are_drawn_by_the_rule(directions: list[str]) -> None:
    pytest.importorskip("torch")
    study = build_auto(direction=directions if len(directions) > 1 else "minimize")
    assert play(study, 17) == [*DESIGN, *["gp"] * 9, "tpe", "gp"]
    assert_schemas_agree("search")


def test_choice_that_was_tried_least_is_explored(api: APIClient) -> None:
    pytest.importorskip("torch")
    study = build_auto()
    for number in range(10):
        params = {"x": number / 2 - 2, "n": 1 + number, "kind": "ab"[number % 2]}
        body = {"params": params, "state": "COMPLETE", "values": [number]}
        assert api.post(f"{URL}/trials", body).status_code == 201
    drawn = ask_trial(study)
    assert (drawn.number, drawn.sampled_by, drawn.params["kind"]) == (10, "gp", "c")


def test_answers_say_what_drew_a_trial(api: APIClient) -> None:
    build_auto()
    assert api.post(f"{URL}/trials/suggest").json()["params"] == {"x": 1.0, "n": 7, "kind": "a"}
    assert api.get(f"{URL}/trials/0").json()["sampled_by"] == "design"
    assert [each["sampled_by"] for each in api.get(f"{URL}/trials").json()] == ["design"]


def test_stock_optuna_reads_the_study() -> None:
    study = build_auto()
    play(study, 7)
    read = optuna.load_study(study_name="search", storage=DjangoStorage())
    assert len(read.get_trials(states=[optuna.trial.TrialState.COMPLETE])) == 7
    assert read.best_value == min(trial.values[0] for trial in read.trials)


def test_recorded_trials_replace_the_design(api: APIClient) -> None:
    study = build_auto()
    for n in range(-3, 4):
        params = {"x": float(n), "n": 5, "kind": "a"}
        body = {"params": params, "state": "COMPLETE", "values": [n]}
        response = api.post(f"{URL}/trials", body)
        assert response.status_code == 201, response.content
    assert ask_trial(study).sampled_by == "gp"


def test_points_of_the_design_are_handed_out_once() -> None:
    """Asks of two processes that were drawn for the same number."""
    study = build_auto()
    one, other = SessionRegistry(), SessionRegistry()
    seen = []
    for registry in (one, other):
        session = registry.of(study)
        plan = Plan.draw(session, 1)
        seen.append(plan.new[0].params)
        plan.close()
    assert seen[0] == seen[1]  # both expect the number 0

    def ask_some() -> list[dict[str, Any]]:
        return [ask_trial(study).params for _ in range(6)]

    with ThreadPoolExecutor(2) as pool:
        asked = pool.map(lambda _: call_and_close_connection(ask_some), range(2))
        points = [tuple(params.values()) for some in asked for params in some]
    assert max(Counter(points).values()) == 1


def test_queued_trial_with_all_parameters_was_drawn_by_none(api: APIClient) -> None:
    build_auto()
    queued = {"params": {"x": 0.5, "n": 3, "kind": "c"}}
    assert api.post(f"{URL}/trials", queued).status_code == 201
    suggested = api.post(f"{URL}/trials/suggest").json()
    assert suggested["params"] == queued["params"]
    assert api.get(f"{URL}/trials/0").json()["sampled_by"] is None


def test_cold_process_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    study = build_auto(sampler_options={"seed": 3})
    play(study, 7)
    session_registry.clear()
    assert play(study, 1) == ["gp"]
