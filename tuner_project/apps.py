from django.apps import AppConfig
from django.conf import settings

from tuner_project.db.pool import PoolConnection


class TunerProjectConfig(AppConfig):
    name = "tuner_project"

    def ready(self) -> None:
        from tuner_project.security import checks  # noqa: F401  (registers them)

        PoolConnection.has_sessions = not settings.DB_POOLER  # also in commands
