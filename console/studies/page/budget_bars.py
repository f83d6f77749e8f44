"""The budgets of a study as bars: how much of each is used."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from analysis.overview.durations import in_largest_unit
from console import display
from studies.models import Study


@dataclass(frozen=True)
class Bar:
    """A budget: its field, a text, and of a limit how much of it is used."""

    name: str
    label: str
    text: str
    used: float = 0
    limit: float | None = None  # None: it is not a number to count up to


def budget_bars(study: Study) -> list[Bar]:
    """Return the budgets that are set, and what limits the study besides."""
    bars = [
        _counted("max_trials", "Trials done", study.n_counted_done, study.max_trials),
        _counted("max_concurrent", "Running at a time", study.n_running, study.max_concurrent),
        _counted("max_failures", "Failures", study.n_failures, study.max_failures),
        _counted(
            "max_consecutive_failures",
            "Failures in a row",
            study.n_consecutive_failures,
            study.max_consecutive_failures,
        ),
        _no_improvement(study),
        _deadline(study, timezone.now()),
        _target(study),
    ]
    return [bar for bar in bars if bar is not None]


def _counted(name: str, label: str, used: int, limit: int | None) -> Bar | None:
    if limit is None:
        return None
    return Bar(name, label, f"{used:,} of {limit:,}", min(used, limit), limit)


def _no_improvement(study: Study) -> Bar | None:
    budget = study.stop_after_no_improvement
    if budget is None:
        return None
    used, limit = study.n_without_improvement, budget["trials"]
    parts = [f"{used:,} of {limit:,} trials"]
    if budget["min_delta"]:
        parts.append(f"by more than {budget['min_delta']:g}")
    if budget["reference_point"]:
        parts.append(f"up to {', '.join(f'{each:g}' for each in budget['reference_point'])}")
    text = "; ".join(parts)
    name = "stop_after_no_improvement"
    return Bar(name, "Without improvement", text, min(used, limit), limit)


def _deadline(study: Study, now: datetime) -> Bar | None:
    if study.deadline is None:
        return None
    whole = (study.deadline - study.created_at).total_seconds()
    used = (now - study.created_at).total_seconds()
    left = study.deadline - now
    when = f"{study.deadline.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = (
        f"{when}, {in_largest_unit(left)} left" if left.total_seconds() > 0 else f"{when}, passed"
    )
    if whole <= 0:  # it was set to a time before the study's creation
        return Bar("deadline", "Deadline", text, 1, 1)
    return Bar("deadline", "Deadline", text, min(max(0.0, used), whole), whole)


def _target(study: Study) -> Bar | None:
    if study.target_value is None:
        return None
    best = "none yet" if study.best_values is None else display.number(study.best_values[0])
    text = f"{display.number(study.target_value)} ({study.directions[0]}), best {best}"
    return Bar("target_value", "Target", text)
