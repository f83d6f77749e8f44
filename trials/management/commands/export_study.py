"""Write studies into a file that `import_study` reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.models import NamedStudy, Study
from trials.transfer.exporting import export_lines
from trials.transfer.progress import with_bar
from tuner_project.rest.errors import DomainError


class Command(BaseCommand):
    help = "Writes studies with their trials as JSON Lines, each as it is at one moment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="Of a study.")
        parser.add_argument("--all", action="store_true", help="All studies, oldest first.")
        parser.add_argument("--output", metavar="FILE", help="Else the standard output.")
        parser.add_argument(
            "--progress", action="store_true", help="A bar, also where stderr is no terminal."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names: list[str] = options["names"]
        if bool(names) == options["all"]:
            raise CommandError("give the names of studies, or --all")
        if options["all"]:
            names = list(Study.objects.order_by("id").values_list("name", flat=True))
        try:
            studies = [NamedStudy(name) for name in names]
            total = sum(named.one().n_trials + 2 for named in studies)
            lines = (line for named in studies for line in export_lines(named=named))
            shown = with_bar(lines, total=total, in_bytes=False, is_wanted=options["progress"])
            self._write(shown, options["output"])
        except (DomainError, OSError) as error:
            raise CommandError(str(error), returncode=1) from None

    def _write(self, lines: Iterator[bytes], path: str | None) -> None:
        if path is None:
            for line in lines:
                self.stdout.write(line.decode(), ending="")
            return
        part = Path(f"{path}.part")  # so that a file of this name is whole
        try:
            with part.open("wb") as file:
                file.writelines(lines)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
