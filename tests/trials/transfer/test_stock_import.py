"""Studies of stock Optuna's storages, brought in."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import pytest
from django.core.management import CommandError, call_command
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from studies.models import Study
from studies.optuna_storage import SCHEMA
from studies.optuna_storage.storage import DjangoStorage
from tests.play import JSON, assert_in_sync, complete, create_study, stored, suggest
from tests.stock import stock_url
from tests.trials.transfer.moving import delete, export, import_file
from trials.models import Trial

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


@pytest.fixture(params=["sqlite", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no storage yet."""
    return (
        f"sqlite:///{tmp_path}/stock.db" if request.param == "sqlite" else f"{tmp_path}/stock.log"
    )


def new_stock_study(url: str, name: str = "stock", **options: Any) -> optuna.Study:
    storage: Any = url if "://" in url else JournalStorage(JournalFileBackend(url))
    return optuna.create_study(study_name=name, storage=storage, **options)


def close(study: optuna.Study) -> None:
    """Let go of the database, which would warn."""
    backend = getattr(study._storage, "_backend", None)
    if isinstance(backend, RDBStorage):
        backend.scoped_session.remove()
        backend.engine.dispose()


def bring_in(*arguments: str) -> str:
    output = StringIO()
    call_command("import_study", *arguments, stdout=output)
    return output.getvalue()


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
    study = new_stock_study(url, sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=14, catch=ArithmeticError)
    study.set_user_attr("team", ["search"])
    study.enqueue_trial({"x": 0.5, "kind": None}, user_attrs={"by": "hand"})
    study.ask()  # takes it
    study.enqueue_trial({"n": 3})
    return study


def same(trial: optuna.trial.FrozenTrial) -> JSON:
    """What a trial says, but for its id; NaN as a text, which is equal to itself."""
    return {
        "number": trial.number,
        "state": trial.state,
        "values": trial.values,
        "params": repr(sorted(trial.params.items(), key=str)),
        "distributions": trial.distributions,
        "steps": repr(trial.intermediate_values),
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "times": [
            each and each.timestamp() for each in (trial.datetime_start, trial.datetime_complete)
        ],
    }


def test_study_is_the_same_in_optunas_schema(api: APIClient, url: str) -> None:
    study = play(url)

    output = bring_in("--storage", url)

    assert output == 'study "stock": imported with 16 trials\n'
    assert_in_sync("stock")
    ours = optuna.load_study(study_name="stock", storage=DjangoStorage())
    assert [same(each) for each in ours.get_trials()] == [same(each) for each in study.get_trials()]
    assert ours.user_attrs == study.user_attrs
    body = stored(api, "stock")
    assert body["best_value"] == study.best_value
    assert body["best_params"] == study.best_params
    assert (body["direction"], body["sampler"], body["pruner"]) == ("minimize", "tpe", "hyperband")
    file = export(api, "stock")
    delete(api, "stock")
    import_file(api, file)
    assert export(api, "stock") == file
    close(study)


def test_imported_study_goes_on(api: APIClient, url: str) -> None:
    study = play(url)
    bring_in("--storage", url, "--sampler", "random", "--pruner", "none")

    queued, trial = suggest(api, "stock"), suggest(api, "stock")
    complete(api, "stock", trial["trial_id"], -10.0)

    assert (queued["trial_id"], queued["params"]["n"]) == (15, 3)
    assert trial["trial_id"] == 16
    assert stored(api, "stock")["best_value"] == -10.0
    assert stored(api, "stock")["sampler"] == "random"
    assert_in_sync("stock")
    close(study)


def test_front_with_constraints_is_optunas(api: APIClient, url: str) -> None:
    study = new_stock_study(url, directions=["minimize", "maximize"])
    space: Any = {"x": FloatDistribution(0, 1)}
    points = [(0.2, 0.3, -1.0), (0.5, 0.9, 0.0), (0.05, 0.95, 0.5), (0.6, 0.8, -1.0)]
    for x, y, constraint in points:
        study.add_trial(
            create_trial(
                params={"x": x}, distributions=space, values=[x, y], constraints={"c": constraint}
            )
        )

    bring_in("--storage", url)

    assert stored(api, "stock")["constraints"] == ["c"]
    front = api.get("/api/v1/studies/stock/pareto").json()
    assert [each["trial_id"] for each in front] == sorted(t.number for t in study.best_trials)
    close(study)


