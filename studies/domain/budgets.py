"""The budgets of a study: whether they fit it, and whether one is used up."""

from collections.abc import Mapping, Sequence
from typing import Any

from studies.enums import Duplicates, StudyState
from studies.errors import InvalidBudget
from studies.models import Study

SPACE_EXHAUSTED = "space_exhausted"
MAX_OBJECTIVES_TO_MEASURE = 4  # beyond, the hypervolume of a front takes seconds

_STOP = "stop_after_no_improvement"


def check_budgets(budgets: Mapping[str, Any], *, n_objectives: int, n_repeats: int) -> None:
    """Raise `InvalidBudget` if a budget does not fit the numbers of objectives and of repeats."""
    max_trials = budgets.get("max_trials")
    if max_trials is not None and max_trials < n_repeats:
        detail = f"max_trials is {max_trials}, but one point alone takes {n_repeats} repeats"
        raise InvalidBudget(detail, [(("max_trials",), detail)])
    if budgets.get("target_value") is not None and n_objectives > 1:
        detail = f"target_value is for one objective, and the study has {n_objectives}"
        raise InvalidBudget(detail, [(("target_value",), detail)])
    if (stop := budgets.get(_STOP)) is None:
        return
    if n_objectives > MAX_OBJECTIVES_TO_MEASURE:
        most = f"{_STOP} is for up to {MAX_OBJECTIVES_TO_MEASURE} objectives"
        detail = f"{most}, and the study has {n_objectives}"
        raise InvalidBudget(detail, [((_STOP,), detail)])
    if fault := _fault_of_point(stop["reference_point"], n_objectives):
        raise InvalidBudget(f"{_STOP}: {fault}", [((_STOP, "reference_point"), fault)])


def _fault_of_point(point: Sequence[float] | None, n_objectives: int) -> str | None:
    if n_objectives == 1:
        fault = "reference_point is for several objectives, and the study has one: leave it out"
        return None if point is None else fault
    if point is not None and len(point) == n_objectives:
        return None
    given = "none was given" if point is None else f"it has {len(point)}"
    return f"expected a reference_point of {n_objectives} numbers, one for each objective; {given}"


def counts_anew(study: Study, changes: Mapping[str, Any]) -> bool:
    """Return whether `stop_after_no_improvement` is set, or measures something else from now on."""
    before, now = study.stop_after_no_improvement, changes.get(_STOP)
    if now is None:
        return False
    return before is None or {**before, "trials": now["trials"]} != now


def used_up(study: Study) -> str | None:
    """Return the name of the first budget of a locked study that is used up, or None."""
    if study.max_failures is not None and study.n_failures >= study.max_failures:
        return "max_failures"
    if study.has_reached_target:
        return "target_value"
    if study.has_stopped_improving:
        return _STOP
    if study.deadline is not None and study.now >= study.deadline:
        return "deadline"
    if study.is_handed_out:
        return "max_trials"
    was_exhausted = study.state == StudyState.COMPLETED and study.state_reason == SPACE_EXHAUSTED
    return SPACE_EXHAUSTED if was_exhausted and study.duplicates == Duplicates.AVOID else None
