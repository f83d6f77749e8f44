"""The queries by which a trial cache reads the trials that were written since it last did."""

from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q

from trials.models import Trial
from trials.models.querysets import TrialQuerySet
from tuner_project.db.prepared import Parameter, PreparedQuery

_FIRST_COLUMNS = ("revision", "study_attrs")
GROUP_COLUMNS = ("repeat_group", "group_state", "group_values", "group_constraints")
_COLUMNS = (
    "number",
    "id",
    "state",
    "has_run",
    "infeasible",
    "space_version",
    "values",
    "system_attrs",
)
_STEP_COLUMNS = ("steps", "step_values")


def _written() -> TrialQuerySet:
    """Return the study's trials that were written after a revision.

    They are in the order of the index, so that every query plan uses it and reads no other trials.
    """
    trials = Trial.objects.filter(study_id=Parameter("study"), revision__gt=Parameter("revision"))
    started = ExpressionWrapper(Q(datetime_start__isnull=False), output_field=BooleanField())
    return trials.annotate(has_run=started).order_by("revision")


_ALWAYS = {
    "is_holding": "EXISTS (SELECT FROM trials_trial WHERE study_id = %(study)s "
    # As in the partial index.
    "AND worker_id = %(worker)s AND state = 'RUNNING' AND worker_id <> '')",
    "space": "(SELECT search_space_version FROM studies_study WHERE id = %(study)s)",
}


def _query(*, with_steps: bool, with_groups: bool) -> PreparedQuery[Any]:
    columns = [
        *_FIRST_COLUMNS,
        *(GROUP_COLUMNS if with_groups else ()),
        *_COLUMNS,
        *(_STEP_COLUMNS if with_steps else ()),
        "internal_params",
    ]

    def build() -> Any:
        trials = _written().with_steps() if with_steps else _written()
        return trials.values_list(*columns)

    return PreparedQuery(build, always=_ALWAYS)


# By whether steps are read, and groups of repeats.
QUERIES = {
    (with_steps, with_groups): _query(with_steps=with_steps, with_groups=with_groups)
    for with_steps in (False, True)
    for with_groups in (False, True)
}
