"""Some of a study's trials as an Optuna study, for Optuna's plots and evaluators.

They are read for one answer, so that neither its time nor its memory grows with the study.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import optuna
from django.db import connection
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from analysis.completed_trials import CompletedTrials, Mask, subsample
from optuna_bridge.accessors import non_domination_ranks, trial_id
from optuna_bridge.enums import Direction, TrialState
from optuna_bridge.frozen_trials import FrozenTrials, frozen_trial
from studies.errors import StudyNotFound
from studies.models import Study

# Steps are thinned where they are read: a trial can have reported any number of them.
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
    """Trials of a study, of which there are `n_all`; some may lack some of their steps."""

    optuna_study: optuna.Study
    n_all: int
    has_thinned_steps: bool = False

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.optuna_study.get_trials(deepcopy=False)

    def keep_params(self, names: Collection[str]) -> None:
        """Leave the trials these parameters only."""
        for trial in self.trials:
            trial.params = {k: v for k, v in trial.params.items() if k in names}
            trial.distributions = {k: v for k, v in trial.distributions.items() if k in names}


def of_completed(outline: CompletedTrials, *, most: int, wanted: Mask | None = None) -> Sample:
    """At most `most` completed trials, those that are `wanted` before others."""
    return _sample(outline, subsample(len(outline), most, wanted))


def of_objective(
    outline: CompletedTrials, objective: int, *, most: int, wanted: Mask | None = None
) -> Sample:
    """The same as a study of one objective, this one."""
    chosen = subsample(len(outline), most, wanted)
    values = outline.values[chosen, objective]
    return _sample(outline, chosen, values, outline.study.directions[objective])


def of_ranks(outline: CompletedTrials, *, most: int) -> Sample:
    """The same as a study that minimizes the non-domination rank (Deb et al. 2002) among them."""
    chosen = subsample(len(outline), most)
    violations = np.where(outline.is_feasible, 0.0, 1.0)[chosen]
    ranks = non_domination_ranks(outline.losses[chosen], violations)
    return _sample(outline, chosen, ranks.astype(np.float64), Direction.MINIMIZE)


def _sample(
    outline: CompletedTrials,
    chosen: NDArray[np.int64],
    values: NDArray[np.float64] | None = None,
    direction: str = "",
) -> Sample:
    """The chosen trials, with one of `values` each instead of what they came to, if given."""
    study = outline.study
    trials = read(study, outline.numbers[chosen].tolist())
    if values is None:
        return Sample(_optuna_study(study, trials, study.directions), len(outline))
    for trial, value in zip(trials, values.tolist(), strict=True):
        trial.values = [value]
    return Sample(_optuna_study(study, trials, [direction]), len(outline))


def of_two(study: Study) -> Sample:
    """The first two completed trials as of one objective, for what looks at parameters only."""
    completed = study.trials.filter(state=TrialState.COMPLETE).order_by("number")
    trials = read(study, list(completed.values_list("number", flat=True)[:2]))
    for trial in trials:
        trial.values = trial.values[:1]
    return Sample(_optuna_study(study, trials, study.directions[:1]), study.n_complete)


def of_states(study: Study, states: Sequence[TrialState], *, most: int) -> Sample:
    """At most `most` of the trials in these states."""
    chosen = study.trials.filter(state__in=states).order_by("number")
    numbers = list(chosen.values_list("number", flat=True))
    shown = [numbers[index] for index in subsample(len(numbers), most)]
    trials = read(study, shown)
    return Sample(_optuna_study(study, trials, study.directions), len(numbers))


def with_steps(study: Study, *, most: int, most_steps: int) -> Sample:
    """At most `most` of the trials that have reported, each with at most so many steps."""
    numbers = _numbers_with_steps(study)
    shown = [numbers[index] for index in subsample(len(numbers), most)]
    trials = read(study, shown)
    is_thinned = _read_steps(trials, most_steps)
    return Sample(_optuna_study(study, trials, study.directions), len(numbers), is_thinned)


def _optuna_study(
    study: Study, trials: Sequence[FrozenTrial], directions: Sequence[str]
) -> optuna.Study:
    return optuna.Study(study.name, FrozenTrials(study, trials, directions))


def read(study: Study, numbers: Sequence[int]) -> list[FrozenTrial]:
    """The trials of these numbers, without steps; raises `StudyNotFound`."""
    rows = study.trials.filter(number__in=numbers).order_by("number")
    found = list(rows.values_list("internal_params", *_MOMENTS, *_COLUMNS))
    if len(found) < len(numbers):
        raise StudyNotFound.named(study.name)  # deleted since its numbers were read
    return [
        frozen_trial(
            study.space,
            internal_params,
            *columns,
            datetime_start=_naive(start),
            datetime_complete=_naive(complete),
        )
        for internal_params, start, complete, *columns in found
    ]


def _numbers_with_steps(study: Study) -> list[int]:
    """The numbers of the trials that have reported."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM trials_trial AS t WHERE study_id = %s AND state <> 'WAITING' "
            "AND EXISTS (SELECT FROM trials_intermediatevalue WHERE trial_id = t.id) "
            "ORDER BY number",
            [study.id],
        )
        return [number for (number,) in cursor.fetchall()]


def _read_steps(trials: Sequence[FrozenTrial], most: int) -> bool:
    """Give the trials at most so many of their steps each; answers whether some have more."""
    is_thinned = False
    by_id: dict[int, dict[int, float]] = {trial_id(trial): {} for trial in trials}
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"trials": list(by_id), "most": most})
        for of_trial, step, value, has_more in cursor.fetchall():
            by_id[of_trial][step] = value
            is_thinned = is_thinned or has_more
    for trial in trials:
        trial.intermediate_values = by_id[trial_id(trial)]
    return is_thinned


def _naive(moment: datetime | None) -> datetime | None:
    """In UTC and without saying so, as Optuna's are."""
    return moment and moment.astimezone(UTC).replace(tzinfo=None)
