"""What is said of a trial at the top of its page, in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from analysis.trial_comparison import Comparison
from console import display
from studies.models import Study
from trials.models import Trial


@dataclass(frozen=True)
class Result:
    """A value of a trial beside that of the best one."""

    name: str
    direction: str
    value: str
    best: str


def results(trial: Trial) -> list[Result]:
    """Return the value of each objective."""
    study = trial.study
    values, best = _numbers(trial.values, study), _numbers(study.best_values, study)
    named = zip(study.objective_names, study.directions, values, best, strict=True)
    return [Result(*each) for each in named]


def standing(trial: Trial, comparison: Comparison) -> str:
    """Return how good a trial is among the completed ones; "" if that cannot be said."""
    study = trial.study
    if trial.state != "COMPLETE":
        return ""
    if trial.violation > 0:
        return "It violates a constraint, so it cannot be the best."
    if study.is_multi_objective:
        return "It is on the Pareto front." if trial.on_front else "Other trials dominate it."
    if trial.number == study.best_number:
        return "It is the best trial."
    if comparison.better_than is None:
        return ""
    sample = "" if comparison.n_compared == comparison.n_complete else ", by a sample"
    which = "feasible completed" if study.constraints else "completed"
    return f"It is better than {percent(comparison.better_than)} of the {which} trials{sample}."


def percent(share: float) -> str:
    """Format a share as a percentage, without rounding to none or to all."""
    text = f"{100 * share:.0f}"
    if text == "0" and share > 0:
        return "below 1 %"
    return "over 99 %" if text == "100" and share < 1 else f"{text} %"


def time_text(trial: Trial, now: datetime | None = None) -> str:
    """Return for how long a trial runs or ran."""
    if trial.datetime_start is None:
        return "It has not started yet." if trial.state == "WAITING" else "It never started."
    if trial.datetime_complete is not None:
        return f"It ran for {display.duration(trial.duration_seconds)}."
    seconds = ((now or timezone.now()) - trial.datetime_start).total_seconds()
    return f"It has been running for {display.duration(round(max(0.0, seconds)))}."


def lease_text(trial: Trial, now: datetime | None = None) -> str:
    """Return how long a running trial's lease is still valid."""
    if trial.state != "RUNNING":
        return ""
    if trial.lease_expires_at is None:
        return (
            "It has no lease: it runs until its worker tells the result, or it is failed by hand."
        )
    left = (trial.lease_expires_at - (now or timezone.now())).total_seconds()
    if left <= 0:
        return "Its lease has expired: its worker is probably gone."
    return f"Its lease expires in {display.duration(round(left))}, unless its worker renews it."


def pruning_text(trial: Trial) -> str:
    """Return what the pruner said of the last report, of a trial that has reported."""
    pruner = trial.study.pruner
    if pruner == "none" or trial.state not in ("RUNNING", "PRUNED") or trial.datetime_start is None:
        return ""
    if trial.should_prune:
        return f"The pruner {pruner} would stop it at its last reported step."
    if trial.state == "PRUNED":
        return "Its worker stopped it; the pruner had not asked for that."
    return f"The pruner {pruner} would let it go on."


def why_failed(trial: Trial) -> tuple[str, str] | None:
    """Return why a trial failed, as a line and the rest of the text; None if it has not failed."""
    if trial.state != "FAIL":
        return None
    reason = trial.reason.strip() or "Its worker gave no reason."
    first, _, rest = reason.partition("\n")
    return display.truncated(first, 500), rest.strip("\n")


def failure_notes(trial: Trial) -> list[str]:
    """Return what follows from the failure."""
    notes = []
    if trial.infeasible:
        notes.append("Infeasible: its parameters cannot be evaluated, and samplers avoid them.")
    if trial.has_lost_lease:
        notes.append(
            "Its lease expired: its worker sent neither a report nor a heartbeat in time, for "
            "example since it was killed or lost its network."
        )
    if trial.retried_as is not None:
        notes.append(f"It was queued again, as trial {trial.retried_as}.")
    elif not trial.infeasible and trial.datetime_start is not None:
        notes.append("It was not tried again.")
    return notes


def _numbers(values: list[float] | None, study: Study) -> list[str]:
    if values is None:
        return [display.EMPTY] * len(study.directions)
    return [display.number(value) for value in values]
