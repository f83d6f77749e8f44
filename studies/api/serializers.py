"""Studies in response bodies."""

from typing import Any

from rest_framework import serializers

from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.definition.fields import (
    DirectionField,
    PrunerOptionsField,
    SamplerOptionsField,
    ValueField,
)
from studies.api.definition.life_serializers import NoImprovementAnswerSerializer
from studies.api.definition.parameter_serializers import ParameterField
from studies.api.definition.repeats_serializers import RepeatsAnswerSerializer
from studies.enums import Duplicates, StudyState
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.serializers import TextOrNullField, UTCDateTimeField


class TrialCountsSerializer(AnswerSerializer):
    """The number of trials in each state."""

    WAITING = serializers.IntegerField()
    RUNNING = serializers.IntegerField()
    COMPLETE = serializers.IntegerField()
    PRUNED = serializers.IntegerField()
    FAIL = serializers.IntegerField()


class StateChangeSerializer(AnswerSerializer):
    """A change of a study's state."""

    state = serializers.ChoiceField(choices=StudyState.choices)
    reason = serializers.CharField(allow_null=True)
    datetime = serializers.DateTimeField()

    def to_representation(self, change: Any) -> Any:
        return change  # stored in the form of the response


class StudySummarySerializer(AnswerSerializer):
    """A study, as lists show it."""

    study_id = serializers.IntegerField(source="id")
    study_name = serializers.CharField(source="name")
    direction = DirectionField()
    sampler = serializers.ChoiceField(choices=list(SAMPLERS))
    sampler_options = SamplerOptionsField()
    pruner = serializers.ChoiceField(choices=list(PRUNERS))
    pruner_options = PrunerOptionsField()
    n_trials = serializers.IntegerField()
    trial_counts = TrialCountsSerializer()
    best_value = ValueField(allow_null=True)
    datetime_start = UTCDateTimeField(source="created_at", allow_null=True)
    state = serializers.ChoiceField(choices=StudyState.choices)
    state_reason = TextOrNullField(
        help_text="The reason for the state: the client's, or the budget that is used up."
    )
    state_history = StateChangeSerializer(many=True)
    max_trials = serializers.IntegerField(allow_null=True)
    max_concurrent = serializers.IntegerField(allow_null=True)
    max_failures = serializers.IntegerField(allow_null=True)
    target_value = serializers.FloatField(allow_null=True)
    deadline = UTCDateTimeField(allow_null=True)
    stop_after_no_improvement = NoImprovementAnswerSerializer(allow_null=True)
    n_trials_without_improvement = serializers.IntegerField(
        allow_null=True,
        help_text="The finished trials since the last improvement; null without the budget "
        "`stop_after_no_improvement`.",
    )
    lease_seconds = serializers.FloatField(allow_null=True)
    max_retries = serializers.IntegerField()
    max_reoffers = serializers.IntegerField()
    max_trial_seconds = serializers.FloatField(allow_null=True)
    max_consecutive_failures = serializers.IntegerField(allow_null=True)
    stop_running = serializers.BooleanField()
    constraints = serializers.ListField(child=serializers.CharField())
    metric_names = serializers.ListField(child=serializers.CharField(), allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    duplicates = serializers.ChoiceField(choices=Duplicates.choices)
    pruning_direction = TextOrNullField()
    repeats = RepeatsAnswerSerializer(allow_null=True)


class StudySerializer(StudySummarySerializer):
    """A study."""

    best_params = serializers.DictField(allow_null=True)
    user_attrs = serializers.DictField()
    note = serializers.CharField(help_text="In Markdown; may be empty.")
    search_space = serializers.ListField(child=ParameterField(), source="current.parameters")
    parameter_constraints = serializers.ListField(child=serializers.CharField())
    search_space_version = serializers.IntegerField(
        help_text="1 at creation; each change of the search space adds 1."
    )
    retired = serializers.DictField(
        source="current.constants",
        help_text="The parameters that are no longer in the search space, and the value of each "
        "that trials have from now on.",
    )
