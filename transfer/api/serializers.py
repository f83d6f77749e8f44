"""Request and response bodies of export, import and clone."""

from typing import Any

from rest_framework import serializers

from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.definition.description_fields import NoteField, TagsField
from studies.api.definition.fields import NameField, PrunerOptionsField, SamplerOptionsField
from studies.api.definition.life_serializers import LifeSerializer
from studies.api.definition.parameter_serializers import ParameterField
from studies.api.request_serializers import (
    MAX_PARAMETERS,
    DefinitionSerializer,
    MetricNamesField,
    ParameterConstraintsField,
)
from studies.api.serializers import StudySerializer
from studies.enums import Duplicates
from transfer.domain.importing import Conflict, Result
from trials.api.fields import MAX_STEP
from tuner_project.rest.serializers import (
    AttributesField,
    QueryBooleanField,
    StrictBooleanField,
    StrictIntegerField,
    StrictSerializer,
    UserAttributesField,
)


class ImportQuerySerializer(StrictSerializer):
    """Query of an import."""

    conflict = serializers.ChoiceField(
        choices=Conflict.choices,
        default=Conflict.FAIL,
        help_text="What to do with a study whose name exists already.",
    )
    dry_run = QueryBooleanField(default=False, help_text="Check everything, but store nothing.")


class ImportedSerializer(serializers.Serializer[Any]):
    """What happened to one study of the file."""

    study_name = serializers.CharField()
    imported_as = serializers.CharField(
        allow_null=True, help_text="The name of the stored study; null if it was skipped."
    )
    outcome = serializers.ChoiceField(choices=Result.choices)
    n_trials = serializers.IntegerField()
    dropped_attributes = serializers.DictField(
        source="dropped.counts",
        child=serializers.IntegerField(),
        required=False,
        help_text="Only if there are any: the system attributes that are not allowed and were left "
        "out, counted by the beginning of their keys.",
    )

    def to_representation(self, imported: Any) -> dict[str, Any]:
        answer = super().to_representation(imported)
        if not imported.dropped:
            del answer["dropped_attributes"]
        return answer


class ImportSerializer(serializers.Serializer[Any]):
    """What happened to the studies of the file, in their order."""

    dry_run = serializers.BooleanField()
    studies = ImportedSerializer(many=True)


class CloneStudySerializer(LifeSerializer):
    """The differences between the clone and its source; null removes a budget."""

    name = NameField(help_text="The name of the new study.")
    search_space = serializers.ListField(
        child=ParameterField(), required=False, min_length=1, max_length=MAX_PARAMETERS
    )
    sampler = serializers.ChoiceField(choices=list(SAMPLERS), required=False)
    sampler_options = SamplerOptionsField(
        required=False,
        help_text="Options that differ from the study's, or from the defaults of another sampler.",
    )
    pruner = serializers.ChoiceField(choices=list(PRUNERS), required=False)
    pruner_options = PrunerOptionsField(
        required=False,
        help_text="Options that differ from the study's, or from the defaults of another pruner.",
    )
    parameter_constraints = ParameterConstraintsField()
    duplicates = serializers.ChoiceField(choices=Duplicates.choices, required=False)
    user_attrs = UserAttributesField(required=False)
    tags = TagsField()
    note = NoteField()
    metric_names = MetricNamesField(allow_null=True)
    trials = StrictBooleanField(
        required=False,
        help_text="Keep the trials that fit the search space. Default: true.",
    )
    defaults = AttributesField(
        required=False,
        help_text="Values of parameters for the finished trials that lack them, by name: a trial "
        "that lacks a new parameter is left out otherwise.",
    )
    exclude = serializers.ListField(
        child=StrictIntegerField(min_value=0, max_value=MAX_STEP),
        required=False,
        help_text="The numbers of trials that are left out.",
    )

    validate_search_space = DefinitionSerializer.validate_search_space

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": attrs.pop("name"),
            "with_trials": attrs.pop("trials", True),
            "defaults": attrs.pop("defaults", {}),
            "exclude": attrs.pop("exclude", []),
            "changes": attrs,
        }


class ClonedStudySerializer(StudySerializer):
    """The new study."""

    n_trials_kept = serializers.IntegerField(
        help_text="The number of the source's trials that the clone has."
    )
    n_trials_left_out = serializers.IntegerField(
        help_text="The number of the source's trials that the clone does not have."
    )

    def to_representation(self, clone: Any) -> dict[str, Any]:
        kept = {"n_trials_kept": clone.n_kept, "n_trials_left_out": clone.n_left_out}
        return StudySerializer().to_representation(clone.study) | kept
