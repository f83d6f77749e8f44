"""The system attributes that Optuna and its samplers set on trials and studies."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

# The fixed parameters of an enqueued trial.
FIXED_PARAMS = "fixed_params"

# The attribute of a study with the names of its objectives.
METRIC_NAMES = "study:metric_names"

# What drew a trial of a sampler that chooses among others.
SAMPLED_BY = "tuner:sampled_by"

# Attributes by which a sampler shares a trial's parameters with other processes while only some
# of them are stored. This service stores all parameters at once and does not need them.
TRANSIENT_ATTRIBUTES = ("tpe:relative_params", "gp:relative_params")

# The study attributes in which samplers store the trials that are the parents of a generation.
PARENTS = re.compile(r"\w+Sampler:parent:\d+")

# The attributes of a trial that say where a sampler placed it: CMA-ES's point, and the generation.
_PLACES = re.compile(r"x_for_tell|\w+:generation")


def without_place(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's attributes without its generation, and its place in the search space."""
    return {key: value for key, value in system_attrs.items() if not _PLACES.fullmatch(key)}


def known_params(
    trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]
) -> dict[str, float]:
    """Return what is certain of a trial that is drawn: parameters drawn before, or fixed.

    They are in Optuna's internal representation.
    """
    known = {**trial.params, **trial.system_attrs.get(FIXED_PARAMS, {})}
    return {
        name: distribution.to_internal_repr(known[name])
        for name, distribution in distributions.items()
        if name in known
    }


def keys_referring_to(study_attrs: Mapping[str, Any], trial_ids: Collection[int]) -> list[str]:
    """Return the keys of a study's attributes that list one of the ids, like NSGA-II's parents.

    Without such an attribute, its sampler finds its value again when it needs it.
    """
    return [
        key
        for key, value in study_attrs.items()
        if isinstance(value, list) and any(trial_id in value for trial_id in trial_ids)
    ]
