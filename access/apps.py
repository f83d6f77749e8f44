"""The Django app `access`: tokens, scopes, rate limits, audit log."""

from django.apps import AppConfig

from tuner_project import extensions


class AccessConfig(AppConfig):
    """Register with the frame what this app adds to it."""

    name = "access"

    def ready(self) -> None:
        from access.api import openapi  # noqa: F401  (register themselves)
        from access.domain import cleanup

        extensions.register_cleanup_job(cleanup.delete_dead_tokens)
        extensions.register_cleanup_job(cleanup.delete_past_rates)
        extensions.register_cleanup_job(cleanup.delete_old_entries)
