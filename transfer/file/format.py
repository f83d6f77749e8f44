"""The documents in the lines of a file."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna_bridge.system_attrs import PARENTS
from studies.models import Study
from transfer.file.attachments import annotation_of, log_of
from trials.models import Trial
from tuner_project.json_values import finite_or_text

FORMAT = 1
MEDIA_TYPE = "application/x-ndjson"
NOT_FINITE = ("NaN", "Infinity", "-Infinity")

Document = dict[str, Any]


def encoded(document: Document) -> bytes:
    """Encode a document as a line of the file; raises `ValueError` for NaN and infinities."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def study_line(study: Study) -> Document:
    """Return the line with a study's definition, budgets and state."""
    version = study.search_space_version
    return {
        "kind": "study",
        "format": FORMAT,
        "study_name": study.name,
        "direction": study.direction,
        "search_space": study.current.parameters,
        # Only a study whose space has changed has versions, and its trials, too.
        **({"search_space_version": version} if version > 1 else {}),
        "sampler": study.sampler,
        "sampler_options": study.sampler_options,
        "pruner": study.pruner,
        "pruner_options": study.pruner_options,
        "constraints": study.constraints,
        "parameter_constraints": study.parameter_constraints,
        "duplicates": study.duplicates,
        "pruning_direction": study.pruning_direction or None,
        "repeats": study.repeats,
        "user_attrs": study.user_attrs,
        "metric_names": study.metric_names,
        "max_trials": study.max_trials,
        "max_concurrent": study.max_concurrent,
        "max_failures": study.max_failures,
        "target_value": study.target_value,
        "deadline": moment(study.deadline),
        "stop_after_no_improvement": study.stop_after_no_improvement,
        "lease_seconds": study.lease_seconds,
        "max_retries": study.max_retries,
        "max_reoffers": study.max_reoffers,
        "max_trial_seconds": study.max_trial_seconds,
        "max_consecutive_failures": study.max_consecutive_failures,
        "stop_running": study.stop_running,
        "state": study.state,
        "state_reason": study.state_reason or None,
        "state_history": study.state_history,
        "created_with": study.created_with,
        "datetime_start": moment(study.created_at),
    }


def trial_line(trial: Trial, numbers: Mapping[int, int]) -> Document:
    """Return the line of a trial with its steps; `numbers` maps ids of parents to numbers."""
    constraints = trial.constraints_by_name
    start, complete = trial.datetime_start, trial.datetime_complete
    if start and complete and complete < start:  # an import would refuse it
        complete = start
    steps = trial.intermediate_values
    version, has_versions = trial.space_version, trial.study.search_space_version > 1
    return {
        "kind": "trial",
        "number": trial.number,
        "state": trial.state,
        "values": None
        if trial.values is None
        else [finite_or_text(value) for value in trial.values],
        "params": trial.params,
        **({"search_space_version": version} if has_versions else {}),
        "intermediate_values": {str(step): finite_or_text(value) for step, value in steps.items()},
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "study_attrs": trial.study_attrs and renumbered(trial.study_attrs, numbers.get),
        "constraints": constraints,
        "datetime_start": moment(start),
        "datetime_complete": moment(complete),
        "reason": trial.reason or None,
        "priority": trial.priority,
        "worker_id": trial.worker_id or None,
        "lease_seconds": trial.lease_seconds,
        "lease_expires_at": moment(trial.lease_expires_at),
        "should_prune": trial.should_prune,
        "is_retry_wanted": trial.is_retry_wanted,
        "infeasible": trial.infeasible,
        "attempt": trial.attempt,
        "retry_of": trial.retry_of,
        "retried_as": trial.retried_as,
        "cancelled_retry": trial.cancelled_retry,
        "repeat_group": trial.repeat_group,
        "repeat_index": trial.repeat_index,
        **_attachments(trial),
    }


def _attachments(trial: Trial) -> Document:
    annotation, log = annotation_of(trial), log_of(trial)
    document: Document = {}
    if annotation is not None and annotation.note:
        document["note"] = annotation.note
    if annotation is not None and annotation.links:
        document["links"] = annotation.links
    if log is not None and log.size:
        written_at = moment(log.written_at)
        document["log"] = {"text": log.text, "size": log.size, "datetime": written_at}
    return document


def end_line(study_name: str, n_trials: int) -> Document:
    """Return the line that ends a study."""
    return {"kind": "end", "study_name": study_name, "n_trials": n_trials}


def moment(value: datetime | None) -> str | None:
    """Return a datetime as ISO 8601 in UTC, to the microsecond."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def parents(study_attrs: Mapping[str, Any]) -> Iterator[tuple[str, list[int]]]:
    """Yield (key, trials) of the study attributes that contain parents."""
    for key, value in study_attrs.items():
        is_list = PARENTS.fullmatch(key) and isinstance(value, list)
        if is_list and all(type(each) is int for each in value):
            yield key, value


def renumbered(study_attrs: Mapping[str, Any], new: Callable[[int], int | None]) -> dict[str, Any]:
    """Return study attributes with each parent replaced by `new(parent)`, or dropped if None."""
    changed = {
        key: [found for each in trials if (found := new(each)) is not None]
        for key, trials in parents(study_attrs)
    }
    return dict(study_attrs) | changed


def all_parents(notes: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the distinct trials that are parents in several sets of study attributes."""
    return sorted({each for attrs in notes for _, trials in parents(attrs) for each in trials})
