"""Journals with random studies, as many oddities as Optuna allows: each is imported whole."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest
from django.core.management import call_command
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState
from rest_framework.test import APIClient

from tests.support.optuna_oracle import create_optuna_study, load_optuna_study, run_import_study
from tests.support.transfer_files import delete_study, export_study, import_file

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:.*is not JSON serializable"),
    pytest.mark.filterwarnings("ignore:Choices for a categorical distribution"),
]

N_RANDOM = 6
EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001  (Optuna's are naive)
CHOICES: list[Any] = ["a", "1", 1, 1.0, True, False, None, 0.5, [1], (1, "x"), {"k": 1}, 2**60]
CHOICES += [math.nan, math.inf, "[1]", "true", "ü", ""]
NUMBERS = [0.0, 1.0, -1.0, 0.1 + 0.2, 1e-8, 1e12, 2.5, 3.0]
ODD_NUMBERS = [*NUMBERS, math.inf, -math.inf, math.nan]


class RandomTrials:
    """Trials with parameters x, n and c, whose distributions change, or stay as the first one."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.changes = random.random() < 0.5
        self.n_objectives = random.choice([1, 1, 2])
        self.space = {name: self.distribution() for name in ("x", "n", "c")}

    def distribution(self) -> BaseDistribution:
        match self.random.choice(["float", "log", "step", "int", "int log", "choices"]):
            case "float":
                low, high = sorted(self.random.sample(NUMBERS, 2))
                return FloatDistribution(low, high)
            case "log":
                low, high = sorted(self.random.sample([0.1, 1.0, 1e3], 2))
                return FloatDistribution(low, high, log=True)
            case "step":
                return FloatDistribution(self.random.choice([0.0, 0.25]), 2.25, step=0.25)
            case "int":
                first, step = self.random.randrange(-5, 5), self.random.randrange(1, 4)
                return IntDistribution(first, first + step * self.random.randrange(9), step=step)
            case "int log":
                return IntDistribution(1, self.random.choice([2, 64]), log=True)
        return CategoricalDistribution(self.random.sample(CHOICES, self.random.randrange(1, 6)))

    def trial(self) -> FrozenTrial:
        state = self.random.choice(list(TrialState))
        space = {
            name: self.distribution() if self.changes and self.random.random() < 0.2 else each
            for name, each in self.space.items()
            if self.random.random() < 0.9
        }
        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            values=self.values(state),
            datetime_start=self.moment(),
            datetime_complete=self.moment() if state.is_finished() else None,
            params={name: self.value(each) for name, each in space.items()},
            distributions=space,
            user_attrs={"": self.random.choice([math.nan, [math.inf], {"a": 1}])},
            system_attrs=self.system_attrs(state),
            intermediate_values={
                self.random.choice([0, 1, 5, 2**40]): self.random.choice(ODD_NUMBERS)
                for _ in range(self.random.randrange(3))
            },
        )

    def moment(self) -> datetime | None:
        if self.random.random() < 0.1:
            return None
        return EPOCH + timedelta(hours=self.random.randrange(99))

    def value(self, distribution: Any) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return self.random.choice(distribution.choices)
        if self.random.random() < 0.9:
            return self.random.choice([distribution.low, distribution.high])
        odd: float = self.random.choice([*NUMBERS, math.inf])
        if isinstance(distribution, IntDistribution):
            odd = self.random.randrange(-20, 99)
        return abs(odd) + 1 if distribution.log else odd

    def values(self, state: TrialState) -> list[float] | None:
        n = self.n_objectives if self.random.random() < 0.9 else 3
        if state in (TrialState.COMPLETE, TrialState.PRUNED) or self.random.random() < 0.2:
            return [self.random.choice(ODD_NUMBERS) for _ in range(n)]
        return None

    def system_attrs(self, state: TrialState) -> dict[str, Any]:
        attrs: dict[str, Any] = {
            f"constraints:{name}": self.random.choice(ODD_NUMBERS) for name in "ab"
        }
        attrs |= {"failed_trial": 3, "retry_history": [1, 3], "nan": math.nan, "other": [1]}
        attrs = {key: value for key, value in attrs.items() if self.random.random() < 0.3}
        if state == TrialState.WAITING:
            fixed = {"x": self.random.choice([*ODD_NUMBERS, "a"]), "y": 1, "c": "a"}
            attrs["fixed_params"] = fixed
        return attrs


def fill(study: optuna.Study, trials: RandomTrials, n: int) -> None:
    for _ in range(n):
        study._storage.create_new_trial(study._study_id, trials.trial())


@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_random_study_is_imported_whole(api: APIClient, tmp_path: Path, seed: int) -> None:
    trials = RandomTrials(Random(seed))
    url = f"{tmp_path}/stock.log"
    study = create_optuna_study(url, directions=["minimize"] * trials.n_objectives)
    fill(study, trials, 12)

    run_import_study("--storage", url, "--running", "keep" if seed % 2 else "fail")

    call_command("check_optuna")
    ours = load_optuna_study("stock")
    for theirs, trial in zip(study.trials, ours.trials, strict=True):
        assert_kept(theirs, trial)
    file = export_study(api, "stock")
    delete_study(api, "stock")
    import_file(api, file)
    assert export_study(api, "stock") == file


def assert_kept(theirs: FrozenTrial, trial: FrozenTrial) -> None:
    """The results and parameters are those of the source, unless a rule leaves them out."""
    if trial.state == TrialState.COMPLETE:
        assert (theirs.state, theirs.values) == (TrialState.COMPLETE, trial.values)
    for name, value in trial.params.items():
        assert_same_value(theirs.params[name], value)


def assert_same_value(theirs: Any, ours: Any) -> None:
    if isinstance(ours, str) or isinstance(theirs, str | list | dict | None):
        return  # perhaps its JSON
    assert theirs == ours
