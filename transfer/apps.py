"""The Django app `transfer`: export, import, clone, adoption."""

from django.apps import AppConfig

from tuner_project import extensions


class TransferConfig(AppConfig):
    """Register with the frame what this app adds to it."""

    name = "transfer"

    def ready(self) -> None:
        from transfer.api import openapi

        # Before those of studies, which would match `import` as a study's name.
        extensions.register_api_urls("transfer.api.urls", first=True)
        extensions.register_large_body("POST /api/v1/studies/import", "MAX_IMPORT_BYTES")
        extensions.register_openapi_links(openapi.LINKS)
