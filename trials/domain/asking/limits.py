"""How many trials an ask may hand out, and why it hands out none."""

from collections.abc import Mapping
from typing import Any

from studies.domain.lifecycle import refusal
from studies.domain.limits import n_trials_left, too_many_trials
from studies.enums import StudyState
from studies.errors import BudgetInFlight, FixedValuesExhausted, TooManyRunning
from studies.models import Study
from trials.domain.asking.running_limit import too_many_running
from tuner_project.errors import DomainError


def n_allowed(study: Study, n: int) -> int:
    """Return how many of n further trials the study's state and `max_concurrent` allow."""
    if study.state != StudyState.ACTIVE:
        return 0
    if study.max_concurrent is None:
        return n
    return max(0, min(n, study.max_concurrent - study.n_running))


def n_new_allowed(study: Study, n: int) -> int:
    """Return how many of n new trials the budgets allow, with all repeats of their points."""
    rooms = [n_trials_left(study)]
    if study.max_trials is not None:
        rooms.append(study.max_trials - study.n_counted)
    of_points = [room - room % study.n_repeats for room in rooms if room is not None]
    return min([n, *of_points])


def refusal_of_ask(
    study: Study, room: int, fixed: Mapping[str, Any], n_points_left: int | None
) -> DomainError:
    """Return the error that says why a study hands out no trials.

    Args:
        study: The study, locked.
        room: How many trials the actor may start.
        fixed: The values that the ask fixes.
        n_points_left: How many points with these values are unvisited; None if it is not limited.
    """
    error = refusal(study)
    if error is not None:
        return error
    if room == 0:
        return too_many_running()
    n_left = n_trials_left(study)
    if n_left is not None and n_left < study.n_repeats and (study.n_waiting == 0 or fixed):
        return too_many_trials(study)
    is_full = study.max_concurrent is not None and study.n_running >= study.max_concurrent
    if is_full and (study.n_waiting > 0 or not study.is_handed_out):
        return TooManyRunning(
            f'study "{study.name}" has {study.n_running} running trials, the maximum: try again'
        )
    if fixed and n_points_left == 0 and not study.is_handed_out:
        return _exhausted(study)
    if fixed and study.n_waiting > 0 and study.is_handed_out:
        return BudgetInFlight(
            f'what is left of study "{study.name}" waits in the queue, with other values than the '
            "fixed ones: try again, or ask without fixed"
        )
    return BudgetInFlight(
        f'all trials of study "{study.name}" are handed out; a running one may yet fail: try again'
    )


def _exhausted(study: Study) -> DomainError:
    """Return the error for fixed values whose points have all been visited.

    While trials run or wait, one of them may yet fail, and leave its point to be visited again.
    """
    if study.is_idle:
        return FixedValuesExhausted(
            f'study "{study.name}" avoids duplicates, and all its points with the fixed values '
            "have been visited: ask with others"
        )
    return BudgetInFlight(
        f'all points of study "{study.name}" with the fixed values are handed out; a running one '
        "may yet fail: try again"
    )
