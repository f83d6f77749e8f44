"""Serializers of a file's lines, with the checks that need no other line."""

import math
from typing import Any

from rest_framework import serializers

from optuna_bridge.enums import TrialState
from studies.api.definition.fields import DirectionField, LeaseSecondsField, NameField
from studies.api.definition.life_serializers import MAX_COUNT, LifeSerializer
from studies.api.definition.parameter_serializers import ParameterField
from studies.api.request_serializers import (
    MAX_PARAMETERS,
    DefinitionSerializer,
    MetricNamesField,
)
from studies.domain.change_search_space import MAX_VERSIONS
from studies.domain.definition import Definition, as_json
from studies.enums import StudyState
from studies.models import Study
from transfer.file.attachments import LogLineSerializer
from transfer.file.format import FORMAT, NOT_FINITE
from trials.api.attachment_fields import LinksField, NoteField
from trials.api.fields import MAX_STEP, NumbersField, ReportedStepsField, WorkerField
from tuner_project.rest.serializers import (
    AttributesField,
    ReasonField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
)


class StoredParameterField(ParameterField):
    """A stored parameter, whose keys keep their order."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        valid = super().to_internal_value(data)
        return {key: valid[key] for key in data if key in valid}


class StateChangeLineSerializer(StrictSerializer):
    """A stored change of a study's state."""

    state = serializers.ChoiceField(choices=StudyState.choices)
    reason = ReasonField()
    datetime = StrictDateTimeField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        reason, moment = attrs.get("reason") or None, as_json(attrs["datetime"])
        return {"state": attrs["state"], "reason": reason, "datetime": moment}


def usable_metric_names(names: Any, n_objectives: int) -> list[str] | None:
    """Return metric names that stock Optuna stored; None if a study here cannot have them."""
    try:
        valid: list[str] = MetricNamesField().run_validation(names)
    except serializers.ValidationError:
        return None
    return valid if len(valid) == n_objectives else None


class CreatedWithSerializer(LifeSerializer):
    """The stored initial values of the changeable fields; the keys keep their order."""

    user_attrs = AttributesField(required=False)
    metric_names = MetricNamesField()

    def run_validation(self, data: Any = serializers.empty) -> Any:
        valid = super().run_validation(data)
        return {key: as_json(valid[key]) for key in data if key in valid}


class StudyLineSerializer(DefinitionSerializer):
    """A study's definition, budgets and state; a missing key is equivalent to null."""

    kind = serializers.ChoiceField(choices=["study"])
    format = StrictIntegerField()
    study_name = NameField()
    search_space = serializers.ListField(
        child=StoredParameterField(), min_length=1, max_length=MAX_PARAMETERS
    )
    search_space_version = StrictIntegerField(required=False, min_value=1, max_value=MAX_VERSIONS)
    direction = DirectionField()
    user_attrs = AttributesField(required=False)  # without a limit: exported attributes are valid
    state = serializers.ChoiceField(choices=StudyState.choices)
    state_reason = ReasonField()
    state_history = serializers.ListField(child=StateChangeLineSerializer(), required=False)
    created_with = CreatedWithSerializer(required=False)
    datetime_start = StrictDateTimeField(required=False)

    def validate_format(self, value: int) -> int:
        if value != FORMAT:
            raise serializers.ValidationError(f"format {value} is not supported, only {FORMAT}")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for key in ("kind", "format"):
            del attrs[key]
        life = {name: attrs.pop(name, None) for name in Study.LIFE}
        stored = {
            "state": attrs.pop("state"),
            "state_reason": attrs.pop("state_reason", ""),
            "state_history": attrs.pop("state_history", []),
            "created_with": attrs.pop("created_with", {}),
        }
        if "datetime_start" in attrs:
            stored["created_at"] = attrs.pop("datetime_start")
        for name in ("max_retries", "max_reoffers", "stop_running"):  # null is not a value of these
            if life[name] is None:
                del life[name]
        version = attrs.pop("search_space_version", None) or 1
        definition = Definition(name=attrs.pop("study_name"), **attrs, life=life)
        return {"definition": definition, "stored": stored, "version": version}


class StoredNumberField(StrictFloatField):
    """A number; NaN and infinities are strings."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, str) and data in NOT_FINITE:
            return float(data)
        return super().to_internal_value(data)


_STORED_NUMBER = StoredNumberField()


class StoredStepsField(ReportedStepsField):
    """Intermediate values by step."""

    def _value(self, key: str, value: Any) -> float:
        try:
            return _STORED_NUMBER.run_validation(value)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({key: error.detail}) from None


def _number(**kwargs: Any) -> StrictIntegerField:
    """Return an optional field for a trial's number."""
    return StrictIntegerField(required=False, min_value=0, max_value=MAX_STEP, **kwargs)


