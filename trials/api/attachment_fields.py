"""Serializer fields and parsers of what is attached to trials: notes, links, logs."""

from collections.abc import Mapping
from typing import IO, Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser

from trials.domain.attachments.change_trial import MAX_NOTE
from trials.domain.attachments.links import MAX_LINKS, MAX_NAME, MAX_URL, link_fault
from tuner_project.rest.serializers import StrictCharField

_URL_OR_NULL = {"type": "string", "format": "uri", "maxLength": MAX_URL, "nullable": True}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class NoteField(StrictCharField):
    """A note on a trial, as free text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"required": False, "max_length": MAX_NOTE, "allow_blank": True}, **kwargs
        )


@extend_schema_field({"type": "object", "additionalProperties": _URL_OR_NULL})
class LinksField(serializers.Field[Any, Any, Any, Any]):
    """URLs by name; null stands for a link that is removed.

    Args:
        takes_null: Whether a URL may be null.
    """

    def __init__(self, *, takes_null: bool = True, **kwargs: Any) -> None:
        self.takes_null = takes_null
        super().__init__(required=False, **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, str | None]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, not {data!r:.80}")
        # As many may be removed as are added.
        if len(data) > (2 * MAX_LINKS if self.takes_null else MAX_LINKS):
            text = f"expected at most {MAX_LINKS} links, not {len(data)}"
            raise serializers.ValidationError(text)
        faults = {
            name: [fault]
            for name, url in data.items()
            if (fault := self._fault(name, url)) is not None
        }
        if faults:
            raise serializers.ValidationError(faults)
        return data

    def _fault(self, name: str, url: Any) -> str | None:
        if url is None and self.takes_null:
            return (
                None
                if len(name) <= MAX_NAME
                else f"a link's name has at most {MAX_NAME} characters"
            )
        if not isinstance(url, str):
            return f"expected a text, not {url!r:.80}"
        return link_fault(name, url)

    def to_representation(self, value: Any) -> Any:
        return value


class PlainTextParser(BaseParser):
    """Parse a text in UTF-8; what cannot be decoded or stored is replaced by U+FFFD.

    A log is for people: one stray byte in it is no reason to refuse it.
    """

    media_type = "text/plain"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        return {
            "text": stream.read()
            .decode("utf-8", "replace")
            .replace("\0", "\N{REPLACEMENT CHARACTER}")
        }
