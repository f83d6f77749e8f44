"""How many trials a density of TPE has at most, so that a draw takes seconds at most."""

from bisect import bisect_right
from collections.abc import Iterable

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

# Comparisons of a candidate with a kernel by one parameter; a density's take some 5 s.
_MAX_COMPARISONS = 500_000_000
_MAX_PAIRS = 2_400_000  # of a candidate and a kernel: 19 MB
# Of a stepped parameter, a comparison takes as long as so many others, since Optuna's formula has
# to be computed number by number; but equal values and equal kernels are compared once.
_STEPPED = 100


def max_kernels(distributions: Iterable[BaseDistribution], n_candidates: int) -> int:
    """Return the number of trials that a density has at most."""
    grids = [_n_values(each) for each in distributions]

    def comparisons(n_kernels: int) -> int:
        return sum(
            n_candidates * n_kernels
            if n_values is None
            # A value's kernels have about two widths.
            else _STEPPED * min(n_candidates, n_values) * min(n_kernels, 2 * n_values)
            for n_values in grids
        )

    most = _MAX_PAIRS // n_candidates
    return max(1, bisect_right(range(most), _MAX_COMPARISONS, key=comparisons) - 1)


def _n_values(distribution: BaseDistribution) -> int | None:
    """Return the number of a stepped parameter's values; None for other parameters."""
    if isinstance(distribution, IntDistribution | FloatDistribution) and distribution.step:
        return int((distribution.high - distribution.low) // distribution.step) + 1
    return None
