"""Trials that are drawn but not committed."""

from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from optuna_bridge.system_attrs import FIXED_PARAMS, TRANSIENT_ATTRIBUTES


@dataclass(eq=False)
class Draft:
    """A trial that is sampled but not committed. Other asks of this process see it RUNNING."""

    trial: FrozenTrial
    study_attrs: dict[str, Any] = field(default_factory=dict)
    number: int | None = None  # the one it got, once it is reserved
    is_over: bool = False  # committed, or never will be
    is_repeated: bool = False  # its point is taken, and there is no other
    is_fixed: bool = False  # in some or all parameters
    is_known: bool = False  # committed as far as is known, or never will be

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What the sampler noted on the trial, to be stored with it."""
        return {
            key: value
            for key, value in self.trial.system_attrs.items()
            if not key.startswith(TRANSIENT_ATTRIBUTES) and key != FIXED_PARAMS
        }


class PlanInvalidated(Exception):
    """What is found under the lock is not what was planned for: undo it and plan again."""
