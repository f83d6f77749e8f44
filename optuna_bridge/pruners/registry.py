"""The pruners: a registry from name to Optuna's pruner, its options and its traits."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

from optuna import Study
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner

from optuna_bridge.options import Kind, Option
from optuna_bridge.pruners.steps import correct_rungs

NO_PRUNER = "none"  # prunes no trial; also used for studies that Optuna does not prune
_STEPS = 2**31 - 1


@dataclass(frozen=True)
class PrunerKind(Kind):
    """A kind of pruner: how Optuna's pruner is built from all its options, and its traits.

    Attributes:
        reads_steps: Whether it decides by intermediate values; if not, it is never asked.
        rung_steps: Yields, for the pruner and a trial's study name and number, the first step at
            which each rung can be completed; None if the pruner has no rungs.
        first_step: The option that is the first step at which a trial can be pruned, if any.
    """

    reads_steps: bool = True
    rung_steps: Callable[[Any, str, int], Iterator[int]] | None = None
    first_step: str | None = None


def _build_hyperband(options: Mapping[str, Any]) -> HyperbandPruner:
    pruner = HyperbandPruner(**options)
    # Otherwise it creates its brackets at its first decision, which is not thread-safe. The study
    # is read only if max_resource is "auto", which the API does not accept.
    pruner._try_initialization(cast(Study, None))
    return pruner


def _rung_steps(pruner: HyperbandPruner, study_name: str, number: int) -> Iterator[int]:
    """Yield the first step of each rung, computed as in `SuccessiveHalvingPruner.prune`."""
    study, trial = SimpleNamespace(study_name=study_name), SimpleNamespace(number=number)
    # Hyperband hashes the study's name and the trial's number, and nothing else.
    bracket = pruner._pruners[pruner._get_bracket_id(cast(Any, study), cast(Any, trial))]
    least = bracket._min_resource or 1
    for rung in count(bracket._min_early_stopping_rate):
        yield least * bracket._reduction_factor**rung


PRUNERS: dict[str, PrunerKind] = {
    "hyperband": PrunerKind(
        build=_build_hyperband,
        options={
            "min_resource": Option("int", 10, "The first step to prune at.", 1, _STEPS),
            "max_resource": Option("int", 1000, "The last step of a trial.", 1, _STEPS),
            "reduction_factor": Option("int", 3, "One in this many is promoted.", 2, 10**6),
            "bootstrap_count": Option(
                "int", 0, "Trials that a rung needs before any is promoted.", 0, 10**6
            ),
        },
        conflicts=lambda options: (
            [
                (
                    "max_resource",
                    f"max_resource ({options['max_resource']}) is below min_resource "
                    f"({options['min_resource']}); their defaults are 1000 and 10",
                )
            ]
            if options["max_resource"] < options["min_resource"]
            else []
        ),
        rung_steps=_rung_steps,
        first_step="min_resource",
    ),
    "median": PrunerKind(
        build=lambda options: MedianPruner(**options),
        options={
            "n_startup_trials": Option("int", 5, "Trials before any is pruned.", 0, 10**6),
            "n_warmup_steps": Option("int", 10, "Steps of a trial before it is pruned.", 0, _STEPS),
            "interval_steps": Option("int", 1, "Steps between two decisions.", 1, _STEPS),
            "n_min_trials": Option("int", 1, "Trials that must have the step.", 1, 10**6),
        },
        first_step="n_warmup_steps",
    ),
    NO_PRUNER: PrunerKind(build=lambda options: NopPruner(), options={}, reads_steps=False),
}


def build_pruner(name: str, options: Mapping[str, Any]) -> BasePruner:
    """Build a new pruner from all its options; threads may share it."""
    pruner: BasePruner = PRUNERS[name].build(options)
    return pruner


def corrected_attrs(
    name: str,
    options: Mapping[str, Any],
    attrs: Mapping[str, Any],
    *,
    study_name: str,
    number: int,
    old: Mapping[int, float],
    new: Mapping[int, float],
) -> dict[str, Any]:
    """Return a trial's system attributes after its intermediate values changed from old to new.

    Args:
        name: The name of the study's pruner.
        options: All options of the pruner.
        attrs: The trial's system attributes.
        study_name: The name of the study.
        number: The trial's number.
        old: Its intermediate values before.
        new: Its intermediate values now.
    """
    rung_steps = PRUNERS[name].rung_steps
    if rung_steps is None:
        return dict(attrs)
    return correct_rungs(
        attrs, rung_steps(build_pruner(name, options), study_name, number), old, new
    )
