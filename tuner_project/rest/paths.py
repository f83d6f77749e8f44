"""Path converters."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class StudyNameConverter(StringConverter):
    """A study's name: anything but a slash; PostgreSQL has no NUL."""

    regex = r"[^/\x00]+"


class TrialNumberConverter:
    """A trial's number: at most 2^31 - 1, as the database's column."""

    regex = r"[0-9]{1,9}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(StudyNameConverter, "study_name")
register_converter(TrialNumberConverter, "trial_number")
