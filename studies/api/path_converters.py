"""The path converter of study names."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class StudyNameConverter(StringConverter):
    """A study name: any text without slash and without NUL, which PostgreSQL cannot store."""

    regex = r"[^/\x00]+"


register_converter(StudyNameConverter, "study_name")
