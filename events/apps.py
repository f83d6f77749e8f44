"""The Django app `events`."""

from django.apps import AppConfig

from tuner_project import extensions


class EventsConfig(AppConfig):
    """Connect the signals, and register with the frame what this app adds to it."""

    name = "events"

    def ready(self) -> None:
        from events import receivers  # noqa: F401  (connect the signals)
        from events.api import openapi
        from events.domain import cleanup
        from events.enums import EventType, WebhookFormat

        extensions.register_api_urls("events.api.urls")
        extensions.register_openapi_links(openapi.LINKS)
        extensions.register_openapi_enums(EventType=EventType, WebhookFormat=WebhookFormat)
        extensions.register_metrics("events.metrics")
        extensions.register_cleanup_job(cleanup.delete_old_events)
        extensions.register_cleanup_job(cleanup.delete_old_pings)
        extensions.register_background_command("deliver_events", every=2)
