from collections.abc import Callable

import optuna
import pytest
from django.core.management import CommandError, call_command
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support.api_client import complete, suggest
from tests.support.study_builders import COMMAND
from transfer.domain.adoption import AdoptionRefused, adopt
from trials.projection.consistency import differences, studies_only_in_optuna

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("n", 1, 64, log=True)
    kind = trial.suggest_categorical("kind", ["a", 2, True, None])
    trial.set_user_attr("note", {"n": n})
    for step in range(3):
        trial.report(x + step, step)
    if trial.number % 4 == 1:
        raise optuna.TrialPruned
    if trial.number % 4 == 2:
        raise ArithmeticError
    return x**2 + n + (kind == "a")


@pytest.fixture
def stock_study() -> optuna.Study:
    study = optuna.create_study(
        study_name="stock", storage=DjangoStorage(), sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=12, catch=ArithmeticError)
    study.set_user_attr("team", "search")
    study.enqueue_trial({"x": 0.5})
    return study


def test_adopted_study_is_the_same_in_both_schemas(
    stock_study: optuna.Study, api: APIClient
) -> None:
    call_command("check_optuna", "--adopt", "stock")

    study = Study.objects.get()
    assert list(differences(study)) == []
    assert studies_only_in_optuna() == []
    body = api.get("/api/v1/studies/stock").json()
    best = stock_study.best_trial
    assert body["best_value"] == best.value
    assert body["best_params"] == best.params
    assert body["trial_counts"] == {
        "WAITING": 1,
        "RUNNING": 0,
        "COMPLETE": 6,
        "PRUNED": 3,
        "FAIL": 3,
    }
    assert body["direction"] == "minimize"
    assert body["user_attrs"] == {"team": "search"}


def test_adopted_study_continues(stock_study: optuna.Study, api: APIClient) -> None:
    adopt(actor=COMMAND, name="stock")

    queued, trial = suggest(api, "stock"), suggest(api, "stock")
    complete(api, "stock", trial["trial_id"], -10.0)

    assert (queued["trial_id"], queued["params"]["x"]) == (12, 0.5)
    assert trial["trial_id"] == 13
    assert api.get("/api/v1/studies/stock/best").json()["trial_id"] == 13
    assert list(differences(Study.objects.get())) == []


def test_adopted_front_equals_optunas(api: APIClient) -> None:
    stock = optuna.create_study(
        study_name="two", storage=DjangoStorage(), directions=["minimize", "maximize"]
    )
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}
    for x, y in [(0.2, 0.3), (0.5, 0.9), (0.1, 0.1), (0.6, 0.8), (0.2, 0.3)]:
        stock.add_trial(create_trial(params={"x": x}, distributions=space, values=[x, y]))

    adopt(actor=COMMAND, name="two")

    front = api.get("/api/v1/studies/two/pareto").json()
    assert [each["trial_id"] for each in front] == sorted(t.number for t in stock.best_trials)
    assert api.get("/api/v1/studies/two/best").json()["trial_id"] == 0


def _dynamic(study: optuna.Study) -> None:
    for high in (1.0, 2.0):
        study.add_trial(
            create_trial(
                params={"x": 0.5}, distributions={"x": FloatDistribution(0, high)}, value=1.0
            )
        )


def _fixed(study: optuna.Study) -> None:
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)


def _without_parameters(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.FAIL))


@pytest.mark.parametrize(
    ("name", "fill", "reason"),
    [
        ("dynamic", _dynamic, 'parameter "x" of trial 1 is distributed as'),
        ("bare", _without_parameters, "no trial has parameters"),
        ("a/b", _fixed, 'a name has no "/"'),
    ],
)
def test_adoption_of_an_unrepresentable_study_is_refused(
    name: str, fill: Callable[[optuna.Study], None], reason: str
) -> None:
    fill(optuna.create_study(study_name=name, storage=DjangoStorage()))

    with pytest.raises(AdoptionRefused, match=reason):
        adopt(actor=COMMAND, name=name)

    assert not Study.objects.exists()
    assert studies_only_in_optuna() == [name]


def test_adoption_of_an_unknown_study_is_refused() -> None:
    with pytest.raises(CommandError, match='there is no study "ghost"'):
        call_command("check_optuna", "--adopt", "ghost")


def test_study_of_a_name_only_in_optuna_is_refused(
    stock_study: optuna.Study, api: APIClient
) -> None:
    space = [{"type": "float", "name": "x", "low": 0, "high": 1}]

    response = api.post("/api/v1/studies", {"name": "stock", "search_space": space})

    assert response.status_code == 409
    assert response.json()["code"] == "study_exists"
    assert not Study.objects.exists()


def test_check_names_studies_only_in_optuna(
    stock_study: optuna.Study, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError):
        call_command("check_optuna", "--repair")

    said = 'study "stock": only in Optuna\'s schema; adopt it with --adopt'
    assert said in capsys.readouterr().out
    assert studies_only_in_optuna() == ["stock"]
