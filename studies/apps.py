"""The Django app `studies`."""

from typing import Any

from django.apps import AppConfig

from tuner_project import extensions


class StudiesConfig(AppConfig):
    """Register with the frame what this app adds to it."""

    name = "studies"

    def ready(self) -> None:
        import optuna

        from optuna_bridge.samplers.registry import missing_samplers
        from studies import receivers  # noqa: F401  (connect the signals)
        from studies.api import openapi
        from studies.domain.defaults import check_defaults
        from studies.enums import StudyState, WarmStartMode

        extensions.register_api_urls("studies.api.urls")
        extensions.register_openapi_links(openapi.LINKS)
        extensions.register_openapi_hook(openapi.let_options_overlap)
        extensions.register_openapi_enums(StudyState=StudyState, WarmStartMode=WarmStartMode)
        extensions.register_problem_members(**openapi.PROBLEM_MEMBERS)
        extensions.register_readiness_check(_wrong_optuna_schema)
        extensions.register_optional_parts(missing_samplers)
        extensions.register_metrics("studies.metrics")

        check_defaults()
        # Send Optuna's messages through Django's logging.
        optuna.logging.disable_default_handler()
        optuna.logging.enable_propagation()
        optuna.logging.set_verbosity(optuna.logging.WARNING)


def _wrong_optuna_schema(cursor: Any) -> str | None:
    """Return why the revision of Optuna's tables is wrong, or None (a readiness check)."""
    from optuna_bridge.storage.schema import wrong_revision  # delays the import of SQLAlchemy

    return wrong_revision(cursor)
