"""Import the studies of a file or of a stock Optuna storage."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.actors import Actor
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.samplers.registry import SAMPLERS
from transfer.domain.import_storage import FromStorage, StorageImport, import_storage
from transfer.domain.importing import Conflict, Imported, import_studies
from transfer.file.reading import lines_of
from transfer.management.progress_bar import with_bar
from transfer.optuna_source.lines import SourceOptions
from transfer.optuna_source.oddities import AdoptionRefused
from tuner_project.errors import DomainError

FAIL, KEEP = "fail", "keep"  # what becomes of RUNNING trials
SHOWN = 3  # refused studies that the error message names; the output lists all


class Command(BaseCommand):
    """Import studies, and print the outcome for each."""

    help = (
        "Imports studies with their trials: those of a file all or none, those of an Optuna "
        "storage as far as possible. Exits with status 1 if a study was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "file", nargs="?", help="A file of export_study; - is the standard input."
        )
        source.add_argument(
            "--storage", metavar="URL", help="An Optuna storage's URL, or a journal file's path."
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
        _add_storage_arguments(parser.add_argument_group("for --storage"))

    def handle(self, *args: Any, **options: Any) -> None:
        shown = partial(with_bar, is_wanted=options["progress"])
        try:
            if options["file"] is None:
                self._import_storage(options, shown)
            else:
                self._import_file(options, shown)
        except (DomainError, AdoptionRefused, OSError) as error:
            raise CommandError(str(error), returncode=1) from None

    def _import_file(self, options: dict[str, Any], shown: Any) -> None:
        if any(options[name] != default for name, default in _OF_STORAGE.items()):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in _OF_STORAGE)
            raise CommandError(f"{names} are only for --storage")
        self._print(_from_file(options, shown), options)

    def _import_storage(self, options: dict[str, Any], shown: Any) -> None:
        found = import_storage(
            actor=Actor.command(),
            request=_storage_import(options),
            shown=partial(shown, total=None, in_bytes=False),
        )
        refused = [each for each in found if each.refused]
        self._print(found, options)
        if refused:
            parts = [f'study "{each.study_name}": {each.refused}' for each in refused[:SHOWN]]
            if len(refused) > SHOWN:
                parts.append(f"and {len(refused) - SHOWN} more studies are refused")
            if options["atomic"]:
                parts.append("nothing was stored")
            raise CommandError("; ".join(parts), returncode=1)

    def _print(self, studies: Sequence[Imported | FromStorage], options: dict[str, Any]) -> None:
        for each in studies:
            self.stdout.write(str(each))
        if options["dry_run"]:
            self.stdout.write("a dry run: nothing was stored")


# The options for --storage, with their defaults.
_OF_STORAGE = {
    "study_name": None,
    "as": None,
    "sampler": None,
    "pruner": None,
    "running": FAIL,
    "timezone": None,
    "atomic": False,
}


def _add_storage_arguments(group: Any) -> None:
    group.add_argument("--study-name", metavar="NAME", help="One study. Default: all studies.")
    group.add_argument("--as", metavar="NAME", help="The name that this one study gets.")
    group.add_argument("--sampler", choices=list(SAMPLERS), help="The sampler of the studies.")
    group.add_argument("--pruner", choices=list(PRUNERS), help="The pruner of the studies.")
    group.add_argument(
        "--running",
        choices=[FAIL, KEEP],
        default=FAIL,
        help="What becomes of trials left RUNNING: they fail (default), or are kept.",
    )
    group.add_argument(
        "--timezone",
        metavar="ZONE",
        help="The time zone of the times that an Optuna before 5 stored, such as Europe/Berlin.",
    )
    group.add_argument(
        "--atomic", action="store_true", help="Store nothing if one study is refused."
    )


def _storage_import(options: dict[str, Any]) -> StorageImport:
    return StorageImport(
        url=options["storage"],
        study_name=options["study_name"],
        new_name=options["as"],
        time_zone=options["timezone"],
        options=SourceOptions(options["sampler"], options["pruner"], options["running"] == KEEP),
        conflict=Conflict(options["conflict"]),
        is_atomic=options["atomic"],
        dry_run=options["dry_run"],
    )


def _from_file(options: dict[str, Any], shown: Any) -> list[Imported]:
    how: dict[str, Any] = {
        "actor": Actor.command(),
        "conflict": Conflict(options["conflict"]),
        "dry_run": options["dry_run"],
    }
    path = options["file"]
    if path == "-":
        lines = lines_of(sys.stdin.buffer)
        return import_studies(lines=shown(lines, total=None, in_bytes=True), **how)
    with Path(path).open("rb") as file:
        size = Path(path).stat().st_size
        return import_studies(lines=shown(lines_of(file), total=size, in_bytes=True), **how)
