"""A study's trials as columns (arrays), so that samplers need not loop over trials in Python."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.constraints import total_violation

_EMPTY = 64


class TrialColumns:
    """The trials of a study as arrays, whose last index is the trial's number.

    The arrays grow by a quarter; only the first `n` elements of the last axis are in use.

    Attributes:
        internal_params: (parameters, n), in the order of the space; NaN if a trial has no value.
        values: (objectives, n); NaN until there is one.
        states: (n,), values of Optuna's TrialState.
        last_steps: (n,), the highest step that was reported; -1 if none was.
        last_step_values: (n,), the intermediate value of that step.
        pruning_direction: The direction of the intermediate values.
        violations: (n,), the sum of the positive constraint values; 0 is feasible.
    """

    def __init__(
        self, names: Sequence[str], n_objectives: int, pruning_direction: StudyDirection
    ) -> None:
        self.names = list(names)
        self._positions = {name: i for i, name in enumerate(self.names)}
        self.pruning_direction = pruning_direction
        self.n = 0
        self.n_finished = 0  # only the states that samplers learn from: COMPLETE and PRUNED
        self.in_all_finished = np.ones(len(self.names), dtype=bool)
        self.internal_params = np.full((len(self.names), _EMPTY), np.nan)
        self.values = np.full((n_objectives, _EMPTY), np.nan)
        self.states = np.full(_EMPTY, TrialState.WAITING.value, dtype=np.int8)
        self.last_steps = np.full(_EMPTY, -1, dtype=np.int64)
        self.last_step_values = np.full(_EMPTY, np.nan)
        self.violations = np.zeros(_EMPTY)

    def put(
        self, trials: Sequence[FrozenTrial], internal_params: Sequence[Sequence[float | None]]
    ) -> None:
        """Write new and changed trials. A finished trial never changes."""
        numbers = np.array([trial.number for trial in trials], dtype=int)
        self._grow(int(numbers.max(initial=-1)) + 1)
        params = np.array(internal_params, dtype=float).reshape(len(numbers), len(self.names))
        states = np.array([trial.state.value for trial in trials], dtype=np.int8)
        was_finished = is_learnt_from(self.states[numbers])
        is_finished = is_learnt_from(states)
        self.n_finished += int(np.count_nonzero(is_finished & ~was_finished))
        self.in_all_finished &= ~np.isnan(params[is_finished]).any(axis=0)
        self.internal_params[:, numbers] = params.T
        self.states[numbers] = states
        for trial in trials:
            if trial.values is not None:
                self.values[:, trial.number] = trial.values
            if trial.intermediate_values:
                last = max(trial.intermediate_values)
                self.last_steps[trial.number] = last
                self.last_step_values[trial.number] = trial.intermediate_values[last]
            if trial.system_attrs:
                self.violations[trial.number] = total_violation(trial.constraints.values())

    def rows_of(self, names: Iterable[str]) -> np.ndarray:
        """Return the rows of parameters in `internal_params`."""
        return np.array([self._positions[name] for name in names], dtype=int)

    def _grow(self, n: int) -> None:
        self.n = max(self.n, n)
        have = len(self.states)
        if n <= have:
            return
        have_then = max(n, have + have // 4)
        for name, empty in (
            ("internal_params", np.nan),
            ("values", np.nan),
            ("states", TrialState.WAITING.value),
            ("last_steps", -1),
            ("last_step_values", np.nan),
            ("violations", 0),
        ):
            column = getattr(self, name)
            grown = np.full((*column.shape[:-1], have_then), empty, dtype=column.dtype)
            grown[..., :have] = column
            setattr(self, name, grown)


class ColumnStorage(Protocol):
    """A storage of one study that keeps its committed trials in columns."""

    columns: TrialColumns | None

    def drafted_params(self) -> dict[int, Mapping[str, float]]:
        """Return the internal parameters, by number, of the trials that are not in the columns.

        They are RUNNING, and were sampled by this process.
        """


def is_learnt_from(states: np.ndarray) -> np.ndarray:
    """Return whether samplers learn from trials in `states` (trials,), values of TrialState."""
    return (states == TrialState.COMPLETE.value) | (states == TrialState.PRUNED.value)
