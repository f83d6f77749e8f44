"""Django's `migrate`, run by one process at a time."""

from typing import Any

from django.core.management.commands import migrate

from tuner_project.db.database import only_one

LOCK = 0x74756E6572_00  # "tuner"


class Command(migrate.Command):
    """Django's `migrate` under a lock."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; other processes that migrate wait, and then have nothing left to do."""
        with only_one(LOCK):
            super().handle(*args, **options)
