"""Response bodies of the analyses."""

from typing import Any

from rest_framework import serializers

from analysis.importance import METHODS
from studies.api.definition.fields import ValueField
from studies.api.serializers import TrialCountsSerializer
from studies.enums import StudyState
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.numbers import NumberField
from tuner_project.rest.serializers import TextOrNullField, UTCDateTimeField


class BestRepeatsSerializer(AnswerSerializer):
    """The completed repeats of the best point, whose aggregate is its `value`."""

    trial_ids = serializers.ListField(child=serializers.IntegerField())
    values = serializers.ListField(child=ValueField())
    standard_error = ValueField(
        allow_null=True,
        help_text="Of the repeats' mean, for each objective; null for one repeat.",
    )


class BestSerializer(AnswerSerializer):
    """The best trial."""

    params = serializers.DictField()
    value = ValueField()
    trial_id = serializers.IntegerField()
    metric_names = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The name of each value, if the study has `metric_names`.",
    )

    repeats = BestRepeatsSerializer(
        required=False, help_text="Of a study with repeats: those that completed."
    )

    def to_representation(self, best: Any) -> dict[str, Any]:
        shown = super().to_representation(best)
        for key in ("metric_names", "repeats"):
            if shown[key] is None:
                del shown[key]
        return shown


class ParetoTrialSerializer(AnswerSerializer):
    """A trial on the Pareto front."""

    trial_id = serializers.IntegerField(source="number")
    values = serializers.ListField(child=NumberField(allow_null=True), source="judged_values")
    params = serializers.DictField()


class SampleSerializer(AnswerSerializer):
    """The number of trials from which a response was computed."""

    n_trials = serializers.IntegerField(help_text="The trials that were used.")
    n_complete = serializers.IntegerField(help_text="The trials that have completed.")
    is_subsampled = serializers.BooleanField(
        help_text="True if only some completed trials were used: the most important ones, and "
        "evenly spaced others."
    )


class ImportanceSerializer(SampleSerializer):
    """How much each parameter matters, most important first; the shares sum to 1."""

    importances = serializers.DictField(child=serializers.FloatField())
    method = serializers.ChoiceField(choices=list(METHODS))


class HistoryPointSerializer(AnswerSerializer):
    """A completed trial."""

    trial_id = serializers.IntegerField()
    value = NumberField(allow_null=True)
    best_value = NumberField(
        allow_null=True, help_text="The best value of the feasible trials up to this one."
    )


class OptimizationHistorySerializer(SampleSerializer):
    """The value of each trial, and the best value so far."""

    trials = HistoryPointSerializer(many=True)


class HypervolumePointSerializer(AnswerSerializer):
    """The hypervolume after a trial had completed."""

    trial_id = serializers.IntegerField()
    hypervolume = NumberField(allow_null=True)


class HypervolumeSerializer(SampleSerializer):
    """The hypervolume that the Pareto front dominates."""

    hypervolume = NumberField(allow_null=True)
    reference_point = serializers.ListField(child=NumberField(allow_null=True))
    history = HypervolumePointSerializer(many=True)


class RunningTrialSerializer(AnswerSerializer):
    """A running trial."""

    trial_id = serializers.IntegerField(source="number")
    worker_id = TextOrNullField()
    datetime_start = UTCDateTimeField(allow_null=True)
    lease_expires_at = UTCDateTimeField(allow_null=True)
    attempt = serializers.IntegerField(help_text="1 for the first attempt.")


class FailureSerializer(AnswerSerializer):
    """Why some of the latest trials failed."""

    reason = TextOrNullField()
    n_trials = serializers.IntegerField()
    last_trial_id = serializers.IntegerField()


class ProgressSerializer(AnswerSerializer):
    """The progress of a study; cheap enough to be requested every second."""

    study_name = serializers.CharField(source="study.name")
    state = serializers.ChoiceField(source="study.state", choices=StudyState.choices)
    state_reason = TextOrNullField(source="study.state_reason")
    trial_counts = TrialCountsSerializer(source="study.trial_counts")
    n_trials = serializers.IntegerField(source="study.n_trials")
    n_done = serializers.IntegerField(help_text="The number of COMPLETE, PRUNED and FAIL trials.")
    n_left = serializers.IntegerField(
        allow_null=True,
        help_text="The number of trials left of max_trials, which trials that fail do not lower, "
        "unless they are infeasible, and without those too few for another point of a study with "
        "repeats; null without it.",
    )
    max_trials = serializers.IntegerField(source="study.max_trials", allow_null=True)
    best_value = ValueField(source="study.best_value", allow_null=True)
    best_trial_id = serializers.IntegerField(source="study.best_number", allow_null=True)
    rate_per_hour = NumberField(
        allow_null=True,
        help_text="Trials finished per hour, failed ones included, estimated from the latest ones.",
    )
    eta = UTCDateTimeField(
        allow_null=True,
        help_text="When max_trials are done, at the rate of the trials that count against them, or "
        "the deadline if it is earlier.",
    )
    running = RunningTrialSerializer(many=True, help_text="The first 20 running trials.")
    failures = FailureSerializer(
        many=True,
        help_text="The 5 most frequent reasons (their first lines) of the latest 200 failures.",
    )
    revision = serializers.IntegerField(
        source="study.revision", help_text="Increases with each write to the study's trials."
    )
    datetime = UTCDateTimeField(source="now")


class AdviceSerializer(AnswerSerializer):
    """One thing that the study's owner should know."""

    code = serializers.CharField(help_text="A stable code for programs.")
    detail = serializers.CharField(help_text="The advice in words.")
    parameter = serializers.CharField(
        allow_null=True, help_text="The parameter that it is about, if it is about one."
    )
