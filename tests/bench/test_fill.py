"""Generated studies for measurements are like studies that workers played, also in memory."""

import gc
import tracemalloc

import optuna
import pytest

from bench.fill import around_one_front, filled_study, one_objective, two_objectives
from tests.support.optuna_oracle import rdb_storage
from trials.projection.consistency import differences
from trials.sampling.session import SamplerSession

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("values", [one_objective, two_objectives, around_one_front(5)])
def test_filled_study_is_valid_for_optuna(values) -> None:
    study = filled_study("filled", 40, values=values)
    assert study.trial_counts["COMPLETE"] == study.n_trials == 40
    assert list(differences(study)) == []
    front = study.trials.filter(on_front=True).order_by("number").values_list("number", flat=True)
    with rdb_storage("optuna") as storage:
        loaded = optuna.load_study(study_name="filled", storage=storage)
        assert list(front) == sorted(trial.number for trial in loaded.best_trials)


def test_trial_of_ten_parameters_takes_two_kilobytes_in_memory() -> None:
    n = 2000
    history = SamplerSession(filled_study("held", n))
    gc.collect()
    tracemalloc.start()
    try:
        history.sync()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(history) == n
    assert held / n < 2000
