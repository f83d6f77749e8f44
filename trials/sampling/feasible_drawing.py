"""Drawing trials that satisfy the constraints between parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints
from optuna_bridge.space.search_space import SearchSpace
from trials.sampling.drafts import Draft

_STREAM = 1  # of the random numbers of a seeded trial, besides that of its sampler


class NoFeasiblePoint(ValueError):
    """No point with the fixed values satisfies the constraints between parameters."""


class FeasibleDrawing:
    """What replaces a sampler's draw that violates the constraints between parameters.

    It depends on the draw, the fixed values and, of a seeded study, on its seed and the trial's
    number, so that all processes draw the same.
    """

    def __init__(
        self, constraints: ParameterConstraints, space: SearchSpace, seed: int | None
    ) -> None:
        """Create it for the constraints, the space as the sampler sees it, and the study's seed."""
        self._constraints, self._space, self._seed = constraints, space, seed

    def is_feasible(self, draft: Draft) -> bool:
        return self._constraints.hold(draft.internal_params)

    def can_complete(self, fixed: Mapping[str, Any]) -> bool:
        """Return whether a feasible point with the fixed values was found."""
        given = self._space.given(fixed)
        return self._constraints.hold(given) and self._constraints.points.exist(given)

    def params(
        self, draft: Draft, fixed: Mapping[str, Any], *, is_modelled: bool
    ) -> dict[str, Any]:
        """Return all parameters of a feasible trial in place of a draft.

        They are a point near the draft if that follows from a model, and else a random one. The
        parameters that no constraint contains are the draft's.

        Raises:
            NoFeasiblePoint: There is none with the fixed values.
        """
        if not self.can_complete(fixed):
            raise NoFeasiblePoint(f"no feasible point was found with {dict(fixed)!r:.500}")
        seed = None if self._seed is None else (self._seed, draft.number, _STREAM)
        rng, given = np.random.default_rng(seed), self._space.given(fixed)
        points = self._constraints.points
        if is_modelled:
            found = points.nearest(draft.internal_params, given, rng)
        else:
            found = points.draw(given, rng)
        distributions = self._space.distributions
        return draft.params | {
            name: distributions[name].to_external_repr(value) for name, value in found.items()
        }
