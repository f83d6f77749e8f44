"""The largest study that the dashboard shows.

The dashboard reads all trials of a study and sends them all to the browser.
"""

from dataclasses import dataclass

from django.db import models
from django.db.models.functions import Cast, Length

from studies.models import Study
from trials.models import IntermediateValue

# With 5,000 trials of 10 parameters the first request takes 4 s and returns 15 MB.
MAX_TRIALS = 5_000
MAX_NUMBERS = 100_000  # parameters and intermediate values, of all trials together
MAX_ATTRIBUTES = 10_000_000  # characters of all trials' user attributes as JSON


@dataclass(frozen=True)
class StudySize:
    """The amount of data that the dashboard would load for a study.

    Attributes:
        n_numbers: Parameters and intermediate values of all trials; 0 if there are too many trials.
        attributes: Characters of all user attributes; 0 if there are too many trials.
    """

    study_id: int
    n_trials: int
    n_numbers: int
    attributes: int

    @property
    def excess(self) -> str | None:
        """The limit that is exceeded, as the end of a sentence; None if the study can be shown."""
        if self.n_trials > MAX_TRIALS:
            return f"{self.n_trials:,} trials, and the dashboard shows at most {MAX_TRIALS:,}"
        if self.n_numbers > MAX_NUMBERS:
            return (
                f"{self.n_trials:,} trials with more parameters and intermediate values than the "
                f"{MAX_NUMBERS:,} that the dashboard shows"
            )
        if self.attributes > MAX_ATTRIBUTES:
            return (
                f"{self.n_trials:,} trials with {self.attributes:,} characters of attributes, and "
                f"the dashboard shows at most {MAX_ATTRIBUTES:,}"
            )
        return None


def measure_study(study: Study) -> StudySize:
    """Measure the data that the dashboard would load; counting stops above the limits."""
    if study.n_trials > MAX_TRIALS:
        return StudySize(study.id, study.n_trials, n_numbers=0, attributes=0)
    steps = IntermediateValue.objects.filter(trial__study=study)[: MAX_NUMBERS + 1].count()
    length = Length(Cast("user_attrs", models.TextField()))
    total = study.trials.aggregate(total=models.Sum(length))["total"]
    n_params = study.n_trials * len(study.search_space)
    return StudySize(study.id, study.n_trials, n_numbers=n_params + steps, attributes=total or 0)
