"""Django's own command, for one process at a time."""

from typing import Any

from django.core.management.commands import migrate

from tuner_project.db.database import only_one

LOCK = 0x74756E6572_00  # "tuner"


class Command(migrate.Command):
    """Migrates under a lock."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; others that want to meanwhile wait, and then find nothing to do."""
        with only_one(LOCK):
            super().handle(*args, **options)
