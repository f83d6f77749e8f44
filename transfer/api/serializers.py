"""The wire's shapes of exports, imports and clones."""

from typing import Any

from rest_framework import serializers

from optuna_bridge.pruners import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from studies.api.serializers import (
    MAX_PARAMETERS,
    DefinitionSerializer,
    LifeSerializer,
    NameField,
    ParameterField,
    PrunerOptionsField,
    SamplerOptionsField,
    StudySerializer,
)
from studies.enums import Duplicates
from transfer.domain.importing import Conflict, Result
from tuner_project.rest.serializers import (
    QueryBooleanField,
    StrictBooleanField,
    StrictSerializer,
    UserAttributesField,
)


class ImportQuerySerializer(StrictSerializer):
    conflict = serializers.ChoiceField(
        choices=Conflict.choices,
        default=Conflict.FAIL,
        help_text="What becomes of a study whose name is taken.",
    )
    dry_run = QueryBooleanField(default=False, help_text="Check everything, and store nothing.")


class ImportedSerializer(serializers.Serializer[Any]):
    """What became of a study of the file."""

    study_name = serializers.CharField()
    imported_as = serializers.CharField(allow_null=True, help_text="null: it was skipped.")
    outcome = serializers.ChoiceField(choices=Result.choices)
    n_trials = serializers.IntegerField()


class ImportSerializer(serializers.Serializer[Any]):
    """What became of the studies of the file, in their order."""

    dry_run = serializers.BooleanField()
    studies = ImportedSerializer(many=True)


class CloneStudySerializer(LifeSerializer):
    """What is to be other than in the study that is cloned; null takes a budget away."""

    name = NameField(help_text="Of the new study.")
    search_space = serializers.ListField(
        child=ParameterField(), required=False, min_length=1, max_length=MAX_PARAMETERS
    )
    sampler = serializers.ChoiceField(choices=list(SAMPLERS), required=False)
    sampler_options = SamplerOptionsField(
        required=False, help_text="Over those of the study, or the defaults of another sampler."
    )
    pruner = serializers.ChoiceField(choices=list(PRUNERS), required=False)
    pruner_options = PrunerOptionsField(
        required=False, help_text="Over those of the study, or the defaults of another pruner."
    )
    duplicates = serializers.ChoiceField(choices=Duplicates.choices, required=False)
    user_attrs = UserAttributesField(required=False)
    trials = StrictBooleanField(
        required=False,
        help_text="Keep the COMPLETE and PRUNED trials that fit the search space; true.",
    )

    validate_search_space = DefinitionSerializer.validate_search_space

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name, with_trials = attrs.pop("name"), attrs.pop("trials", True)
        return {"name": name, "changes": attrs, "with_trials": with_trials}


class ClonedStudySerializer(StudySerializer):
    """The new study."""

    n_trials_kept = serializers.IntegerField(help_text="How many trials it has from the other.")
    n_trials_left_out = serializers.IntegerField(help_text="How many it has not.")

    def to_representation(self, clone: Any) -> dict[str, Any]:
        kept = {"n_trials_kept": clone.n_kept, "n_trials_left_out": clone.n_left_out}
        return StudySerializer().to_representation(clone.study) | kept
