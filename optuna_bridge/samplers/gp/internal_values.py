"""The values of a column of Optuna's normalized points, in its internal representation."""

from typing import Any

import numpy as np
from optuna._gp.search_space import SearchSpace as NormalizedSpace
from optuna._gp.search_space import _unnormalize_one_param


def internal_values(
    column: np.ndarray, index: int, normalized: NormalizedSpace, distribution: Any
) -> np.ndarray:
    """Return the values of one parameter, on its steps; of a choice, its index.

    Args:
        column: The normalized values of the parameter.
        index: Its column in the normalized space, where large grids are continuous.
        normalized: The normalized space.
        distribution: The parameter's own distribution.
    """
    if normalized.is_categorical[index]:
        return np.round(column)
    bounds, step = tuple(normalized._bounds[index].tolist()), float(normalized._steps[index])
    values = _unnormalize_one_param(column, normalized._scale_types[index], bounds, step)
    low, high, step = distribution.low, distribution.high, distribution.step
    if step:
        values = low + np.round((values - low) / step) * step
    return np.clip(values, low, high)
