"""The response body of the comparison of studies."""

from typing import Any

from rest_framework import serializers

from analysis.comparison.differences import KINDS
from studies.api.definition.fields import ValueField
from studies.api.serializers import TrialCountsSerializer
from studies.enums import StudyState
from tuner_project.rest.base_serializers import AnswerSerializer
from tuner_project.rest.numbers import NumberField, finite


class PointsField(serializers.ListField):
    """Pairs of numbers as objects with two keys."""

    def __init__(self, *keys: str, **kwargs: Any) -> None:
        self.keys = keys
        super().__init__(child=serializers.DictField(child=NumberField(allow_null=True)), **kwargs)

    def to_representation(self, points: Any) -> Any:
        return [dict(zip(self.keys, map(finite, point), strict=True)) for point in points]


class ComparedBestSerializer(AnswerSerializer):
    """The best trial; of several objectives, the first of the Pareto front by number."""

    trial_id = serializers.IntegerField()
    value = ValueField()
    params = serializers.DictField()


class ReachedSerializer(AnswerSerializer):
    """When a study was as good as the target; null if never."""

    n_trials = serializers.IntegerField(
        allow_null=True, help_text="The number of trials that the study had begun."
    )
    seconds = NumberField(
        allow_null=True, help_text="Since the study's first trial started, by the wall clock."
    )


class ComparedStudySerializer(AnswerSerializer):
    """One of the compared studies."""

    study_id = serializers.IntegerField(source="study.id")
    study_name = serializers.CharField(source="study.name")
    state = serializers.ChoiceField(source="study.state", choices=StudyState.choices)
    n_trials = serializers.IntegerField(source="study.n_trials")
    trial_counts = TrialCountsSerializer(source="study.trial_counts")
    n_results = serializers.IntegerField(help_text="Completed trials, or groups of repeats.")
    is_subsampled = serializers.BooleanField(
        source="curves.is_subsampled",
        help_text="Whether the hypervolume was computed from some of the results only.",
    )
    best = ComparedBestSerializer(allow_null=True)
    value = NumberField(
        source="final", allow_null=True, help_text="The best value, or the hypervolume."
    )
    reached = ReachedSerializer(allow_null=True)
    best_over_trials = PointsField(
        "n_trials",
        "value",
        source="curves.over_trials.points",
        help_text="The best value after a number of trials: each change, and the end.",
    )
    best_over_time = PointsField(
        "seconds",
        "value",
        source="curves.over_time.points",
        help_text="The best value by the seconds since the first trial started.",
    )
    edf = PointsField(
        "value",
        "share",
        source="curves.edf",
        help_text="Values, and the share of the feasible results up to each (the empirical "
        "distribution function); empty for the hypervolume.",
    )


class SettingRowSerializer(AnswerSerializer):
    """A setting of each study."""

    kind = serializers.ChoiceField(choices=list(KINDS))
    name = serializers.CharField()
    values = serializers.ListField(
        child=serializers.CharField(allow_null=True),
        help_text="The value in each study, as JSON of at most 300 characters; null without one.",
    )
    differs = serializers.BooleanField()


class GroupSerializer(AnswerSerializer):
    """Studies with the same definition but for the seed."""

    studies = serializers.ListField(
        child=serializers.IntegerField(), help_text="Their positions in `studies`."
    )
    n = serializers.IntegerField(help_text="The studies that have a value.")
    mean = NumberField(allow_null=True)
    median = NumberField(allow_null=True)


class GroupTestSerializer(AnswerSerializer):
    """An exact two-sided Mann-Whitney U test of the values of two groups."""

    groups = serializers.ListField(
        child=serializers.IntegerField(), help_text="The positions of the two in `groups`."
    )
    n = serializers.ListField(child=serializers.IntegerField())
    p_value = NumberField(allow_null=True, help_text="null if it cannot be computed.")
    is_significant = serializers.BooleanField(help_text="Whether p is below 0.05.")
    detail = serializers.CharField(help_text="The result in words.")


class ComparisonSerializer(AnswerSerializer):
    """Studies side by side."""

    headline = serializers.CharField(help_text="Which study is better, in words.")
    metric = serializers.CharField(help_text="The objective's name, or `hypervolume`.")
    direction = serializers.CharField(
        help_text="`minimize` or `maximize`: which values of the metric are better."
    )
    reference_point = serializers.ListField(
        child=NumberField(allow_null=True), allow_null=True, help_text="Of the hypervolume."
    )
    target = NumberField(allow_null=True, help_text="The value that `reached` is about.")
    studies = ComparedStudySerializer(many=True)
    settings = SettingRowSerializer(
        source="settings.rows",
        many=True,
        help_text="Definition, options, search space, budgets, best parameters and user "
        "attributes: at most 500 rows.",
    )
    n_settings = serializers.IntegerField(source="settings.n_rows")
    n_differing = serializers.IntegerField(source="settings.n_differing")
    groups = GroupSerializer(many=True)
    tests = GroupTestSerializer(many=True, help_text="Of each two groups with several studies.")
    significance = serializers.CharField(help_text="What the tests say, in words.")
