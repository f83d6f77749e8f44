"""Numbers and ids that are reserved for new trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Reservation:
    """Numbers and ids for new trials of a study, whose row stays locked until the commit."""

    first_number: int
    revision: int
    ids: Sequence[int]
    now: datetime  # the database's clock
    lease_seconds: float | None
    max_trial_seconds: float | None  # of the study
