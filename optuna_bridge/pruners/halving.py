"""Hyperband and successive halving: how they are built, and the steps of their rungs."""

from collections.abc import Iterator, Mapping
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

from optuna import Study
from optuna.pruners import HyperbandPruner, SuccessiveHalvingPruner


def build_hyperband(options: Mapping[str, Any]) -> HyperbandPruner:
    """Build the pruner with its brackets."""
    pruner = HyperbandPruner(**options)
    # Otherwise it creates its brackets at its first decision, which is not thread-safe. The study
    # is read only if max_resource is "auto", which the API does not accept.
    pruner._try_initialization(cast(Study, None))
    return pruner


def hyperband_rung_steps(pruner: HyperbandPruner, study_name: str, number: int) -> Iterator[int]:
    """Yield the first step of each rung of the trial's bracket."""
    study, trial = SimpleNamespace(study_name=study_name), SimpleNamespace(number=number)
    # Hyperband hashes the study's name and the trial's number, and nothing else.
    bracket = pruner._pruners[pruner._get_bracket_id(cast(Any, study), cast(Any, trial))]
    return halving_rung_steps(bracket, study_name, number)


def halving_rung_steps(
    pruner: SuccessiveHalvingPruner, study_name: str, number: int
) -> Iterator[int]:
    """Yield the first step of each rung, computed as in `SuccessiveHalvingPruner.prune`."""
    least = pruner._min_resource or 1
    for rung in count(pruner._min_early_stopping_rate):
        yield least * pruner._reduction_factor**rung


def first_rung_step(options: Mapping[str, Any]) -> tuple[int, str]:
    """Return the first step of the first rung, and the option that says so."""
    rate = options.get("min_early_stopping_rate", 0)
    return options["min_resource"] * options["reduction_factor"] ** rate, "min_resource"
