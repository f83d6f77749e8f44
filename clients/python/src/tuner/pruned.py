"""`Pruned`, which is Optuna's `TrialPruned` where Optuna is installed.

Imported on first use, so that `import tuner` does not import Optuna.
"""

try:
    from optuna.exceptions import TrialPruned
except ImportError:

    class TrialPruned(Exception):  # type: ignore[no-redef]
        """Stands for Optuna's exception where Optuna is not installed."""


class Pruned(TrialPruned):
    """The pruner advises to stop the trial; raised by `report`, or by an objective."""
