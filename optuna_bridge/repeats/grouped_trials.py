"""How samplers see a study with repeats: the trials that repeat one point appear as one.

It has the number, the id and the attributes of the group's first trial, and the group's state and
values. The other trials of the group appear as failed ones without parameters, from which samplers
learn nothing. Pruners see each trial as it is, since they compare curves.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from optuna.trial import FrozenTrial

from optuna_bridge.constraints import constraint_attrs, without_constraints
from optuna_bridge.drafts import CommittedTrial
from optuna_bridge.enums import Direction
from optuna_bridge.frozen_trials import NOTHING, frozen_trial
from optuna_bridge.repeats.aggregates import Repeats
from optuna_bridge.space.search_space import SearchSpace

INFEASIBLE, WAITING = "INFEASIBLE", "WAITING"


class Group(NamedTuple):
    """The group of a stored trial; of its first trial, also the group's result.

    `state` is Optuna's, or INFEASIBLE.
    """

    number: int | None  # of its first trial
    state: str = ""
    values: list[float] | None = None
    constraints: list[float] | None = None


class GroupedTrials:
    """The stored trials of a study with repeats, and what its sampler sees of them."""

    def __init__(
        self,
        space: SearchSpace,
        repeats: Repeats,
        constraints: Sequence[str],
        pruning_direction: str,
    ) -> None:
        self._space, self._repeats, self._constraints = space, repeats, constraints
        self._sign = Direction(pruning_direction).sign
        self._numbers: dict[int, set[int]] = defaultdict(set)  # of the trials of a group

    def put(self, trial: FrozenTrial, group: Group) -> None:
        """Take a stored trial that is new or has changed."""
        if group.number is not None:
            self._numbers[group.number].add(trial.number)

    def seen(
        self, committed: CommittedTrial, group: Group, stored: Sequence[FrozenTrial]
    ) -> CommittedTrial:
        """Return a trial as the sampler sees it.

        Args:
            committed: The trial as it is stored.
            group: Its group.
            stored: All stored trials, by number.
        """
        trial, params, _ = committed
        if group.number is None or group.state == WAITING:
            return committed
        if group.number != trial.number:
            nothing: list[float | None] = [None] * len(params)
            hidden = self._trial(trial, nothing, "FAIL", None, NOTHING)
            return CommittedTrial(hidden, nothing)
        named = dict(zip(self._constraints, group.constraints or (), strict=False))
        attrs = without_constraints(trial.system_attrs) | constraint_attrs(named)
        is_infeasible = group.state == INFEASIBLE
        state = "FAIL" if is_infeasible else group.state
        seen = self._trial(trial, params, state, group.values, attrs)
        if state == "PRUNED":
            members = (stored[number] for number in sorted(self._numbers[group.number]))
            curves = [each.intermediate_values for each in members if each.state == seen.state]
            seen.intermediate_values = self._repeats.of_steps(curves, self._sign)
        return CommittedTrial(seen, params, is_infeasible)

    def _trial(
        self,
        trial: FrozenTrial,
        params: Sequence[float | None],
        state: str,
        values: list[float] | None,
        attrs: dict[str, float],
    ) -> FrozenTrial:
        return frozen_trial(
            self._space, params, trial.number, trial._trial_id, state, values, attrs
        )
