"""The path converter of studies' names."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class StudyNameConverter(StringConverter):
    """A study's name: anything but a slash; PostgreSQL has no NUL."""

    regex = r"[^/\x00]+"


register_converter(StudyNameConverter, "study_name")
