"""How TPE models parameters that not all trials have: in groups that occur together."""

from collections.abc import Mapping
from typing import Any

from optuna_bridge.samplers.kind import Options, StudyTraits
from optuna_bridge.samplers.tpe.sampler import ColumnTPESampler
from optuna_bridge.space.search_space import SearchSpace


def build(space: SearchSpace, options: Mapping[str, Any]) -> ColumnTPESampler:
    """Build the sampler of a search space."""
    return ColumnTPESampler(space.distributions, **_grouped(space, options))


def effective_options(study: StudyTraits) -> Options:
    """Return all options with what `multivariate: null` and conditions stand for."""
    options = _grouped(study.space, study.options)
    if options.get("multivariate") is not None:
        return options
    is_joint = bool(options.get("group")) or study.n_objectives == 1
    return {**options, "multivariate": is_joint}


def _grouped(space: SearchSpace, options: Options) -> Options:
    """Return the options with which a space is modelled.

    With conditions, to model parameters jointly is to model them in groups: all others would be
    drawn independently.
    """
    if not space.is_conditional or options.get("multivariate") is False:
        return options
    return {**options, "multivariate": True, "group": True}
