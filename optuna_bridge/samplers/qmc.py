"""Optuna's quasi-Monte Carlo sampler, made safe for processes that draw concurrently."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import QMCSampler
from optuna.trial import FrozenTrial

from optuna_bridge.repeats.aggregates import point_number


class NumberedQMCSampler(QMCSampler):
    """Optuna's QMC sampler, with the trial's number as the index into the sequence.

    Stock Optuna counts the points in a study attribute that concurrent workers read and write
    without a lock, so that they may draw the same point twice. In a sequential study, both
    samplers draw the same points.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(
            **options, warn_asynchronous_seeding=False, warn_independent_sampling=False
        )
        self._distributions = dict(distributions)
        self._number = 0
        self._is_at_random = False

    @contextmanager
    def at_random(self) -> Iterator[None]:
        """Draw at random within the block: each number has only one point of the sequence."""
        self._is_at_random = True
        try:
            yield
        finally:
            self._is_at_random = False

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self._number = point_number(study, trial.number)
        # As in Optuna, the first trial is drawn at random.
        return {} if self._is_at_random or self._number == 0 else self._distributions

    # Replaces the counter in the study's attributes.
    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number - 1
