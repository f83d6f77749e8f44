"""Optuna's quasi-Monte Carlo sampler, made safe for processes that draw concurrently."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import QMCSampler
from optuna.samplers._qmc import _threading_lock
from optuna.trial import FrozenTrial

from optuna_bridge.repeats.aggregates import point_number
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints

MAX_SEARCHED = 2**17  # points of the sequence
_BLOCK = 1024
_MAX_NUMBERS = 2_000_000


class NumberedQMCSampler(QMCSampler):
    """Optuna's QMC sampler, with the trial's number as the index into the sequence.

    Stock Optuna counts the points in a study attribute that concurrent workers read and write
    without a lock, so that they may draw the same point twice. In a sequential study, both
    samplers draw the same points.

    With constraints between parameters the points are those of the sequence that satisfy them, as
    if each other one had been rejected; after the first MAX_SEARCHED points it goes on without
    regard to them.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(
            **options, warn_asynchronous_seeding=False, warn_independent_sampling=False
        )
        self._distributions = dict(distributions)
        self._number = 0
        self._constraints: ParameterConstraints | None = None
        self._feasible: list[int] = []  # indexes into the sequence
        self._n_searched = 0
        self._engine: Any = None
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
        index = self._number - 1
        return index if self._constraints is None else self._feasible_id(index, self._constraints)

    def restrict(self, constraints: ParameterConstraints) -> None:
        """Draw the points of the sequence that satisfy constraints between parameters."""
        self._constraints = constraints

    def _feasible_id(self, index: int, constraints: ParameterConstraints) -> int:
        """Return where the sequence has the feasible point with an index among these."""
        most = min(MAX_SEARCHED, _MAX_NUMBERS // len(self._distributions))
        while len(self._feasible) <= index and self._n_searched < most:
            points = self._next_points()
            places = dict(zip(self._distributions, points.T, strict=True))
            found = np.flatnonzero(constraints.hold_at_places(places, len(points)))
            self._feasible += (self._n_searched + found).tolist()
            self._n_searched += len(points)
        return self._feasible[index] if index < len(self._feasible) else self._n_searched + index

    def _next_points(self) -> np.ndarray:
        """Return the next block of the sequence, as `QMCSampler._sample_qmc` draws one point."""
        with _threading_lock:
            if self._engine is None:
                from scipy.stats import qmc  # which is slow to import

                kind = qmc.Sobol if self._qmc_type == "sobol" else qmc.Halton
                n_axes = len(self._distributions)
                self._engine = kind(n_axes, seed=self._seed, scramble=self._scramble)
            points: np.ndarray = self._engine.random(_BLOCK)
        return points
