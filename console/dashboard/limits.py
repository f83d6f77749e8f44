"""How large a study the dashboard shows: it reads all trials, and sends them all to the browser."""

from dataclasses import dataclass

from django.db import models
from django.db.models.functions import Cast, Length

from studies.models import Study
from trials.models import IntermediateValue

# At 5,000 trials of 10 parameters a first look takes 4 s and answers 15 MB.
MAX_TRIALS = 5_000
MAX_NUMBERS = 100_000  # parameters and intermediate values, of all trials together
MAX_ATTRIBUTES = 10_000_000  # characters of all trials' user attributes as JSON


@dataclass(frozen=True)
class Size:
    """What of a study is shown; neither number is looked for once the trials are too many."""

    study_id: int
    n_trials: int
    n_numbers: int
    attributes: int

    @property
    def excess(self) -> str | None:
        """What there is too much of, if anything."""
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


def size(study: Study) -> Size:
    """How large the study is, counted no further than to what is too large."""
    if study.n_trials > MAX_TRIALS:
        return Size(study.id, study.n_trials, n_numbers=0, attributes=0)
    steps = IntermediateValue.objects.filter(trial__study=study)[: MAX_NUMBERS + 1].count()
    length = Length(Cast("user_attrs", models.TextField()))
    total = study.trials.aggregate(total=models.Sum(length))["total"]
    n_params = study.n_trials * len(study.search_space)
    return Size(study.id, study.n_trials, n_numbers=n_params + steps, attributes=total or 0)
