"""Import the studies of a file or of a stock Optuna storage."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.actors import Actor
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from transfer.domain.import_storage import import_storage
from transfer.domain.importing import Conflict, Imported, import_studies
from transfer.file.reading import lines_of
from transfer.management.progress_bar import with_bar
from transfer.optuna_source.lines import Kinds
from transfer.optuna_source.optuna_mapping import AdoptionRefused
from tuner_project.errors import DomainError


class Command(BaseCommand):
    """Import studies, and print the outcome for each."""

    help = "Imports studies with their trials, all or none."

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "file", nargs="?", help="A file of export_study; - is the standard input."
        )
        source.add_argument(
            "--storage", metavar="URL", help="An Optuna storage's URL, or a journal file's path."
        )
        parser.add_argument(
            "--study-name", metavar="NAME", help="A study of --storage. Default: all studies."
        )
        parser.add_argument(
            "--sampler", choices=list(SAMPLERS), help="The sampler for the studies of --storage."
        )
        parser.add_argument(
            "--pruner", choices=list(PRUNERS), help="The pruner for the studies of --storage."
        )
        parser.add_argument("--conflict", choices=Conflict.values, default=Conflict.FAIL.value)
        parser.add_argument(
            "--dry-run", action="store_true", help="Check everything, but store nothing."
        )
        parser.add_argument(
            "--progress",
            action="store_true",
            help="Show a progress bar even if stderr is not a terminal.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["file"]
        if path is not None and (options["study_name"] or options["sampler"] or options["pruner"]):
            raise CommandError("--study-name, --sampler and --pruner are only for --storage")
        how = {
            "actor": Actor.command(),
            "conflict": Conflict(options["conflict"]),
            "dry_run": options["dry_run"],
        }
        shown = partial(with_bar, is_wanted=options["progress"])
        try:
            imported = (
                _from_storage(options, how, shown) if path is None else _from_file(path, how, shown)
            )
        except (DomainError, AdoptionRefused, OSError) as error:
            raise CommandError(str(error), returncode=1) from None
        for each in imported:
            self.stdout.write(str(each))
        if options["dry_run"]:
            self.stdout.write("a dry run: nothing was stored")


def _from_storage(
    options: dict[str, Any], how: dict[str, Any], shown: "partial[Iterator[bytes]]"
) -> list[Imported]:
    return import_storage(
        url=options["storage"],
        name=options["study_name"],
        kinds=Kinds(options["sampler"], options["pruner"]),
        shown=partial(shown, total=None, in_bytes=False),
        **how,
    )


def _from_file(path: str, how: dict[str, Any], shown: "partial[Iterator[bytes]]") -> list[Imported]:
    if path == "-":
        lines = lines_of(sys.stdin.buffer)
        return import_studies(lines=shown(lines, total=None, in_bytes=True), **how)
    with Path(path).open("rb") as file:
        size = Path(path).stat().st_size
        return import_studies(lines=shown(lines_of(file), total=size, in_bytes=True), **how)
