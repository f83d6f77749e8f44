"""The Django app of the analyses."""

from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    """Has neither models nor signals."""

    name = "analysis"