def test_parents_are_translated(api: APIClient, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stock.db"
    other = new_stock_study(url, "other")
    other.add_trial(create_trial(state=TrialState.FAIL))  # so that ids are no numbers
    study = new_stock_study(url, sampler=optuna.samplers.NSGAIISampler(population_size=3, seed=1))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=8)
    noted = study._storage.get_study_system_attrs(study._study_id)
    numbers = {trial._trial_id: trial.number for trial in study.trials}
    expected = {key: [numbers[each] for each in ids] for key, ids in noted.items()}
    assert list(expected) == [f"NSGAIISampler:parent:{generation}" for generation in (1, 2)]

    bring_in("--storage", url, "--study-name", "stock", "--sampler", "nsgaii")

    ids = dict(Trial.objects.values_list("number", "id"))
    ours = DjangoStorage().get_study_system_attrs(Study.objects.get().id)
    assert ours == {key: [ids[each] for each in trials] for key, trials in expected.items()}
    assert_in_sync("stock")
    close(other)
    close(study)


def test_conflicts_and_dry_runs(api: APIClient, url: str) -> None:
    study = play(url)
    arguments = ("--storage", url)

    assert bring_in(*arguments, "--dry-run").splitlines() == [
        'study "stock": imported with 16 trials',
        "a dry run: nothing was stored",
    ]
    assert not Study.objects.exists()
    bring_in(*arguments)
    with pytest.raises(CommandError, match='study "stock" exists'):
        bring_in(*arguments)
    assert bring_in(*arguments, "--conflict", "skip") == 'study "stock": exists, skipped\n'
    assert bring_in(*arguments, "--conflict", "rename") == (
        'study "stock": imported as "stock (2)" with 16 trials\n'
    )
    close(study)


@pytest.mark.django_db(transaction=True)
def test_postgresql_is_a_source(api: APIClient) -> None:
    create_study(api, name="ours")
    complete(api, "ours", suggest(api, "ours")["trial_id"], 1.5)
    url = stock_url(SCHEMA).replace("postgresql+psycopg:", "postgresql:")

    output = bring_in("--storage", url, "--study-name", "ours", "--conflict", "rename")

    assert output == 'study "ours": imported as "ours (2)" with 1 trials\n'
    assert stored(api, "ours (2)")["best_value"] == 1.5
    assert_in_sync("ours (2)")


# Refusals ------------------------------------------------------------------------------------


def _dynamic(study: optuna.Study) -> None:
    for high in (1.0, 2.0):
        space: Any = {"x": FloatDistribution(0, high)}
        study.add_trial(create_trial(params={"x": 0.5}, distributions=space, value=1.0))


def _without_parameters(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.FAIL))


def _with_nan(study: optuna.Study) -> None:
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    study.set_user_attr("loss", float("nan"))


def _queued_outside(study: optuna.Study) -> None:
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    study.enqueue_trial({"x": 7})


@pytest.mark.filterwarnings("ignore:.*is not JSON serializable")
@pytest.mark.parametrize(
    ("name", "fill", "reason"),
    [
        ("dynamic", _dynamic, 'study "dynamic": parameter "x" of trial 1 is distributed as'),
        ("bare", _without_parameters, 'study "bare": no trial has parameters'),
        ("a/b", _queued_outside, '"a/b" cannot be a name here'),
        ("nan", _with_nan, "the study has an attribute with NaN"),
        ("queued", _queued_outside, 'trial 1 is queued with parameter "x": 7 is not a number'),
    ],
)
def test_what_cannot_be_represented_is_refused(
    url: str, name: str, fill: Callable[[optuna.Study], None], reason: str
) -> None:
    first = new_stock_study(url, "first")
    first.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    study = new_stock_study(url, name)
    fill(study)

    with pytest.raises(CommandError, match=reason) as refused:
        bring_in("--storage", url)

    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 1
    assert not Study.objects.exists()
    close(first)
    close(study)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////nowhere/stock.db", "there is no file /nowhere/stock.db"),
        ("/nowhere/journal.log", "there is no file /nowhere/journal.log"),
        ("mysql://nobody@127.0.0.1/nothing", "the storage cannot be read: No module named"),
        ("postgresql://nobody@127.0.0.1:1/nothing", "the storage cannot be read: "),
        ("gopher://x", "the storage cannot be read: "),
    ],
)
def test_storage_that_cannot_be_read_is_a_line(url: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason) as refused:
        bring_in("--storage", url)
    assert "\n" not in str(refused.value)


def test_study_that_the_storage_has_not_is_a_line(url: str) -> None:
    close(new_stock_study(url))
    with pytest.raises(CommandError, match='the storage has no study "ghost"'):
        bring_in("--storage", url, "--study-name", "ghost")


def test_database_without_optunas_tables_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(CommandError, match=r"the storage cannot be read: .*no such table"):
        bring_in("--storage", f"sqlite:///{path}")
    assert path.stat().st_size == 0


@pytest.mark.parametrize("text", ["no journal\n\n", "[1]\n", "{}\n"])
def test_file_that_is_no_journal_is_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(CommandError, match="is no journal"):
        bring_in("--storage", str(path))
