from django.apps import AppConfig


class TrialsConfig(AppConfig):
    name = "trials"

    def ready(self) -> None:
        from trials import receivers  # noqa: F401  (connect the signals)
