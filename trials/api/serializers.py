"""Response bodies of the endpoints of trials."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from optuna_bridge.enums import TrialState
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.numbers import NUMBER_OR_NULL, NumberField, finite
from tuner_project.rest.serializers import (
    ProblemSerializer,
    TextOrNullField,
    UTCDateTimeField,
)


def one_or_many(name: str, shape: type[serializers.Serializer[Any]]) -> PolymorphicProxySerializer:
    """Return the OpenAPI schema of one item or a list of items."""
    return PolymorphicProxySerializer(
        component_name=name,
        serializers=[shape(many=False), shape(many=True)],
        resource_type_field_name=None,
        many=False,
    )


class RepeatSerializer(AnswerSerializer):
    """Which repeat of its point a trial is."""

    group = serializers.IntegerField(
        help_text="The trial_id of the first trial with the same parameters."
    )
    index = serializers.IntegerField(help_text="0, 1, 2, … within the group.")
    seed = serializers.IntegerField(
        help_text="A seed of 31 bits for the worker's random numbers: that of the index, so that "
        "all points are compared under the same seeds, and a retry has the same."
    )


class SuggestionSerializer(AnswerSerializer):
    """A running trial's parameters."""

    trial_id = serializers.IntegerField(source="number")
    params = serializers.DictField(help_text="Values by name, in the order of the search space.")
    search_space_version = serializers.IntegerField(
        source="space_version", help_text="The version of the search space that it started with."
    )
    study_name = serializers.CharField(source="study.name")
    study_id = serializers.IntegerField(
        source="study.id", help_text="Never used again, also if the study is deleted."
    )
    worker_id = TextOrNullField()
    lease_expires_at = UTCDateTimeField(allow_null=True)
    attempt = serializers.IntegerField(help_text="1 for the first attempt.")
    retry_of = serializers.IntegerField(
        allow_null=True, help_text="The trial_id of the previous attempt."
    )
    reoffers = serializers.IntegerField(
        help_text="How often it was returned to its worker since its last report or heartbeat."
    )
    repeat = RepeatSerializer(
        allow_null=True, help_text="Which repeat of its point it is; null in a study without."
    )
    user_attrs = serializers.DictField()
    intermediate_values = serializers.SerializerMethodField()

    @extend_schema_field({"type": "object", "additionalProperties": NUMBER_OR_NULL})
    def get_intermediate_values(self, trial: Any) -> dict[str, float | None]:
        return {str(step): finite(value) for step, value in trial.intermediate_values.items()}


class OfferSerializer(SuggestionSerializer):
    """A trial for a worker."""

    reoffered = serializers.BooleanField(help_text="Whether the worker held the trial already.")


class OffersSerializer(AnswerSerializer):
    """Trials for a worker."""

    trials = OfferSerializer(many=True)


class TrialSerializer(SuggestionSerializer):
    """A trial."""

    state = serializers.ChoiceField(choices=TrialState.choices)
    values = serializers.ListField(child=NumberField(allow_null=True), allow_null=True)
    datetime_start = UTCDateTimeField(allow_null=True)
    datetime_complete = UTCDateTimeField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    constraints = serializers.DictField(
        source="constraints_by_name", child=NumberField(allow_null=True), allow_null=True
    )
    reason = TextOrNullField(help_text="The reason why the trial ended in its state.")
    infeasible = serializers.BooleanField(
        help_text="Whether it is FAIL since its parameters cannot be evaluated."
    )
    sampled_by = serializers.CharField(
        allow_null=True,
        help_text="What drew its parameters, if the study's sampler is `auto`: `design` (a point "
        "that fills the space), or the sampler of this name.",
    )
    priority = serializers.IntegerField(help_text="Order in the queue: higher priorities first.")
    retried_as = serializers.IntegerField(
        allow_null=True, help_text="The trial_id of the next attempt."
    )
    retry_refused = serializers.CharField(
        allow_null=True,
        help_text="Of the answer to a failed trial with `retry`: why it is not retried.",
    )
    cancelled_retry = serializers.IntegerField(
        allow_null=True,
        help_text="The trial_id of the queued attempt that was cancelled for its late result.",
    )


class AnnotatedTrialSerializer(TrialSerializer):
    """A trial with its note and links, which lists of trials leave out."""

    note = TextOrNullField(source="annotation.note", help_text="A note by people.")
    links = serializers.DictField(
        source="annotation.links",
        child=serializers.CharField(),
        help_text="URLs by name, such as of a run in an experiment tracker.",
    )


class FailedTrialSerializer(AnswerSerializer):
    """A trial that was failed, and its next attempt."""

    trial_id = serializers.IntegerField(source="number")
    retried_as = serializers.IntegerField(allow_null=True)


class FailedTrialsSerializer(AnswerSerializer):
    """Trials that were failed."""

    trials = FailedTrialSerializer(many=True)


class RetriedTrialsSerializer(FailedTrialsSerializer):
    """Failed trials that were queued again."""

    n_left = serializers.IntegerField(help_text="The failed trials that are not retried yet.")


class SignsSerializer(AnswerSerializer):
    """The answer to a heartbeat."""

    lease_expires_at = UTCDateTimeField(allow_null=True)
    should_stop = serializers.BooleanField(
        help_text="True if the study was cancelled, or completed with `stop_running`, or the trial "
        "has run for `max_trial_seconds`: stop the evaluation."
    )
    reason = serializers.CharField(allow_null=True)


class VerdictSerializer(SignsSerializer):
    """The answer to a report."""

    should_prune = serializers.BooleanField(
        help_text="True if the pruner would stop the trial at this step."
    )
    replaced = serializers.ListField(
        child=serializers.IntegerField(), help_text="The steps that had another value before."
    )


class ResultSerializer(AnswerSerializer):
    """The result of one item: a trial with status 200, or a problem with another status."""

    trial_id = serializers.IntegerField(allow_null=True)
    status = serializers.IntegerField()
    trial = TrialSerializer(required=False)
    error = ProblemSerializer(required=False)

    def to_representation(self, result: Any) -> Any:
        return result


class ResultsSerializer(AnswerSerializer):
    """The results of all items, in their order."""

    results = ResultSerializer(many=True)
