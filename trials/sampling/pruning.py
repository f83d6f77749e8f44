"""Asking a study's pruner about a running trial before its reported values are stored."""

from collections.abc import Mapping

from optuna_bridge.pruners.pruning import PruningDecision, ask_pruner
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.pruners.steps import changed_steps
from trials.sampling.session import SamplerSession


def decide_pruning(
    session: SamplerSession, number: int, steps: Mapping[int, float]
) -> PruningDecision | None:
    """Decide whether a running trial should be pruned, given that it also reports `steps`.

    The pruner decides by all that is committed.

    Returns:
        The decision; None if the study has no pruner, the trial is not running, or all values are
        already stored.
    """
    if not session.has_pruner:
        return None
    session.sync()
    trial = session.running_trial(number)
    if trial is None or not (changed := changed_steps(trial.intermediate_values, steps)):
        return None
    kind, sampler = PRUNERS[session.study.pruner], session.optuna_study.sampler
    return ask_pruner(session.pruner, session, trial, changed, kind=kind, sampler=sampler)
