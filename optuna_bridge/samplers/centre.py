"""The centre of a search space."""

from collections.abc import Mapping
from typing import Any

from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution


def centre(distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return the middle of each range, of its logarithm if it is `log`, and each first choice."""
    found: dict[str, Any] = {}
    for name, distribution in distributions.items():
        transform = _SearchSpaceTransform({name: distribution}, transform_0_1=False)
        middle = transform.bounds.mean(axis=1)
        if len(middle) > 1:  # one for each choice, of which the largest counts
            middle[0] = transform.bounds[0, 1]
        found |= transform.untransform(middle)
    return found
