"""Trials that are drawn but not committed."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial

from studies.samplers import TRANSIENT_ATTRIBUTES
from trials.models import Trial

if TYPE_CHECKING:
    from trials.history import History

FIXED_PARAMS = "fixed_params"  # Optuna's name of what is fixed of a queued trial


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


class Surprised(Exception):
    """What is found under the lock is not what was planned for: undo it and plan again."""


@dataclass
class Plan:
    """What an ask would hand out, drawn without a lock: a guess at what it will find there."""

    revision: int  # of the study, as it was known
    queued: dict[int, Draft] = field(default_factory=dict)  # by number of the WAITING trial
    new: list[Draft] = field(default_factory=list)

    def draft_of(self, trial: Trial, history: "History") -> Draft | None:
        """The draft of a trial from the queue; None: it was not planned for."""
        if trial.number not in self.queued and history.needs_number:
            self.queued[trial.number] = history.sample_numbered(trial.number, fixed=trial.params)
        return self.queued.get(trial.number)

    def new_draft(self, index: int, number: int, history: "History") -> Draft:
        """The draft of a new trial, drawn again where its number decides the point."""
        planned = self.new[index] if index < len(self.new) else None
        if planned is not None and not (history.is_seeded and planned.trial.number != number):
            return planned
        draft = history.sample_numbered(number, instead_of=planned)
        self.new[index : index + 1] = [draft]
        return draft

    def close(self) -> None:
        for draft in (*self.queued.values(), *self.new):
            draft.is_over = True
