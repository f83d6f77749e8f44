"""The model of studies, and their look-up by name."""

from studies.models.named_study import NamedStudy, check_seen
from studies.models.space_version import SearchSpaceVersion
from studies.models.study import (
    COUNTERS,
    FAILURES,
    INFEASIBLE,
    TALLIES,
    DirectWriteRefused,
    Study,
    StudyQuerySet,
)

__all__ = [
    "COUNTERS",
    "FAILURES",
    "INFEASIBLE",
    "TALLIES",
    "DirectWriteRefused",
    "NamedStudy",
    "SearchSpaceVersion",
    "Study",
    "StudyQuerySet",
    "check_seen",
]
