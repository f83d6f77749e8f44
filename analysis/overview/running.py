"""The studies that run now, with their pace, expected end and best value."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.overview.activity import Activity
from analysis.overview.best_curves import Curve, best_curves
from analysis.progress import Progress, rates_of
from studies.models import Study

# What may have a megabyte, and is not shown.
UNSHOWN = (
    "search_space",
    "distributions",
    "current_space",
    "parameter_constraints",
    "user_attrs",
    "created_with",
    "best_internal_params",
    "state_history",
)


@dataclass(frozen=True)
class RunningStudy:
    """A study with running trials, without what `UNSHOWN` names."""

    activity: Activity
    progress: Progress
    curve: Curve  # of one objective

    @property
    def study(self) -> Study:
        return self.progress.study


def running_studies(found: Sequence[Activity]) -> list[RunningStudy]:
    """Return these studies in this order, in three statements; deleted ones are left out."""
    ids = [each.study_id for each in found]
    studies = Study.objects.defer(*UNSHOWN).in_bulk(ids)
    rates, curves = rates_of(list(studies.values())), best_curves(list(studies.values()))
    return [
        RunningStudy(
            activity,
            Progress.at_rate(studies[activity.study_id], rates[activity.study_id]),
            curves.get(activity.study_id, []),
        )
        for activity in found
        if activity.study_id in studies
    ]
