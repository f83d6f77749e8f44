"""The traits of a kind of pruner that the service needs, besides the options in the API."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, PatientPruner

from optuna_bridge.options import Kind, Option
from optuna_bridge.pruners.patience import QuietPatientPruner

MAX_STEP = 2**31 - 1
PATIENCE: Mapping[str, Option] = {
    "patience": Option(
        "int",
        None,
        "Steps without improvement until the pruner is asked; null: it is always asked.",
        0,
        MAX_STEP,
    ),
    "min_delta": Option("float", 0.0, "How much worse the latest values have to be.", 0),
}


@dataclass(frozen=True)
class PrunerKind(Kind):
    """A kind of pruner: how Optuna's pruner is built from its own options, and its traits.

    The options of `PatientPruner`, which can be put around it, are added to its own.

    Attributes:
        reads_steps: Whether it decides by intermediate values; if not, it is never asked.
        reads_trials: Whether it compares a trial with others; if not, they are not read for it,
            and a decision must take microseconds, since it is made under the study's lock.
        needs_best: Whether it compares a trial with the best one, by the value of one objective.
        takes_patience: Whether `PATIENCE` can be put around it.
        rung_steps: Yields, for the pruner and a trial's study name and number, the first step at
            which each rung can be completed; None if the pruner has no rungs.
        first_step: Returns the first step at which a trial can be pruned, and the option that says
            so; None if there is none.
    """

    reads_steps: bool = True
    reads_trials: bool = True
    needs_best: bool = False
    takes_patience: bool = True
    rung_steps: Callable[[Any, str, int], Iterator[int]] | None = None
    first_step: Callable[[Mapping[str, Any]], tuple[int, str]] | None = None

    def __post_init__(self) -> None:
        if self.takes_patience:
            object.__setattr__(self, "options", {**self.options, **PATIENCE})

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options; those of patience are left out if there is none.

        So a study without it is stored as earlier versions do, which may run beside this one.
        """
        options = super().complete(given)
        if self.takes_patience and options["patience"] is None:
            return {name: each for name, each in options.items() if name not in PATIENCE}
        return options

    def faults(self, given: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (option, fault) for each of the given options that is not valid."""
        named = {name for name, each in given.items() if name in PATIENCE and each is not None}
        if not self.takes_patience and (unknown := named - self.options.keys()):
            fault = "there is no pruner to be asked later; to stop by patience alone, use patient"
            return [(name, f"unknown option: {fault}") for name in sorted(unknown)]
        if self.takes_patience and named == {"min_delta"}:
            return [("min_delta", "min_delta needs patience: give both, or neither")]
        return super().faults(given)

    def make(self, options: Mapping[str, Any]) -> BasePruner:
        """Build a new pruner from all its options."""
        own = dict(options)
        outer = {name: own.pop(name) for name in PATIENCE if name in own and self.takes_patience}
        with warnings.catch_warnings():
            # The API deliberately offers these pruners, which Optuna calls experimental.
            warnings.simplefilter("ignore", ExperimentalWarning)
            pruner: BasePruner = self.build(own)
            return QuietPatientPruner(pruner, **outer) if outer else pruner

    def rungs(self, pruner: BasePruner, study_name: str, number: int) -> Iterator[int] | None:
        """Return the first step of each of a trial's rungs; None if the pruner has no rungs."""
        if self.rung_steps is None:
            return None
        inner = pruner._wrapped_pruner if isinstance(pruner, PatientPruner) else pruner
        return self.rung_steps(inner, study_name, number)

    def first_step_of(self, options: Mapping[str, Any]) -> tuple[int, str] | None:
        """Return the first step at which a trial can be pruned, and the option that says so."""
        first = None if self.first_step is None else self.first_step(options)
        if options.get("patience") is None:
            return first
        # So many steps, one before them and one to compare with, counted from 0.
        by_patience = options["patience"] + 1, "patience"
        return by_patience if first is None else max(first, by_patience)