class TrialLineSerializer(StrictSerializer):
    """A trial; a missing key is equivalent to null."""

    kind = serializers.ChoiceField(choices=["trial"])
    number = StrictIntegerField(min_value=0, max_value=MAX_STEP)
    state = serializers.ChoiceField(choices=TrialState.choices)
    values = serializers.ListField(child=StoredNumberField(), required=False)
    params = AttributesField()
    search_space_version = StrictIntegerField(required=False, min_value=1, max_value=MAX_VERSIONS)
    intermediate_values = StoredStepsField(required=False)
    user_attrs = AttributesField(required=False)
    system_attrs = AttributesField(required=False)
    study_attrs = AttributesField(required=False)
    constraints = NumbersField(required=False)
    datetime_start = StrictDateTimeField(required=False)
    datetime_complete = StrictDateTimeField(required=False)
    reason = ReasonField()
    priority = StrictIntegerField(required=False, min_value=-(2**31), max_value=MAX_STEP)
    worker_id = WorkerField()
    lease_seconds = LeaseSecondsField()
    lease_expires_at = StrictDateTimeField(required=False)
    should_prune = StrictBooleanField(required=False)
    is_retry_wanted = StrictBooleanField(required=False)
    infeasible = StrictBooleanField(required=False)
    attempt = StrictIntegerField(required=False, min_value=1, max_value=MAX_COUNT)
    retry_of = _number()
    retried_as = _number()
    cancelled_retry = _number()
    repeat_group = _number()
    repeat_index = _number()
    note = NoteField()
    links = LinksField(takes_null=False)
    log = LogLineSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        del attrs["kind"]
        attrs["space_version"] = attrs.pop("search_space_version", None) or 1
        faults = {key: [text] for key, text in _incoherent(TrialState(attrs["state"]), attrs)}
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


class EndLineSerializer(StrictSerializer):
    """The end of a study."""

    kind = serializers.ChoiceField(choices=["end"])
    study_name = StrictCharField()
    n_trials = StrictIntegerField(min_value=0)


# The keys that trials of a state must have (_NEEDED) and may have in addition (_POSSIBLE), of those
# in _EACH; those in _OF_STARTED need a start.
_EACH = ("values", "datetime_start", "datetime_complete", "lease_expires_at", "constraints")
_OF_STARTED = (
    "intermediate_values",
    "worker_id",
    "lease_seconds",
    "should_prune",
    "is_retry_wanted",
    "log",
)
_NEEDED = {
    TrialState.WAITING: set(),
    TrialState.RUNNING: {"datetime_start"},
    TrialState.COMPLETE: {"values", "datetime_start", "datetime_complete"},
    TrialState.PRUNED: {"datetime_start", "datetime_complete"},
    TrialState.FAIL: {"datetime_complete"},  # a trial cancelled in the queue has no start
}
_POSSIBLE = {
    TrialState.WAITING: set(),
    TrialState.RUNNING: {"lease_expires_at"},
    TrialState.COMPLETE: {"constraints"},
    TrialState.PRUNED: {"values", "constraints"},
    TrialState.FAIL: {"datetime_start", "lease_expires_at", "constraints"},
}


def _incoherent(state: TrialState, attrs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (key, error message) for each key that contradicts the trial's state."""
    needed, possible = _NEEDED[state], _NEEDED[state] | _POSSIBLE[state]
    faults = [
        (key, f"a {state} trial must have it") for key in _EACH if key in needed - attrs.keys()
    ]
    faults += [
        (key, f"a {state} trial has none") for key in _EACH if key in attrs.keys() - possible
    ]
    start, complete = attrs.get("datetime_start"), attrs.get("datetime_complete")
    if start is None:
        faults += [
            (key, "a trial that has not started has none") for key in _OF_STARTED if attrs.get(key)
        ]
    if attrs.get("is_retry_wanted") and state != TrialState.FAIL:
        faults.append(("is_retry_wanted", f"a {state} trial is not tried again"))
    if attrs.get("infeasible") and (state != TrialState.FAIL or "retried_as" in attrs):
        faults.append(("infeasible", "only a FAIL trial that is not retried is infeasible"))
    if "reason" in attrs and not state.is_finished:
        faults.append(("reason", f"a {state} trial has none"))
    if state.is_finished and start and complete and complete < start:
        faults.append(("datetime_complete", "it is before datetime_start"))
    has_lease = attrs.get("lease_seconds") is not None
    if state == TrialState.RUNNING and has_lease and "lease_expires_at" not in attrs:
        faults.append(("lease_expires_at", "required for a running trial with lease_seconds"))
    if "retried_as" in attrs and state != TrialState.FAIL:
        faults.append(("retried_as", f"a {state} trial is not tried again"))
    if any(math.isnan(value) for value in attrs.get("values", ())):
        faults.append(("values", "a value must not be NaN"))
    return faults
