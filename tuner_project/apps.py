"""The Django app of the frame."""

from django.apps import AppConfig
from django.conf import settings

from tuner_project import extensions
from tuner_project.db.pool import PoolConnection


class TunerProjectConfig(AppConfig):
    """Register the frame's own checks and jobs."""

    name = "tuner_project"

    def ready(self) -> None:
        from tuner_project import cleanup
        from tuner_project.db.readiness import missing_migration
        from tuner_project.security import checks  # noqa: F401  (registers them)

        extensions.register_readiness_check(missing_migration)
        extensions.register_cleanup_job(cleanup.delete_expired_sessions)
        extensions.register_cleanup_job(cleanup.delete_old_logins)
        PoolConnection.has_sessions = not settings.DB_POOLER  # also in commands
        PoolConnection.is_preparing = settings.DB_PREPARED_STATEMENTS
