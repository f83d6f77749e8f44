"""Asking a study's pruner about a running trial, before what it reports is stored."""

from collections.abc import Mapping

from optuna_bridge.pruning import PruningDecision, ask_pruner
from trials.sampling.session import SamplerSession


def decide_pruning(
    session: SamplerSession, number: int, steps: Mapping[int, float]
) -> PruningDecision | None:
    """Decide whether a running trial should be pruned once it has reported `steps`, too.

    The pruner knows all that is committed.

    Returns:
        None where the study has no pruner, the trial does not run, or nothing of it is new.
    """
    if not session.has_pruner:
        return None
    session.sync()
    trial = session.running_trial(number)
    if trial is None or steps.keys() <= trial.intermediate_values.keys():
        return None
    sampler = session.optuna_study.sampler
    return ask_pruner(session.pruner, session, trial, steps, sampler=sampler)
