"""Export studies into a file for `import_study`."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.models import NamedStudy, Study
from transfer.domain.exporting import lines_of_studies
from transfer.management.progress_bar import with_bar
from tuner_project.errors import DomainError


class Command(BaseCommand):
    """Export studies, and write the lines to a file or the standard output."""

    help = "Exports studies with their trials as JSON Lines; each study is a consistent snapshot."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="The name of a study.")
        parser.add_argument("--all", action="store_true", help="Export all studies, oldest first.")
        parser.add_argument("--output", metavar="FILE", help="Default: the standard output.")
        parser.add_argument(
            "--progress",
            action="store_true",
            help="Show a progress bar even if stderr is not a terminal.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names: list[str] = options["names"]
        if bool(names) == options["all"]:
            raise CommandError("give the names of studies, or --all")
        if options["all"]:
            names = list(Study.objects.order_by("id").values_list("name", flat=True))
        try:
            total = sum(NamedStudy(name).one().n_trials + 2 for name in names)
            with closing(lines_of_studies(names)) as lines:
                shown = with_bar(lines, total=total, in_bytes=False, is_wanted=options["progress"])
                self._write(shown, options["output"])
        except (DomainError, OSError) as error:
            raise CommandError(str(error), returncode=1) from None

    def _write(self, lines: Iterator[bytes], path: str | None) -> None:
        if path is None:
            for line in lines:
                self.stdout.write(line.decode(), ending="")
        elif Path(path).exists() and not Path(path).is_file():  # a pipe, or a device
            with Path(path).open("wb") as file:
                file.writelines(lines)
        else:
            _replace(Path(path).resolve(), lines)


def _replace(path: Path, lines: Iterator[bytes]) -> None:
    """Write a file atomically: it gets its name only once it is complete."""
    mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
    part = NamedTemporaryFile(dir=path.parent, prefix=f"{path.name[:100]}.", delete=False)  # noqa: SIM115
    try:
        with part as file:
            file.writelines(lines)
        Path(part.name).chmod(mode)
        Path(part.name).replace(path)
    except BaseException:
        Path(part.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    umask = os.umask(0)
    os.umask(umask)
    return umask
