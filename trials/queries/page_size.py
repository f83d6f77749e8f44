"""The size of trials in an answer, by which pages are bounded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from optuna_bridge.space.search_space import Parameter, listed_values
from studies.models import Study
from trials.models import Trial
from trials.models.querysets import TrialQuerySet
from tuner_project.db.pages import first_bytes

_NUMBER = 30  # bytes of a number or a step with its value, at most
_REST = 800  # bytes of all other keys of a trial
_SIZE = (
    "octet_length(trials_trial.user_attrs::text) + octet_length(trials_trial.reason) "
    "+ {step} * (SELECT count(*) FROM trials_intermediatevalue AS v "
    "WHERE v.trial_id = trials_trial.id) + {rest}"
)


@dataclass
class PageBytes:
    """The bytes that are left for a page of one study's trials, at first MAX_PAGE_BYTES.

    Attributes:
        left: The number of bytes.
        size: SQL for the size of a trial in bytes.
    """

    left: int
    size: str

    @classmethod
    def of(cls, study: Study) -> "PageBytes":
        rest = _REST + _size_of_params(study.search_space)
        rest += _NUMBER * (len(study.directions) + len(study.constraints))
        return cls(settings.MAX_PAGE_BYTES, _SIZE.format(step=_NUMBER, rest=rest))

    @property
    def are_used(self) -> bool:
        return self.left <= 0

    def read(self, trials: TrialQuerySet, start: int, stop: int) -> list[Trial]:
        """Read ordered trials from `start` to `stop`, as many as there are bytes left for."""
        found = list(first_bytes(trials, start, stop, size=self.size, most=self.left))
        self.left -= sum(trial.size for trial in found)
        return found


def _size_of_params(space: Sequence[Parameter]) -> int:
    """Return the largest size in bytes that the parameters of a trial may have."""
    return sum(
        len(json.dumps(each["name"], ensure_ascii=False).encode())
        + max(map(_size, listed_values(each)), default=_NUMBER)
        for each in space
    )


def _size(choice: object) -> int:
    return len(json.dumps(choice, ensure_ascii=False).encode())
