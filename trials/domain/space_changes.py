"""What a change of a study's search space does to its trials."""

from collections.abc import Mapping
from typing import Any

from optuna_bridge.space.changes import SpaceChange
from studies.models import Study
from trials.models import Trial
from tuner_project.db.database import lift_statement_timeout


def adapt_trials(study: Study, change: SpaceChange, defaults: Mapping[str, Any]) -> None:
    """Adapt the trials of a locked study, within the transaction that changes its space.

    It takes some seconds for 100,000 trials, in which nothing else is written to the study.
    """
    if study.n_trials == 0:
        return
    lift_statement_timeout()
    Trial.objects.change_space(study, change, defaults)
