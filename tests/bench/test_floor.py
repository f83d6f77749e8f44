"""The floor of the measurements writes what the service writes."""

from contextlib import closing

import optuna
import pytest
from django.db import connection

from bench.floor import Floor, sample
from tests.support.database import database_url
from tests.support.optuna_oracle import rdb_storage
from tests.support.study_builders import ask_trial, build_study, tell_trial
from trials.models import Trial
from trials.projection.consistency import differences

pytestmark = pytest.mark.django_db(transaction=True)


def test_floor_writes_trials_like_the_sampled_one() -> None:
    study = build_study("floor", sampler="random")
    tell_trial(study, ask_trial(study).number, 0.0)
    url = database_url(connection.settings_dict["NAME"])
    sampled = sample(
        url,
        lambda: (study.id, ask_trial(study).number),
        lambda number: tell_trial(study, number, 1.0),
    )
    with closing(Floor(url, sampled)) as floor:
        tells = [floor.ask() for _ in range(3)]
        for tell in tells[:2]:
            tell()

    study.refresh_from_db()
    assert (study.n_complete, study.n_running, study.n_trials) == (4, 1, 5)
    assert list(differences(study)) == []
    of_sample, copied = (Trial.objects.get(study=study, number=number) for number in (1, 2))
    own = {"id", "number", "_state"}
    assert _without(vars(copied), own) == _without(vars(of_sample), own)
    with rdb_storage("optuna") as storage:
        stored = optuna.load_study(study_name="floor", storage=storage).trials
    assert [trial.state.name for trial in stored] == ["COMPLETE"] * 4 + ["RUNNING"]
    assert stored[3].params == stored[1].params


def _without(values: dict[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in names}
