"""The Django app of the analyses."""

from django.apps import AppConfig

from tuner_project import extensions


class AnalysisConfig(AppConfig):
    """Has neither models nor signals."""

    name = "analysis"

    def ready(self) -> None:
        from analysis.api import openapi

        extensions.register_api_urls("analysis.api.urls")
        extensions.register_openapi_links(openapi.LINKS)
        extensions.register_problem_members(**openapi.PROBLEM_MEMBERS)
