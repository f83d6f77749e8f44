"""Attributes of a study that refer to trials whose results are corrected."""

from collections.abc import Sequence

from optuna_bridge.system_attrs import keys_referring_to
from studies.models import Study
from trials.models import Trial


def forget_in_study_attrs(study: Study, trials: Sequence[Trial]) -> None:
    """Remove the attributes that refer to the points of trials; the sampler finds them anew.

    Samplers know a point by its first trial.
    """
    found = Trial.objects.filter(study_id=study.id)
    points = found.filter(number__in={each.point_number for each in trials})
    ids = set(points.values_list("id", flat=True))
    stored = found.filter(study_attrs__isnull=False).values_list("study_attrs", flat=True)
    keys = {key for attrs in stored for key in keys_referring_to(attrs, ids)}
    if keys:
        Trial.objects.remove_study_attrs(study, sorted(keys))
