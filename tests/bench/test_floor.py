"""The floor of the measurements writes what the service writes."""

from contextlib import closing

import optuna
import pytest
from django.db import connection

from bench.floor import Floor, Sample, sample
from bench.relay import relay, target_of
from studies.models import Study
from tests.support.database import database_url
from tests.support.optuna_oracle import rdb_storage
from tests.support.study_builders import ask_trial, build_study, tell_trial
from trials.models import Trial
from trials.projection.consistency import differences

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study() -> Study:
    """A study whose first trial stays the best one."""
    study = build_study("floor", sampler="random")
    tell_trial(study, ask_trial(study).number, 0.0)
    return study


@pytest.fixture
def url(db: None) -> str:
    return database_url(connection.settings_dict["NAME"])


@pytest.fixture
def sampled(study: Study, url: str) -> Sample:
    return sample(
        url,
        lambda: (study.id, ask_trial(study).number),
        lambda number: tell_trial(study, number, 1.0),
    )


def test_floor_writes_trials_like_the_sampled_one(study: Study, url: str, sampled: Sample) -> None:
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


def test_floor_waits_twice_in_an_ask_and_in_a_tell(url: str, sampled: Sample) -> None:
    with (
        relay(*target_of(url), round_trip=0) as through,
        closing(Floor(through.url(url), sampled)) as floor,
    ):
        tell = floor.ask()
        assert through.turns() == 2
        tell()
        assert through.turns() == 4
