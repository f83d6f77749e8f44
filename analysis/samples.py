"""Samples of a study's trials, as Optuna studies for Optuna's plots and evaluators.

A sample is read for one request and is bounded in size, so time and memory do not grow with the
study.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import optuna
from django.db import connection
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from analysis.completed_trials import CompletedTrials, Mask, subsample
from optuna_bridge.accessors import non_domination_ranks, trial_id
from optuna_bridge.constraints import constraint_attrs, without_constraints
from optuna_bridge.enums import Direction, TrialState
from optuna_bridge.frozen_trials import FrozenTrials, frozen_trial
from optuna_bridge.space.search_space import SearchSpace
from studies.errors import StudyNotFound
from studies.models import Study

# Steps are subsampled in the database, because a trial can have any number of them.
_STEPS = """
SELECT trial_id, step, value, n > %(most)s FROM (
    SELECT trial_id, step, value, row_number() OVER w - 1 AS position, count(*) OVER w AS n
      FROM trials_intermediatevalue WHERE trial_id = ANY(%(trials)s)
    WINDOW w AS (PARTITION BY trial_id ORDER BY step
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) AS steps
 WHERE position %% greatest(1, ceil((n - 1)::numeric / (%(most)s - 1))::bigint) = 0
    OR position = n - 1
 ORDER BY trial_id, step
"""
_MOMENTS = ("datetime_start", "datetime_complete")
_COLUMNS = ("number", "id", "state", "values", "system_attrs")


@dataclass(frozen=True)
class Sample:
    """A sample of the `n_all` matching trials of a study.

    `has_subsampled_steps` is true if some of them lack intermediate values.
    """

    optuna_study: optuna.Study
    n_all: int
    has_subsampled_steps: bool = False

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.optuna_study.get_trials(deepcopy=False)

    def keep_params(self, names: Collection[str]) -> None:
        """Remove all parameters but these from the trials."""
        for trial in self.trials:
            trial.params = {k: v for k, v in trial.params.items() if k in names}
            trial.distributions = {k: v for k, v in trial.distributions.items() if k in names}


def of_completed(completed: CompletedTrials, *, most: int, preferred: Mask | None = None) -> Sample:
    """Sample at most `most` completed trials, the `preferred` ones first."""
    return _sample(completed, subsample(len(completed), most, preferred))


def of_objective(
    completed: CompletedTrials,
    objective: int,
    *,
    most: int,
    preferred: Mask | None = None,
    space: SearchSpace | None = None,
) -> Sample:
    """Sample completed trials like `of_completed`, as a study with only this objective.

    `space` is the search space by which their parameters are read, by default the study's.
    """
    chosen = subsample(len(completed), most, preferred)
    values = completed.values[chosen, objective]
    return _sample(completed, chosen, values, completed.study.directions[objective], space)


def of_ranks(completed: CompletedTrials, *, most: int, space: SearchSpace | None = None) -> Sample:
    """Sample completed trials as a study that minimizes their non-domination rank."""
    chosen = subsample(len(completed), most)
    violations = np.where(completed.is_feasible, 0.0, 1.0)[chosen]
    ranks = non_domination_ranks(completed.losses[chosen], violations)
    return _sample(completed, chosen, ranks.astype(np.float64), Direction.MINIMIZE, space)


def _sample(
    completed: CompletedTrials,
    chosen: NDArray[np.int64],
    values: NDArray[np.float64] | None = None,
    direction: str = "",
    space: SearchSpace | None = None,
) -> Sample:
    """Read the chosen trials; `values`, if given, replace their values, one for each trial."""
    study = completed.study
    trials = read(study, completed.numbers[chosen].tolist(), space)
    for trial, of_trial in zip(trials, completed.values[chosen].tolist(), strict=True):
        if study.repeats is not None:  # its own result is that of the first repeat
            trial.state, trial.values = OptunaState.COMPLETE, of_trial
    if values is None:
        return Sample(_optuna_study(study, trials, study.directions), len(completed))
    for trial, value in zip(trials, values.tolist(), strict=True):
        trial.values = [value]
    return Sample(_optuna_study(study, trials, [direction]), len(completed))


def of_two(study: Study) -> Sample:
    """Sample two completed trials, with one objective of 0, for plots that need parameters only.

    Both have the distributions of all parameters, also of those that are not active in them.
    """
    completed = study.trials.filter(state=TrialState.COMPLETE).order_by("number")
    trials = read(study, list(completed.values_list("number", flat=True)[:2]))
    for trial in trials:
        trial.values, trial.distributions = [0.0], study.space.distributions
    return Sample(_optuna_study(study, trials, study.directions[:1]), study.n_complete)


def of_started(study: Study, *, most: int) -> Sample:
    """Sample at most `most` of the trials that have started, the running ones first."""
    chosen = study.trials.exclude(state=TrialState.WAITING).order_by("number")
    rows = list(chosen.values_list("number", "state"))
    is_running = np.array([state == TrialState.RUNNING for _, state in rows], dtype=np.bool_)
    shown = [rows[index][0] for index in subsample(len(rows), most, is_running)]
    trials = read(study, shown)
    return Sample(_optuna_study(study, trials, study.directions), len(rows))


def with_steps(study: Study, *, most: int, most_steps: int) -> Sample:
    """Sample at most `most` trials with intermediate values, `most_steps` of each."""
    numbers = _numbers_with_steps(study)
    shown = [numbers[index] for index in subsample(len(numbers), most)]
    trials = read(study, shown)
    is_subsampled = _read_steps(trials, most_steps)
    return Sample(_optuna_study(study, trials, study.directions), len(numbers), is_subsampled)


def _optuna_study(
    study: Study, trials: Sequence[FrozenTrial], directions: Sequence[str]
) -> optuna.Study:
    return optuna.Study(study.name, FrozenTrials(study, trials, directions))


def read(
    study: Study, numbers: Sequence[int], space: SearchSpace | None = None
) -> list[FrozenTrial]:
    """Read the trials with these numbers, without intermediate values.

    `space` is the search space by which their parameters are read, by default the study's. The
    first trial of a group of repeats has the group's constraints.

    Raises:
        StudyNotFound: Some are missing, because the study was deleted in the meantime.
    """
    rows = study.trials.filter(number__in=numbers).order_by("number")
    columns = ("internal_params", "group_constraints", *_MOMENTS, *_COLUMNS)
    found = list(rows.values_list(*columns))
    if len(found) < len(numbers):
        raise StudyNotFound.named(study.name)
    trials = []
    for internal_params, constraints, start, complete, *rest in found:
        trial = frozen_trial(
            space or study.space,
            internal_params,
            *rest,
            datetime_start=_naive(start),
            datetime_complete=_naive(complete),
        )
        if constraints is not None:
            named = dict(zip(study.constraints, constraints, strict=True))
            own = without_constraints(trial.system_attrs)
            trial.system_attrs = own | constraint_attrs(named)
        trials.append(trial)
    return trials


def _numbers_with_steps(study: Study) -> list[int]:
    """Return the numbers of the trials with intermediate values."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM trials_trial AS t WHERE study_id = %s AND state <> 'WAITING' "
            "AND EXISTS (SELECT FROM trials_intermediatevalue WHERE trial_id = t.id) "
            "ORDER BY number",
            [study.id],
        )
        return [number for (number,) in cursor.fetchall()]


def subsampled_steps(
    trial_ids: Collection[int], most: int
) -> Iterator[tuple[int, int, float, bool]]:
    """Yield (trial id, step, value, whether the trial has more) of each trial, by step.

    Of each trial at most `most` are read, evenly spaced, and the last.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"trials": list(trial_ids), "most": most})
        yield from cursor.fetchall()


def _read_steps(trials: Sequence[FrozenTrial], most: int) -> bool:
    """Read at most `most` intermediate values of each trial; return whether some have more."""
    is_subsampled = False
    by_id: dict[int, dict[int, float]] = {trial_id(trial): {} for trial in trials}
    for of_trial, step, value, has_more in subsampled_steps(by_id, most):
        by_id[of_trial][step] = value
        is_subsampled = is_subsampled or has_more
    for trial in trials:
        trial.intermediate_values = by_id[trial_id(trial)]
    return is_subsampled


def _naive(moment: datetime | None) -> datetime | None:
    """Convert to a naive datetime in UTC, as Optuna's are."""
    return moment and moment.astimezone(UTC).replace(tzinfo=None)
