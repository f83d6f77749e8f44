"""The wire's shapes of answers about a study."""

from typing import Any

from rest_framework import serializers

from analysis.importance import EVALUATORS
from studies.serializers import ValueField
from tuner_project.rest.numbers import NumberField
from tuner_project.rest.serializers import QueryIntegerField, StrictSerializer


class BestSerializer(serializers.Serializer[Any]):
    """The best trial."""

    params = serializers.DictField()
    value = ValueField()
    trial_id = serializers.IntegerField()


class ParetoTrialSerializer(serializers.Serializer[Any]):
    """A trial on the Pareto front."""

    trial_id = serializers.IntegerField(source="number")
    values = serializers.ListField(child=NumberField(allow_null=True))
    params = serializers.DictField()


class ImportanceQuerySerializer(StrictSerializer):
    target_idx = QueryIntegerField(default=0, help_text="The objective's index, from 0.")
    method = serializers.ChoiceField(
        choices=list(EVALUATORS), required=False, help_text="Left out: fanova where it can be."
    )


class ImportanceSerializer(serializers.Serializer[Any]):
    """How much each parameter matters, most important first; the shares sum to 1."""

    importances = serializers.DictField(child=serializers.FloatField())
    method = serializers.ChoiceField(choices=list(EVALUATORS))
