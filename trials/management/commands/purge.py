"""Delete expired rows, and studies that ended long ago."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.actors import Actor
from access.scopes import EVERY_STUDY
from trials.domain.cleanup import purge_studies
from tuner_project.cleanup import run_cleanup_jobs

MAX_DAYS = 36_500


class Command(BaseCommand):
    """Delete expired rows and, on request, old studies, and print what was deleted."""

    help = (
        "Deletes expired rows, such as sessions and tokens, and, if --studies-days is given, "
        "studies that ended at least so many days ago and have not changed since."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--studies-days",
            type=int,
            metavar="N",
            help="Also delete COMPLETED and CANCELLED studies that did not change for N days.",
        )
        parser.add_argument(
            "--studies",
            metavar="PATTERN",
            help="With --studies-days: only studies with such names, as in 'tmp-*'.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would be deleted; delete nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days, pattern, dry_run = (options[each] for each in ("studies_days", "studies", "dry_run"))
        if days is None and pattern is not None:
            raise CommandError("--studies needs --studies-days")
        if days is not None and not 0 <= days <= MAX_DAYS:
            raise CommandError(f"--studies-days: expected 0 to {MAX_DAYS}")
        verb = "would delete" if dry_run else "deleted"
        if days is not None:
            pattern = EVERY_STUDY if pattern is None else pattern
            purged = purge_studies(
                actor=Actor.command(), days=days, pattern=pattern, dry_run=dry_run
            )
            for study in purged:
                self.stdout.write(
                    f'{verb} study "{study.name}": {study.state}, {study.n_trials} trials'
                )
        for what, n in run_cleanup_jobs(dry_run=dry_run):
            self.stdout.write(f"{verb} {n} {what}")
