"""How much each parameter matters, by Optuna's evaluators."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from optuna import importance  # a lazy module: scikit-learn is imported at its first use
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from analysis.errors import ImportanceUnavailable
from trials.history import History

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

SEED = 0  # of the random forests, so that the same trials give the same answer

EVALUATORS: Mapping[str, Callable[[], "BaseImportanceEvaluator"]] = {
    "fanova": lambda: importance.FanovaImportanceEvaluator(seed=SEED),
    "mean_decrease_impurity": lambda: importance.MeanDecreaseImpurityImportanceEvaluator(seed=SEED),
    "ped_anova": lambda: importance.PedAnovaImportanceEvaluator(),
}


def importances(
    history: History, *, target_idx: int, method: str | None
) -> tuple[dict[str, float], str]:
    """Each parameter's share, most important first and summing to 1, and the method used.

    Without a `method` it is fANOVA (Hutter et al. 2014) or, where that cannot be computed, as
    of values that are all equal, the mean decrease in impurity.
    """
    methods = [method] if method else ["fanova", "mean_decrease_impurity"]
    reason: Exception | None = None
    for name in methods:
        try:
            shares = importance.get_param_importances(
                history.optuna_study,
                evaluator=EVALUATORS[name](),
                target=_target(history, target_idx, name),
            )
            found = {parameter: float(share) for parameter, share in shares.items()}
            if not all(map(math.isfinite, found.values())):
                raise OverflowError("the values are too large")
        # fANOVA asserts that no variance is negative, which huge values break.
        except (RuntimeError, ValueError, ArithmeticError, AssertionError) as error:
            reason = error
        else:
            return found, name
    raise ImportanceUnavailable(f"{' and '.join(methods)} cannot be computed: {reason}")


def _target(
    history: History, target_idx: int, method: str
) -> Callable[[FrozenTrial], float] | None:
    """The objective asked for; None is the only one's own value."""
    directions = history.optuna_study.directions
    if len(directions) == 1:
        return None
    # PED-ANOVA takes what it is given as to be minimised.
    is_negated = method == "ped_anova" and directions[target_idx] == StudyDirection.MAXIMIZE
    sign = -1.0 if is_negated else 1.0
    return lambda trial: sign * trial.values[target_idx]
