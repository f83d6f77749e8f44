"""Asking a study's pruner about a running trial before its reported values are stored."""

from collections.abc import Mapping

from optuna_bridge.drafts import running_trial
from optuna_bridge.pruners.pruning import PruningDecision, ask_pruner
from optuna_bridge.pruners.steps import changed_steps
from trials.models import Trial
from trials.sampling.session import SamplerSession


def decide_pruning(
    session: SamplerSession, number: int, steps: Mapping[int, float]
) -> PruningDecision | None:
    """Decide whether a running trial should be pruned, given that it also reports `steps`.

    The pruner decides by all that is committed.

    Returns:
        The decision; None if the study has no pruner, or one that reads no other trials
        (`decide_by_trial`), the trial is not running, or all values are already stored.
    """
    kind = session.pruner_kind
    if not (kind.reads_steps and kind.reads_trials):
        return None
    session.sync()
    trial = session.running_trial(number)
    if trial is None or not (changed := changed_steps(trial.intermediate_values, steps)):
        return None
    sampler = session.optuna_study.sampler
    return ask_pruner(session.pruner, session, trial, changed, kind=kind, sampler=sampler)


def decide_by_trial(
    session: SamplerSession, trial: Trial, stored: Mapping[int, float], steps: Mapping[int, float]
) -> PruningDecision | None:
    """Decide as `decide_pruning`, by the trial alone: the pruner reads no others.

    Args:
        session: The study's session; it reads nothing.
        trial: The locked trial.
        stored: Its intermediate values before the report.
        steps: The reported values.

    Returns:
        The decision; None if the study has no such pruner.
    """
    kind = session.pruner_kind
    if kind.reads_trials or not kind.reads_steps:
        return None
    before = running_trial(trial.number, trial.id, trial.system_attrs, dict(stored))
    sampler = session.optuna_study.sampler
    return ask_pruner(session.pruner, session, before, steps, kind=kind, sampler=sampler)
