"""The pruners: a registry from name to Optuna's pruner, its options and its traits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from optuna import Study
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner

from optuna_bridge.options import Kind, Option

NO_PRUNER = "none"  # prunes no trial; also used for studies that Optuna does not prune
_STEPS = 2**31 - 1


@dataclass(frozen=True)
class PrunerKind(Kind):
    """A kind of pruner: how Optuna's pruner is built from all its options, and its traits.

    Attributes:
        reads_steps: Whether it decides by intermediate values; if not, it is never asked.
    """

    reads_steps: bool = True


def _build_hyperband(options: Mapping[str, Any]) -> HyperbandPruner:
    pruner = HyperbandPruner(**options)
    # Otherwise it creates its brackets at its first decision, which is not thread-safe. The study
    # is read only if max_resource is "auto", which the API does not accept.
    pruner._try_initialization(cast(Study, None))
    return pruner


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
    ),
    "median": PrunerKind(
        build=lambda options: MedianPruner(**options),
        options={
            "n_startup_trials": Option("int", 5, "Trials before any is pruned.", 0, 10**6),
            "n_warmup_steps": Option("int", 10, "Steps of a trial before it is pruned.", 0, _STEPS),
            "interval_steps": Option("int", 1, "Steps between two decisions.", 1, _STEPS),
            "n_min_trials": Option("int", 1, "Trials that must have the step.", 1, 10**6),
        },
    ),
    NO_PRUNER: PrunerKind(build=lambda options: NopPruner(), options={}, reads_steps=False),
}


def build_pruner(name: str, options: Mapping[str, Any]) -> BasePruner:
    """Build a new pruner from all its options; threads may share it."""
    pruner: BasePruner = PRUNERS[name].build(options)
    return pruner
