from django.apps import AppConfig


class TunerProjectConfig(AppConfig):
    name = "tuner_project"

    def ready(self) -> None:
        from tuner_project import checks  # noqa: F401  (registers them)
