"""Whether the trials of a study report intermediate values."""

from studies.models import Study
from tuner_project.db.prepared import row_of

# The latest written trials stand for all: a study of many trials without reports costs the same.
_REPORTED = """
SELECT EXISTS (
    SELECT FROM (SELECT id FROM trials_trial WHERE study_id = %(study)s
                  ORDER BY revision DESC LIMIT 100) AS latest
     WHERE EXISTS (SELECT FROM trials_intermediatevalue WHERE trial_id = latest.id))
"""


def has_reports(study: Study) -> bool:
    """Return whether one of the latest trials has reported."""
    found = row_of(_REPORTED, {"study": study.id})
    return bool(found and found[0])
