"""Parameter importance, computed by Optuna's evaluators."""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from optuna import importance  # lazy: imports scikit-learn at its first use

from analysis import lazy_imports
from analysis.completed_trials import CompletedTrials, check_objective
from analysis.errors import (
    EvaluatorsBusy,
    ImportanceUnavailable,
    SingleObjective,
    TooFewTrials,
)
from analysis.samples import Sample, of_objective, of_ranks
from studies.models import Study
from tuner_project.db.database import release_connection

if TYPE_CHECKING:
    import optuna
    from optuna.importance import BaseImportanceEvaluator

SEED = 0  # of the random forests, so that the result is reproducible
MAX_RANKED = 2000  # trials for which ranks are computed, in quadratic time


@dataclass(frozen=True)
class Method:
    """An importance evaluator, and the limits within which it takes seconds on one core.

    `most_cells` limits trials × columns: a numeric or ordinal parameter is one column, a
    categorical one has a column for each choice.
    """

    build: Callable[[], "BaseImportanceEvaluator"]
    most_trials: int
    most_cells: int
    most_choices: int | None = None  # of one parameter

    def most(self, study: Study) -> int:
        """Return the maximum number of the study's trials to evaluate.

        Raises:
            ImportanceUnavailable: A parameter has too many choices.
        """
        choices = [len(parameter.get("choices", ())) for parameter in study.search_space]
        if self.most_choices is not None and max(choices) > self.most_choices:
            raise ImportanceUnavailable(
                f"a parameter has {max(choices)} choices; at most {self.most_choices} are "
                "possible, because the computation time doubles with each"
            )
        return max(10, min(self.most_trials, self.most_cells // sum(max(n, 1) for n in choices)))


METHODS: Mapping[str, Method] = {
    "fanova": Method(
        lambda: importance.FanovaImportanceEvaluator(seed=SEED), 300, 30_000, most_choices=6
    ),
    "mean_decrease_impurity": Method(
        lambda: importance.MeanDecreaseImpurityImportanceEvaluator(seed=SEED), 4000, 100_000
    ),
    "ped_anova": Method(lambda: importance.PedAnovaImportanceEvaluator(), 10_000, 500_000),
}
DEFAULT_METHODS = ("fanova", "mean_decrease_impurity")
# The target of the importance: one objective, or the distance to the Pareto front by rank.
OBJECTIVE, FRONT = "objective", "front"

MAX_WAIT = 10  # seconds for another evaluation to end

_evaluating = threading.Lock()  # one evaluation at a time, because each uses a full core


@dataclass(frozen=True)
class Importance:
    """Each parameter's share of the objective's variation, largest first, summing to 1.

    Computed from `n_trials` of the `n_complete` completed trials: those with finite values, or some
    of them, evenly spaced by number.
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
    """Compute the importance of each parameter for an objective or for the Pareto front.

    The result is cached until the next trial is finished.

    Args:
        study: The study.
        target_idx: The index of the objective.
        target: `OBJECTIVE`, or `FRONT` for the non-domination rank of the trials.
        method: One of `METHODS`. None means fANOVA (Hutter et al. 2014) or, if that cannot be
            computed, for example if all values are equal, the mean decrease in impurity.

    Returns:
        The importances and the method that was used.

    Raises:
        NoSuchObjective: The study has no objective with this index.
        TooFewTrials: Fewer than two trials have completed.
        SingleObjective: The target is `FRONT`, and the study has one objective.
        ImportanceUnavailable: The method cannot be computed.
        EvaluatorsBusy: Another evaluation has not ended within `MAX_WAIT` seconds.
    """
    check_objective(study, target_idx)
    if target == FRONT and not study.is_multi_objective:
        raise SingleObjective(f'study "{study.name}" has one objective, and no Pareto front')
    if study.n_complete < 2:
        raise TooFewTrials(f"{study.n_complete} trials have completed; at least 2 are needed")
    reasons: list[str] = []
    for name in [method] if method else DEFAULT_METHODS:
        found = _by(name, study, target, target_idx)
        if isinstance(found, Importance):
            return found
        reasons.append(f"{name} cannot be computed: {found}")
    raise ImportanceUnavailable("; ".join(reasons))


def _by(method: str, study: Study, target: str, target_idx: int) -> Importance | str:
    """Return the importance by one method, or why it cannot be computed; both are cached."""
    # By state, since the result of a finished trial may be invalidated.
    finished = f"{study.n_complete}:{study.n_pruned}:{study.n_fail}"
    key = f"importance:{study.id}:{finished}:{target}:{target_idx}:{method}"
    found: Importance | str | None = cache.get(key)
    if found is not None:
        return found
    try:
        sample, n_complete = _sample(study, target, target_idx, METHODS[method].most(study))
    except ImportanceUnavailable as error:
        return error.detail
    if len(sample) < 2:
        return f"{len(sample)} trials have a finite value; at least 2 are needed"
    release_connection()  # the evaluators take seconds
    if not _evaluating.acquire(timeout=MAX_WAIT):
        raise EvaluatorsBusy("other importances are being computed: try again in a moment")
    try:
        found = cache.get(key) or _evaluate(method, sample, n_complete)
    finally:
        _evaluating.release()
    cache.set(key, found, timeout=None)
    return found


def _sample(study: Study, target: str, target_idx: int, most: int) -> tuple[Sample, int]:
    """Return a sample, and the number of completed trials, or points of a study with repeats."""
    completed = CompletedTrials.of(study)
    if len(completed) < 2:
        raise TooFewTrials(f"{len(completed)} points have completed; at least 2 are needed")
    space = study.space.as_sampled  # an ordinal parameter is one column, in its order
    if target == FRONT:
        return of_ranks(completed, most=min(most, MAX_RANKED), space=space), len(completed)
    finite = completed.finite(target_idx)
    return of_objective(finite, target_idx, most=most, space=space), len(completed)


def _evaluate(method: str, sample: Sample, n_complete: int) -> Importance | str:
    lazy_imports.load(lazy_imports.IMPORTANCES)
    evaluator = METHODS[method].build()
    try:
        shares = importance.get_param_importances(sample.optuna_study, evaluator=evaluator)
        found = {parameter: float(share) for parameter, share in shares.items()}
        if not all(map(math.isfinite, found.values())):
            return "the values are too large"
    # fANOVA asserts that no variance is negative, which fails for huge values.
    except (RuntimeError, ValueError, ArithmeticError, AssertionError) as error:
        return str(error) or "the values are too large"
    return Importance(found, method, len(sample), n_complete)


def evaluator_returning(importances: Mapping[str, float]) -> "BaseImportanceEvaluator":
    """Return an evaluator that returns these importances, for Optuna's plot of them."""

    class Found(importance.BaseImportanceEvaluator):
        def evaluate(
            self, study: "optuna.Study", params: list[str] | None = None, *, target: Any = None
        ) -> dict[str, float]:
            return dict(importances)

    return Found()
