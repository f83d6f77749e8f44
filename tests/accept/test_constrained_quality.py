"""Constraints between parameters: as good as rejecting by hand, with the same evaluations.

By hand means a study without constraints, whose infeasible suggestions are failed as infeasible, so
that its sampler learns from them, too; only the trials that are evaluated count.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support import scaled
from tests.support.study_builders import COMMAND, ask_trial, build_study, named, tell_trial
from trials import domain
from trials.domain import TrialResult

pytestmark = [pytest.mark.accept, pytest.mark.django_db(transaction=True)]

Params = Mapping[str, Any]
NAMES = ["a", "b", "c", "d"]
SPACE = [{"type": "float", "name": name, "low": 0.0, "high": 1.0} for name in NAMES]
TARGET = np.array([0.45, 0.35, 0.2, 0.1])
# The constraint, whether it holds, and the least loss that it allows: the target is outside.
PARTS: dict[str, tuple[str, Callable[[Params], bool], float]] = {
    "half": ("a < c and a + b < 1.2", lambda p: p["a"] < p["c"] and p["a"] + p["b"] < 1.2, 0.03125),
    "hundredth": ("a + b + c + d <= 0.7", lambda p: sum(p.values()) <= 0.7, 0.04),
}
N_EVALUATED = 30
MAX_ASKS = 4000


def loss(params: Params) -> float:
    return float(((np.array([params[name] for name in NAMES]) - TARGET) ** 2).sum())


def study_of(name: str, sampler: str, seed: int, texts: Sequence[str]) -> Study:
    return build_study(
        name,
        space=SPACE,
        sampler=sampler,
        sampler_options={"seed": seed},
        pruner="none",
        direction="minimize",
        parameter_constraints=texts,
    )


def best_by_service(sampler: str, part: str, seed: int) -> float:
    text, holds, _ = PARTS[part]
    study, losses = study_of(f"{sampler} {part} {seed}", sampler, seed, [text]), []
    for _ in range(N_EVALUATED):
        trial = ask_trial(study)
        assert holds(trial.params)
        losses.append(loss(trial.params))
        tell_trial(study, trial.number, losses[-1])
    return min(losses)


def best_by_hand(sampler: str, part: str, seed: int) -> float:
    _, holds, _ = PARTS[part]
    study, losses = study_of(f"{sampler} {part} {seed} by hand", sampler, seed, []), []
    for _ in range(MAX_ASKS):
        trial = ask_trial(study)
        if holds(trial.params):
            losses.append(loss(trial.params))
            tell_trial(study, trial.number, losses[-1])
        else:
            failed = TrialResult(state=TrialState.FAIL, infeasible=True)
            domain.tell(actor=COMMAND, named=named(study), number=trial.number, result=failed)
        if len(losses) == N_EVALUATED:
            break
    return min(losses, default=1.0)


# By hand, a hundredth takes some 3,000 asks, which is too long for slow samplers.
SAMPLERS = {
    "half": (["random", "qmc", "tpe", "gp", "auto", "nsgaii", "cmaes"], scaled(11, 3)),
    "hundredth": (["random", "tpe", "cmaes"], scaled(5, 2)),
}


@pytest.mark.parametrize(
    ("part", "sampler"), [(part, each) for part, (names, _) in SAMPLERS.items() for each in names]
)
def test_best_value_is_no_worse_than_by_hand(part: str, sampler: str) -> None:
    seeds, least = range(SAMPLERS[part][1]), PARTS[part][2]
    ours = [best_by_service(sampler, part, seed) - least for seed in seeds]
    by_hand = [best_by_hand(sampler, part, seed) - least for seed in seeds]
    print(f"{sampler} {part}: {np.median(ours):.5f}, by hand {np.median(by_hand):.5f}")
    assert np.median(ours) <= 1.25 * np.median(by_hand) + 0.001
