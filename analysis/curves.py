"""The intermediate values of a trial, among those of others and of the best one."""

from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef

from analysis.completed_trials import subsample
from analysis.samples import subsampled_steps
from studies.models import Study
from trials.models import IntermediateValue, Trial
from tuner_project.rest.numbers import finite

MAX_OTHERS = 50
MAX_CANDIDATES = 400  # numbers at which trials that have reported are looked for
MAX_STEPS = 100  # of each other curve
MAX_OWN_STEPS = 1000  # of the trial's curve, and of the best one's


@dataclass
class Curve:
    """The intermediate values of a trial by step; None where it diverged."""

    trial_id: int
    state: str
    steps: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Curves:
    """The curve of a trial, that of the best one, if it is another, and some others."""

    this: Curve
    best: Curve | None
    others: list[Curve]


def curves(trial: Trial) -> Curves:
    """Return the curve of a trial among others; it is bounded, whatever the size of the study."""
    study = trial.study
    found = {
        row[0]: Curve(row[1], row[2])
        for row in study.trials.filter(number__in=_candidates(study, trial))
        .filter(Exists(IntermediateValue.objects.filter(trial_id=OuterRef("pk"))))
        .order_by("number")
        .values_list("id", "number", "state")
    }
    by_number = {curve.trial_id: key for key, curve in found.items()}
    best = None
    if study.best_number is not None and study.best_number != trial.number:
        best = by_number.get(study.best_number)
    rest = [key for key in found if key not in (trial.id, best)]
    others = [rest[index] for index in subsample(len(rest), MAX_OTHERS)]
    this = found.setdefault(trial.id, Curve(trial.number, trial.state))
    _read(found, [trial.id, *([] if best is None else [best])], MAX_OWN_STEPS)
    _read(found, others, MAX_STEPS)
    return Curves(this, None if best is None else found[best], [found[key] for key in others])


def _candidates(study: Study, trial: Trial) -> list[int]:
    numbers = subsample(study.next_number, MAX_CANDIDATES).tolist()
    best = [] if study.best_number is None else [study.best_number]
    return [*numbers, trial.number, *best]


def _read(found: dict[int, Curve], trial_ids: list[int], most: int) -> None:
    for trial_id, step, value, _ in subsampled_steps(trial_ids, most):
        found[trial_id].steps.append(step)
        found[trial_id].values.append(finite(value))
