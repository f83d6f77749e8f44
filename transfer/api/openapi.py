"""Export, import and clone in the OpenAPI document."""

from studies.api.openapi import after_creation

LINKS = after_creation("cloneStudy", "exportStudy")
