"""The Django app `analysis`."""

from django.apps import AppConfig

from tuner_project import extensions


class AnalysisConfig(AppConfig):
    """Register with the frame what this app adds to it; the app has no models or signals."""

    name = "analysis"

    def ready(self) -> None:
        from analysis.api import openapi

        extensions.register_api_urls("analysis.api.urls", first=True)
        extensions.register_openapi_links(openapi.LINKS)
        extensions.register_problem_members(**openapi.PROBLEM_MEMBERS)
