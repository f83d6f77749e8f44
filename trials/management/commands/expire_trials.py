"""Fail the trials whose leases have expired."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from trials.domain import expire_trials
from tuner_project.db.database import release_connection
from tuner_project.repetition import add_parent_argument, stop_event


class Command(BaseCommand):
    """Fail the trials whose leases have expired, once or repeatedly, and print them."""

    help = (
        "Fails the trials whose leases have expired, queues them again if max_retries allows, and "
        "completes the studies whose deadlines have passed. The next ask of a study does the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every",
            type=float,
            metavar="SECONDS",
            help="Repeat, with this pause in between. Default: run once.",
        )
        add_parent_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        pause: float | None = options["every"]
        if pause is None:
            self._expire()
            return
        if not 0 < pause <= 86_400:
            raise CommandError("--every: expected seconds above 0, at most 86400")
        stopping = stop_event(options["parent"])
        while not stopping.is_set():
            try:
                self._expire()
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"the database cannot be reached, trying again: {error}")
            release_connection()
            stopping.wait(pause)

    def _expire(self) -> None:
        for trial in expire_trials():
            then = "" if trial.retried_as is None else f", tried again as trial {trial.retried_as}"
            self.stdout.write(f'study "{trial.study.name}": trial {trial.number} expired{then}')
