"""The pruners: a registry from name to Optuna's pruner, its options and its traits."""

from collections.abc import Callable, Mapping
from typing import Any

from optuna.pruners import (
    BasePruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)

from optuna_bridge.options import Option
from optuna_bridge.pruners.halving import (
    build_hyperband,
    first_rung_step,
    halving_rung_steps,
    hyperband_rung_steps,
)
from optuna_bridge.pruners.kind import MAX_STEP, PATIENCE, PrunerKind
from optuna_bridge.pruners.patience import QuietPatientPruner
from optuna_bridge.pruners.steps import correct_rungs
from optuna_bridge.pruners.wilcoxon import WilcoxonPruner

NO_PRUNER = "none"  # prunes no trial; also used for studies that Optuna does not prune
_NO_AUTO = (
    'Optuna derives "auto" from the first trials that a process sees, so that processes would '
    "disagree"
)

_REDUCTION = "One in this many is promoted."
_BOOTSTRAP = Option("int", 0, "Trials that a rung needs before any is promoted.", 0, 10**6)
_WARMUP = Option("int", 10, "Steps of a trial before it is pruned.", 0, MAX_STEP)
_NO_WARMUP = Option("int", 0, "Steps of a trial before it is pruned.", 0, MAX_STEP)
_INTERVAL = Option("int", 1, "Steps between two decisions.", 1, MAX_STEP)
_OF_OTHERS = {
    "n_startup_trials": Option("int", 5, "Trials before any is pruned.", 0, 10**6),
    "n_warmup_steps": _WARMUP,
    "interval_steps": _INTERVAL,
    "n_min_trials": Option("int", 1, "Trials that must have the step.", 1, 10**6),
}


def _first(option: str) -> Callable[[Mapping[str, Any]], tuple[int, str]]:
    return lambda options: (options[option], option)


def _resource_conflicts(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    least, most = options["min_resource"], options["max_resource"]
    if most >= least:
        return []
    below = f"max_resource ({most}) is below min_resource ({least})"
    return [("max_resource", f"{below}; their defaults are 1000 and 10")]


def _threshold_conflicts(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    lower, upper = options["lower"], options["upper"]
    if lower is None and upper is None:
        return [("lower", "expected a number for lower, for upper, or for both")]
    if lower is not None and upper is not None and lower > upper:
        return [("upper", f"upper ({upper}) is below lower ({lower})")]
    return []


PRUNERS: dict[str, PrunerKind] = {
    "hyperband": PrunerKind(
        build=build_hyperband,
        options={
            "min_resource": Option("int", 10, "The first step to prune at.", 1, MAX_STEP),
            "max_resource": Option(
                "int", 1000, "The last step of a trial.", 1, MAX_STEP, not_auto=_NO_AUTO
            ),
            "reduction_factor": Option("int", 3, _REDUCTION, 2, 10**6),
            "bootstrap_count": _BOOTSTRAP,
        },
        conflicts=_resource_conflicts,
        rung_steps=hyperband_rung_steps,
        first_step=first_rung_step,
    ),
    "median": PrunerKind(
        build=lambda options: MedianPruner(**options),
        options=_OF_OTHERS,
        first_step=_first("n_warmup_steps"),
    ),
    NO_PRUNER: PrunerKind(
        build=lambda options: NopPruner(), options={}, reads_steps=False, takes_patience=False
    ),
    "successive_halving": PrunerKind(
        build=lambda options: SuccessiveHalvingPruner(**options),
        options={
            "min_resource": Option(
                "int", 10, "The first step to prune at.", 1, MAX_STEP, not_auto=_NO_AUTO
            ),
            "reduction_factor": Option("int", 4, _REDUCTION, 2, 10**6),
            # Beyond 30 no step would reach the first rung, whatever the reduction factor.
            "min_early_stopping_rate": Option(
                "int", 0, "Rungs that are left out at the beginning.", 0, 30
            ),
            "bootstrap_count": _BOOTSTRAP,
        },
        rung_steps=halving_rung_steps,
        first_step=first_rung_step,
    ),
    "percentile": PrunerKind(
        build=lambda options: PercentilePruner(**options),
        options={
            "percentile": Option("float", 25.0, "The percentage of trials to keep.", 0, 100),
            **_OF_OTHERS,
        },
        first_step=_first("n_warmup_steps"),
    ),
    "threshold": PrunerKind(
        build=lambda options: ThresholdPruner(**options),
        options={
            "lower": Option("float", None, "The least value that is not pruned."),
            "upper": Option("float", None, "The greatest value that is not pruned."),
            "n_warmup_steps": _NO_WARMUP,
            "interval_steps": _INTERVAL,
        },
        conflicts=_threshold_conflicts,
        reads_trials=False,
        first_step=_first("n_warmup_steps"),
    ),
    "wilcoxon": PrunerKind(
        build=lambda options: WilcoxonPruner(**options),
        options={
            "p_threshold": Option("float", 0.1, "The p-value below which to prune.", 0, 1),
            "n_startup_steps": Option(
                "int", 2, "Steps to compare before a trial is pruned: 2 or more.", 0, MAX_STEP
            ),
        },
        needs_best=True,
        # Steps are instances in any order: it takes so many of them, counted from 0.
        first_step=lambda options: (max(2, options["n_startup_steps"]) - 1, "n_startup_steps"),
    ),
    "patient": PrunerKind(
        build=lambda options: QuietPatientPruner(None, **options),
        options={
            "patience": Option(
                "int", 10, "Steps without improvement until a trial is pruned.", 0, MAX_STEP
            ),
            "min_delta": PATIENCE["min_delta"],
        },
        reads_trials=False,
        takes_patience=False,
    ),
}


def build_pruner(name: str, options: Mapping[str, Any]) -> BasePruner:
    """Build a new pruner from all its options; threads may share it."""
    return PRUNERS[name].make(options)


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
    rungs = PRUNERS[name].rungs(build_pruner(name, options), study_name, number)
    return dict(attrs) if rungs is None else correct_rungs(attrs, rungs, old, new)
