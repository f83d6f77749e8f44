"""The groups of trials that repeat one point, and the result that each has as a whole.

All trials of a group have its first trial's number as `repeat_group`. This first trial also keeps
the group's result (`group_state` and so on), by which samplers, the best trial, the Pareto front
and `stop_after_no_improvement` go. It depends only on the group's trials as they are now.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import F, Q, QuerySet

from optuna_bridge.constraints import total_violation
from optuna_bridge.repeats.aggregates import Repeats
from studies.models import Study
from trials.models.abstract_trial import AbstractTrial
from trials.models.repeat_fields import GroupState

# What `settle` reads of trials: a batch of results may change many groups.
READ = (
    "id",
    "study",
    "number",
    "state",
    "values",
    "internal_params",
    "constraints",
    "infeasible",
    "datetime_start",
    "on_front",
    "repeat_group",
    "group_state",
    "group_values",
    "group_constraints",
    "revision",
)
MEMBERS_AT_A_TIME = 10_000  # which are in memory; a batch may have results of very many groups
_RESULTS = (GroupState.COMPLETE, GroupState.PRUNED, GroupState.INFEASIBLE)


@dataclass
class Settled:
    """How the groups of a study change with some of their trials.

    Attributes:
        leaders: The first trials of the groups whose results have changed.
        results: Those of them whose groups have a result now, and had none.
        has_lost: Whether a group that was the best or on the front has another result, or none.
    """

    leaders: list[AbstractTrial] = field(default_factory=list)
    results: list[AbstractTrial] = field(default_factory=list)
    has_lost: bool = False


def settle(
    study: Study, trials: "QuerySet[AbstractTrial]", changed: Sequence[AbstractTrial]
) -> Settled:
    """Set the results of the groups of changed trials on their first trials, in this order.

    Args:
        study: The locked study, which has repeats; its best trial is updated if it has one
            objective.
        trials: All trials of the study, as they are stored.
        changed: Trials as they are to be stored.
    """
    every = [each.repeat_group for each in changed if each.repeat_group is not None]
    order = list(reversed(dict.fromkeys(reversed(every))))  # by the trials that came last
    size, settled = groups_at_a_time(study), Settled()
    for first in range(0, len(order), size):
        part = order[first : first + size]
        found = {each.id: each for each in counting(study, trials.filter(repeat_group__in=part))}
        groups = by_group([*(found | {each.id: each for each in changed}).values()])
        for group in part:
            settle_group(settled, groups[group])
    mark_front(study, settled)
    return settled


def groups_at_a_time(study: Study) -> int:
    """Return of how many groups the trials are read at a time."""
    return max(1, MEMBERS_AT_A_TIME // study.n_repeats)


def counting(study: Study, trials: "QuerySet[AbstractTrial]") -> list[AbstractTrial]:
    """Read those of a study's trials on which the results of their groups depend.

    Failed trials do not count, and may be many.
    """
    these = ~Q(state=GroupState.FAIL) | Q(infeasible=True) | Q(number=F("repeat_group"))
    found = list(trials.filter(these).only(*READ))
    for each in found:
        each.study = study
    return found


def by_group(trials: Sequence[AbstractTrial]) -> Mapping[int | None, list[AbstractTrial]]:
    """Return the trials by their group."""
    found: dict[int | None, list[AbstractTrial]] = defaultdict(list)
    for each in trials:
        found[each.repeat_group].append(each)
    return found


def settle_group(settled: Settled, members: Sequence[AbstractTrial]) -> None:
    """Set the result of a group on its first trial, and add it to `settled` if it has changed."""
    leader = next(each for each in members if each.is_leader)
    before = leader.group_state, leader.group_values, leader.group_constraints
    set_result(leader, members)
    if before == (leader.group_state, leader.group_values, leader.group_constraints):
        return
    settled.leaders.append(leader)
    if leader.on_front:
        leader.on_front, settled.has_lost = False, True
    if leader.group_state in _RESULTS and before[0] not in _RESULTS:
        settled.results.append(leader)


def mark_front(study: Study, settled: Settled) -> None:
    """Mark the groups that may be the study's best one, or on its Pareto front, by their leaders.

    If the front has lost one, it has to be found again instead.
    """
    for leader in () if settled.has_lost else settled.leaders:
        values = leader.judged_values
        if values is not None and leader.is_judged_feasible:
            leader.on_front = study.may_be_best(values, leader.number)
            if leader.on_front and not study.is_multi_objective:
                study.remember_best(leader.number, values, leader.internal_params)


def set_result(leader: AbstractTrial, members: Iterable[AbstractTrial]) -> None:
    """Set the result of a group on its first trial.

    A group is open while one of its trials waits or runs. After that it is COMPLETE if more of them
    completed than were pruned or infeasible: otherwise the few that survived would make it look
    too good. Trials that failed for another reason do not count.
    """
    repeats = Repeats(**leader.study.repeats)
    every = list(members)
    by_state: dict[str, list[AbstractTrial]] = defaultdict(list)
    for each in sorted(every, key=lambda trial: trial.number):
        by_state["INFEASIBLE" if each.infeasible else each.state].append(each)
    leader.group_state = _state(every, {state: len(each) for state, each in by_state.items()})
    leader.group_values = leader.group_constraints = None
    counted = by_state[leader.group_state]
    if leader.group_state in (GroupState.COMPLETE, GroupState.PRUNED):
        values = [each.values for each in counted if each.values is not None]
        constraints = [each.constraints for each in counted if each.constraints is not None]
        if values:
            leader.group_values = repeats.of(values, leader.study.signs)
        if constraints:
            leader.group_constraints = repeats.of_constraints(constraints)
    leader.group_violation = total_violation(leader.group_constraints or ())


def _state(members: Sequence[AbstractTrial], n: dict[str, int]) -> GroupState:
    if n.get("WAITING") or n.get("RUNNING"):
        has_started = any(each.datetime_start is not None for each in members)
        return GroupState.RUNNING if has_started else GroupState.WAITING
    complete, pruned, infeasible = (
        n.get(state, 0) for state in (GroupState.COMPLETE, GroupState.PRUNED, GroupState.INFEASIBLE)
    )
    if complete > pruned + infeasible:
        return GroupState.COMPLETE
    if infeasible:
        return GroupState.INFEASIBLE
    return GroupState.PRUNED if pruned else GroupState.FAIL


def begin_group(trials: Sequence[AbstractTrial]) -> None:
    """Make new trials with the same parameters the repeats of one point."""
    leader = trials[0]
    for index, trial in enumerate(trials):
        trial.repeat_group, trial.repeat_index = leader.number, index
    set_result(leader, trials)


def is_open(trial: AbstractTrial) -> bool:
    """Return whether trials of a group, given by its first, wait or run."""
    return trial.group_state in (GroupState.WAITING, GroupState.RUNNING)
