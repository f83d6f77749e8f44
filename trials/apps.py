from django.apps import AppConfig


class TrialsConfig(AppConfig):
    name = "trials"

    def ready(self) -> None:
        from trials import receivers  # noqa: F401  (connect the signals)
        from trials.domain import auditing  # noqa: F401  (connect the signals)
