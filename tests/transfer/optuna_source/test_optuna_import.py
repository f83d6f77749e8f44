"""Import of studies from stock Optuna's storages."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from django.core.management import CommandError
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from optuna_bridge.storage import SCHEMA
from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    suggest,
)
from tests.support.optuna_oracle import (
    close_storage,
    create_optuna_study,
    optuna_url,
    run_import_study,
)
from tests.support.transfer_files import delete_study, export_study, import_file
from trials.models import Trial

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    trial.suggest_float("step", 0.6, 0.9, step=0.05)
    n = trial.suggest_int("n", 1, 64, log=True)
    kind = trial.suggest_categorical("kind", ["a", 2, True, None, 2.5])
    if kind == "a":
        trial.suggest_float("only_with_a", 0, 1)
    trial.set_user_attr("größe", {"": [n, 10**30, None]})
    for step in range(3):
        trial.report(float("nan") if step == 1 else x + step, step)
    if trial.number % 4 == 1:
        raise optuna.TrialPruned
    if trial.number % 4 == 2:
        raise ArithmeticError
    return float("inf") if trial.number == 8 else x**2 + n


def play(url: str) -> optuna.Study:
    study = create_optuna_study(url, sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=14, catch=ArithmeticError)
    study.set_user_attr("team", ["search"])
    study.enqueue_trial({"x": 0.5, "kind": None}, user_attrs={"by": "hand"})
    study.ask()  # takes it
    study.enqueue_trial({"n": 3})
    return study


def same(trial: optuna.trial.FrozenTrial) -> JSON:
    """What a trial says, but for its id; NaN as a text, equal to itself; tables have no order."""
    return {
        "number": trial.number,
        "state": trial.state,
        "values": trial.values,
        "params": repr(sorted(trial.params.items(), key=str)),
        "distributions": trial.distributions,
        "steps": repr(sorted(trial.intermediate_values.items())),
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "times": [
            each and each.timestamp() for each in (trial.datetime_start, trial.datetime_complete)
        ],
    }


def test_imported_study_equals_its_source(api: APIClient, url: str) -> None:
    study = play(url)

    output = run_import_study("--storage", url, "--running", "keep")

    assert output == 'study "stock": imported with 16 trials\n'
    assert_schemas_agree("stock")
    ours = optuna.load_study(study_name="stock", storage=DjangoStorage())
    assert [same(each) for each in ours.get_trials()] == [same(each) for each in study.get_trials()]
    assert ours.user_attrs == study.user_attrs
    body = get_study(api, "stock")
    assert body["best_value"] == study.best_value
    assert body["best_params"] == study.best_params
    assert (body["direction"], body["sampler"], body["pruner"]) == ("minimize", "tpe", "hyperband")
    file = export_study(api, "stock")
    delete_study(api, "stock")
    import_file(api, file)
    assert export_study(api, "stock") == file
    close_storage(study)


def test_imported_study_continues(api: APIClient, url: str) -> None:
    study = play(url)
    run_import_study("--storage", url, "--sampler", "random", "--pruner", "none")

    queued, trial = suggest(api, "stock"), suggest(api, "stock")
    complete(api, "stock", trial["trial_id"], -10.0)

    assert (queued["trial_id"], queued["params"]["n"]) == (15, 3)
    assert trial["trial_id"] == 16
    assert get_study(api, "stock")["best_value"] == -10.0
    assert get_study(api, "stock")["sampler"] == "random"
    assert_schemas_agree("stock")
    close_storage(study)


def test_front_with_constraints_equals_optunas(api: APIClient, url: str) -> None:
    study = create_optuna_study(url, directions=["minimize", "maximize"])
    space: Any = {"x": FloatDistribution(0, 1)}
    points = [(0.2, 0.3, -1.0), (0.5, 0.9, 0.0), (0.05, 0.95, 0.5), (0.6, 0.8, -1.0)]
    for x, y, constraint in points:
        study.add_trial(
            create_trial(
                params={"x": x}, distributions=space, values=[x, y], constraints={"c": constraint}
            )
        )

    run_import_study("--storage", url)

    assert get_study(api, "stock")["constraints"] == ["c"]
    front = api.get("/api/v1/studies/stock/pareto").json()
    assert [each["trial_id"] for each in front] == sorted(t.number for t in study.best_trials)
    close_storage(study)


def test_nsgaii_parents_are_translated(api: APIClient, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stock.db"
    other = create_optuna_study(url, "other")
    other.add_trial(create_trial(state=TrialState.FAIL))  # so that ids are no numbers
    study = create_optuna_study(
        url, sampler=optuna.samplers.NSGAIISampler(population_size=3, seed=1)
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=8)
    noted = study._storage.get_study_system_attrs(study._study_id)
    numbers = {trial._trial_id: trial.number for trial in study.trials}
    expected = {key: [numbers[each] for each in ids] for key, ids in noted.items()}
    assert list(expected) == [f"NSGAIISampler:parent:{generation}" for generation in (1, 2)]

    run_import_study("--storage", url, "--study-name", "stock", "--sampler", "nsgaii")

    ids = dict(Trial.objects.values_list("number", "id"))
    ours = DjangoStorage().get_study_system_attrs(Study.objects.get().id)
    assert ours == {key: [ids[each] for each in trials] for key, trials in expected.items()}
    assert_schemas_agree("stock")
    close_storage(other)
    close_storage(study)


def test_conflicts_and_dry_runs_are_handled(api: APIClient, url: str) -> None:
    study = play(url)
    arguments = ("--storage", url, "--running", "keep")

    assert run_import_study(*arguments, "--dry-run").splitlines() == [
        'study "stock": imported with 16 trials',
        "a dry run: nothing was stored",
    ]
    assert not Study.objects.exists()
    run_import_study(*arguments)
    with pytest.raises(CommandError, match='study "stock" exists'):
        run_import_study(*arguments)
    assert run_import_study(*arguments, "--conflict", "skip") == 'study "stock": exists, skipped\n'
    assert run_import_study(*arguments, "--conflict", "rename") == (
        'study "stock": imported as "stock (2)" with 16 trials\n'
    )
    close_storage(study)


@pytest.mark.django_db(transaction=True)
def test_postgresql_is_a_source(api: APIClient) -> None:
    create_study(api, name="ours")
    complete(api, "ours", suggest(api, "ours")["trial_id"], 1.5)
    url = optuna_url(SCHEMA).replace("postgresql+psycopg:", "postgresql:")

    output = run_import_study("--storage", url, "--study-name", "ours", "--conflict", "rename")

    assert output == 'study "ours": imported as "ours (2)" with 1 trials\n'
    assert get_study(api, "ours (2)")["best_value"] == 1.5
    assert_schemas_agree("ours (2)")
