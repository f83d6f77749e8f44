"""How much each parameter matters, by Optuna's evaluators."""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.cache import cache
from optuna import importance  # a lazy module: scikit-learn is imported at its first use

from analysis.errors import ImportanceUnavailable, SingleObjective, TooFewTrials
from analysis.outline import Outline, check_objective
from analysis.samples import Sample, of_objective, of_ranks
from studies.models import Study
from tuner_project.database import release_connection

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

SEED = 0  # of the random forests, so that the same trials give the same answer
MAX_RANKED = 2000  # trials among which the ranks are found; that is quadratic in them


@dataclass(frozen=True)
class Method:
    """An evaluator, and of how many trials it answers within seconds on one core."""

    build: Callable[[], "BaseImportanceEvaluator"]
    most: int


METHODS: Mapping[str, Method] = {
    "fanova": Method(lambda: importance.FanovaImportanceEvaluator(seed=SEED), 300),
    "mean_decrease_impurity": Method(
        lambda: importance.MeanDecreaseImpurityImportanceEvaluator(seed=SEED), 4000
    ),
    "ped_anova": Method(lambda: importance.PedAnovaImportanceEvaluator(), 10_000),
}
# What matters: one objective, or to be near the Pareto front.
OBJECTIVE, FRONT = "objective", "front"

_evaluating = threading.Lock()  # one at a time: they take all of a core


@dataclass(frozen=True)
class Importance:
    """Each parameter's share of what makes the objective vary, most important first, summing to 1.

    It was found from `n_trials` of the `n_complete` completed trials, evenly spaced by number.
    """

    importances: dict[str, float]
    method: str
    n_trials: int
    n_complete: int

    @property
    def is_subsampled(self) -> bool:
        return self.n_trials < self.n_complete


def importance_of(
    *, study: Study, target_idx: int = 0, target: str = OBJECTIVE, method: str | None = None
) -> Importance:
    """How much each parameter matters for the objective of this index, or for the whole front.

    Without a `method` it is fANOVA (Hutter et al. 2014) or, where that cannot be computed, as
    of values that are all equal, the mean decrease in impurity. For the front a trial counts by
    its non-domination rank (Deb et al. 2002). Answers are kept until the next trial is finished.

    Raises:
        NoSuchObjective, TooFewTrials
        SingleObjective: it has no front.
        ImportanceUnavailable: the method cannot be computed.
    """
    check_objective(study, target_idx)
    if target == FRONT and not study.is_multi_objective:
        raise SingleObjective(f'study "{study.name}" has one objective, and no front')
    if study.n_complete < 2:
        raise TooFewTrials(f"{study.n_complete} trials have completed; at least 2 are needed")
    n_finished = study.n_complete + study.n_pruned + study.n_fail
    key = f"importance:{study.id}:{n_finished}:{target}:{target_idx}:{method}"
    found: Importance | None = cache.get(key)
    if found is not None:
        return found
    outline = Outline.of(study)
    names = [method] if method else ["fanova", "mean_decrease_impurity"]
    samples = {name: _sample(outline, target, target_idx, METHODS[name].most) for name in names}
    release_connection()  # the evaluators take seconds
    with _evaluating:
        found = cache.get(key) or _evaluate(samples)
    cache.set(key, found, timeout=None)
    return found


def _sample(outline: Outline, target: str, target_idx: int, most: int) -> Sample:
    if target == FRONT:
        return of_ranks(outline, most=min(most, MAX_RANKED))
    return of_objective(outline, target_idx, most=most)


def _evaluate(samples: Mapping[str, Sample]) -> Importance:
    """By the first of the methods that can be computed."""
    reason: Exception | None = None
    for name, sample in samples.items():
        try:
            shares = importance.get_param_importances(
                sample.optuna_study, evaluator=METHODS[name].build()
            )
            found = {parameter: float(share) for parameter, share in shares.items()}
            if not all(map(math.isfinite, found.values())):
                raise OverflowError("the values are too large")
        # fANOVA asserts that no variance is negative, which huge values break.
        except (RuntimeError, ValueError, ArithmeticError, AssertionError) as error:
            reason = error
        else:
            return Importance(found, name, len(sample), sample.n_all)
    raise ImportanceUnavailable(f"{' and '.join(samples)} cannot be computed: {reason}")
