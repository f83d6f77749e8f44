"""Constraints are stored, read and summed as Optuna does."""

from typing import Any

import pytest
from optuna.samplers._tpe.sampler import _get_infeasible_trial_score
from optuna.trial import FrozenTrial, TrialState, create_trial

from optuna_bridge.constraints import constraint_attrs, constraints_of, total_violation


def trial_with(system_attrs: dict[str, Any]) -> FrozenTrial:
    return create_trial(state=TrialState.COMPLETE, value=0.0, system_attrs=system_attrs)


@pytest.mark.parametrize(
    "constraints",
    [{}, {"load": 0.0}, {"load": -0.0, "size": -3.5}, {"a": 0.1, "b": 0.2, "a b/c": 0.3, "d": -1}],
)
def test_constraints_are_read_and_summed_as_optuna_does(constraints: dict[str, float]) -> None:
    attrs = constraint_attrs(constraints)
    trial = trial_with({"nsga2:generation": 1, **attrs})
    assert trial.constraints == constraints_of(attrs) == constraints
    assert total_violation(constraints.values()) == _get_infeasible_trial_score(trial)


def test_constraints_of_an_old_list_are_named_by_position() -> None:
    attrs = {"constraints": [1.5, -1.0]}
    assert constraints_of(attrs) == trial_with(attrs).constraints == {"0": 1.5, "1": -1.0}
