"""How much each parameter matters, by Optuna's evaluators."""

from collections.abc import Callable, Mapping

from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from analysis.errors import ImportanceUnavailable
from trials.history import History

SEED = 0  # of the random forests, so that the same trials give the same answer

EVALUATORS: Mapping[str, Callable[[], BaseImportanceEvaluator]] = {
    "fanova": lambda: FanovaImportanceEvaluator(seed=SEED),
    "mean_decrease_impurity": lambda: MeanDecreaseImpurityImportanceEvaluator(seed=SEED),
    "ped_anova": PedAnovaImportanceEvaluator,
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
            shares = get_param_importances(
                history.optuna_study,
                evaluator=EVALUATORS[name](),
                target=_target(history, target_idx, name),
            )
        except (RuntimeError, ValueError, ArithmeticError) as error:
            reason = error
        else:
            return {parameter: float(share) for parameter, share in shares.items()}, name
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
