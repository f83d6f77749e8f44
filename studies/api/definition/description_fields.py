"""Serializer fields of what describes a study for people: tags and a note."""

from typing import Any

from rest_framework import serializers

from studies.domain.tags import MAX_NOTE, MAX_TAG, MAX_TAGS, normalized_tag, normalized_tags
from tuner_project.rest.serializers import StrictCharField


class TagsField(serializers.ListField):
    """Tags; repeated ones count once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=StrictCharField(max_length=4 * MAX_TAG),  # shorter when it is normalized
            required=False,
            max_length=MAX_TAGS,
            help_text=f"At most {MAX_TAGS} words of up to {MAX_TAG} characters, by which studies "
            "are found. They are stored in lower case and sorted. They and the note are no part of "
            "the definition: an existing study is loaded whatever they are, and keeps its own.",
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            return normalized_tags(super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class NoteField(StrictCharField):
    """A note in Markdown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            allow_blank=True,
            max_length=MAX_NOTE,
            help_text="A note for people, in Markdown, which the admin shows.",
            **kwargs,
        )


class QueryTagsField(serializers.ListField):
    """Tags in a query, in any case, each of which a study must have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=StrictCharField(max_length=4 * MAX_TAG),
            required=False,
            max_length=MAX_TAGS,
            help_text="Only studies with this tag; repeated: with all of these.",
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            return [normalized_tag(text) for text in super().to_internal_value(data)]
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None
