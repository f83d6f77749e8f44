"""Compare Django's rows with Optuna's, and repair the differences."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from access.actors import Actor
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study
from transfer.domain.adoption import AdoptionRefused, adopt
from trials.projection.consistency import (
    differences,
    repair,
    snapshot,
    studies_only_in_optuna,
)

SHOWN = 20  # differences per study


class Command(BaseCommand):
    """Compare both schemas, repair them or adopt a study, and print the differences."""

    help = "Compares Django's rows with Optuna's; exits with status 1 if they differ."

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            "--repair", action="store_true", help="Rebuild Optuna's rows from Django's."
        )
        group.add_argument(
            "--adopt", metavar="NAME", help="Adopt a study that exists only in Optuna's schema."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["adopt"]:
            self._adopt(options["adopt"])
            return
        differing = self._check()
        if options["repair"] and differing:
            for study in differing:
                self._repair(study)
            differing = self._check()
        strangers = studies_only_in_optuna()
        for name in strangers:
            self.stdout.write(f'study "{name}": only in Optuna\'s schema; adopt it with --adopt')
        if differing or strangers:
            raise CommandError("the schemas differ", returncode=1)
        self.stdout.write(f"{Study.objects.count()} studies: no difference")

    def _check(self) -> list[Study]:
        differing = []
        with snapshot():
            for study in Study.objects.order_by("id"):
                found = list(differences(study))
                for difference in found[:SHOWN]:
                    self.stdout.write(str(difference))
                if found[SHOWN:]:
                    self.stdout.write(f'study "{study.name}": and {len(found) - SHOWN} more')
                if found:
                    differing.append(study)
        return differing

    def _repair(self, study: Study) -> None:
        try:
            repair(named=NamedStudy(study.name))
        except StudyNotFound:
            return  # deleted meanwhile
        except IntegrityError:
            self.stdout.write(f'study "{study.name}": another one in Optuna\'s schema has its name')
            return
        self.stdout.write(f'study "{study.name}": rebuilt in Optuna\'s schema')

    def _adopt(self, name: str) -> None:
        try:
            adopted = adopt(actor=Actor.command(), name=name)
        except AdoptionRefused as error:
            raise CommandError(str(error), returncode=1) from None
        study, dropped = adopted.study, f"; {adopted.dropped}" if adopted.dropped else ""
        self.stdout.write(f'study "{study.name}": adopted with {study.n_trials} trials{dropped}')
