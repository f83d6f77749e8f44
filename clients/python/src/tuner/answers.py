"""The answers of the API, as dataclasses with the API's own names.

A key that a newer service adds is ignored; one that an older service does not send is None.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

Values = float | list[float]
_Answer = TypeVar("_Answer", bound="Answer")


@dataclass(frozen=True)
class Answer:
    """Base class of the answers."""

    @classmethod
    def read(cls: type[_Answer], answer: Mapping[str, Any]) -> _Answer:
        """Return the answer for a JSON object: moments as `datetime`, all else as it came."""
        every = fields(cls)
        known: dict[str, Any] = {
            each.name: None
            for each in every
            if each.default is MISSING and each.default_factory is MISSING
        }
        known |= {each.name: answer[each.name] for each in every if each.name in answer}
        return cls(**{key: _value(key, value) for key, value in known.items()})


@dataclass(frozen=True)
class FrozenTrial(Answer):
    """A trial as it was when it was read; `values` is None without a result."""

    trial_id: int
    study_name: str
    state: str
    params: dict[str, Any]
    study_id: int | None = None
    search_space_version: int | None = None
    values: list[float] | None = None
    intermediate_values: dict[int, float | None] | None = None
    user_attrs: dict[str, Any] | None = None
    constraints: dict[str, float] | None = None
    datetime_start: datetime | None = None
    datetime_complete: datetime | None = None
    duration_seconds: float | None = None
    worker_id: str | None = None
    lease_expires_at: datetime | None = None
    attempt: int | None = None
    reoffers: int | None = None
    retry_of: int | None = None
    repeat: dict[str, int] | None = None
    retried_as: int | None = None
    retry_refused: str | None = None
    cancelled_retry: int | None = None
    reason: str | None = None
    infeasible: bool | None = None
    sampled_by: str | None = None
    priority: int | None = None
    note: str | None = None
    links: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The trial's number within its study: Optuna's name of `trial_id`."""
        return self.trial_id

    @property
    def value(self) -> float | None:
        """The value of the only objective; None without a result."""
        return self.values[0] if self.values else None


@dataclass(frozen=True)
class StudyInfo(Answer):
    """A study as it was when it was read. A list of studies leaves the last seven out."""

    study_id: int
    study_name: str
    direction: str | list[str]
    state: str
    state_reason: str | None
    state_history: list[dict[str, Any]]
    sampler: str
    sampler_options: dict[str, Any]
    pruner: str
    pruner_options: dict[str, Any]
    pruning_direction: str | None
    repeats: dict[str, Any] | None
    n_trials: int
    trial_counts: dict[str, int]
    best_value: Values | None
    datetime_start: datetime
    max_trials: int | None
    max_concurrent: int | None
    max_failures: int | None
    max_consecutive_failures: int | None
    max_trial_seconds: float | None
    target_value: float | None
    deadline: datetime | None
    stop_after_no_improvement: dict[str, Any] | None
    n_trials_without_improvement: int | None
    stop_running: bool
    lease_seconds: float | None
    max_retries: int
    max_reoffers: int
    constraints: list[str] | None
    metric_names: list[str] | None
    tags: list[str] | None
    duplicates: str
    note: str | None = None
    best_params: dict[str, Any] | None = None
    user_attrs: dict[str, Any] | None = None
    search_space: list[dict[str, Any]] | None = None
    parameter_constraints: list[str] | None = None
    search_space_version: int | None = None
    retired: dict[str, Any] | None = None


@dataclass(frozen=True)
class SearchSpaceVersion(Answer):
    """A search space that a study has had, from `datetime` on."""

    version: int
    datetime: datetime
    actor: str | None
    search_space: list[dict[str, Any]]
    defaults: dict[str, Any]
    retired: dict[str, Any]


@dataclass(frozen=True)
class Share(Answer):
    """A link that opens the page of a study; `url` is known only of one that was just created."""

    id: int
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    url: str | None = None


@dataclass(frozen=True)
class Best(Answer):
    """The best trial; of several objectives the first one of the Pareto front."""

    trial_id: int
    params: dict[str, Any]
    value: Values
    metric_names: list[str] | None = None
    repeats: dict[str, Any] | None = None


@dataclass(frozen=True)
class ParetoTrial(Answer):
    """A trial of the Pareto front."""

    trial_id: int
    values: list[float]
    params: dict[str, Any]


@dataclass(frozen=True)
class Progress(Answer):
    """How far a study is, at `datetime`; `n_left` and `eta` are None where nothing bounds it."""

    study_name: str
    state: str
    state_reason: str | None
    trial_counts: dict[str, int]
    n_trials: int
    n_done: int
    n_left: int | None
    max_trials: int | None
    best_value: Values | None
    best_trial_id: int | None
    rate_per_hour: float | None
    eta: datetime | None
    running: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    revision: int
    datetime: datetime


@dataclass(frozen=True)
class Importance(Answer):
    """The share of each parameter in the variation of an objective, most important first."""

    importances: dict[str, float]
    method: str
    n_trials: int | None = None
    n_complete: int | None = None
    is_subsampled: bool | None = None


@dataclass(frozen=True)
class Event(Answer):
    """Something that has happened to a study, or to one of its trials; `data` is by `type`."""

    number: int
    type: str
    timestamp: datetime
    data: dict[str, Any]


@dataclass(frozen=True)
class Webhook(Answer):
    """Where events are sent; only a new webhook, or one with a new secret, has its `secret`."""

    id: int
    name: str
    url: str
    studies: str
    events: list[str]
    format: str
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    n_failures: int
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_failure: str | None
    secret: str | None = None


@dataclass(frozen=True)
class HeartbeatReply(Answer):
    """The answer to a heartbeat: the new end of the lease, and whether to stop."""

    lease_expires_at: datetime | None
    should_stop: bool
    reason: str | None = None


@dataclass(frozen=True)
class ReportReply(HeartbeatReply):
    """The answer to a report: also the pruner's advice, and the steps whose values it replaced."""

    should_prune: bool = False
    replaced: list[int] | None = None


_MOMENTS = {"eta", "deadline", "timestamp"}


def _value(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key.startswith("datetime") or key.endswith("_at") or key in _MOMENTS:
        return datetime.fromisoformat(value)
    if key == "intermediate_values":  # the keys of a JSON object are texts
        return {int(step): number for step, number in value.items()}
    return value
