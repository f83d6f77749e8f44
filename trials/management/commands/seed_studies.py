"""Create studies from a file, from a preset, or for a demonstration."""

from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rest_framework.exceptions import ValidationError

from studies.domain import create_study
from studies.models import Study
from studies.presets import preset_names, preset_search_space
from studies.serializers import CreateStudySerializer
from trials.demo import DEMOS, seed_demo
from tuner_project.rest.errors import DomainError, pointed


class Command(BaseCommand):
    help = "Creates studies; those that exist are left as they are, so that twice is as once."

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument(
            "file", nargs="?", help="YAML or JSON: a list of bodies of POST /studies."
        )
        group.add_argument("--demo", action="store_true", help="A handful of played studies.")
        group.add_argument("--preset", choices=preset_names(), help="A ready-made search space.")
        parser.add_argument("--name", help="The name of the preset's study.")
        parser.add_argument(
            "--direction", nargs="+", metavar="D", help="maximize or minimize, one an objective."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["demo"]:
            for demo in DEMOS:
                self._report(*seed_demo(demo))
            return
        bodies = [self._preset_body(options)] if options["preset"] else _read(options["file"])
        with transaction.atomic():  # all or nothing
            studies = [_created(position, body) for position, body in enumerate(bodies)]
        for study, is_new in studies:
            self._report(study, is_new)

    def _preset_body(self, options: dict[str, Any]) -> dict[str, Any]:
        if not options["name"]:
            raise CommandError("--preset needs --name, the name of the study")
        directions = options["direction"]
        body = {"name": options["name"], "search_space": preset_search_space(options["preset"])}
        if directions:
            body["direction"] = directions[0] if len(directions) == 1 else directions
        return body

    def _report(self, study: Study, is_new: bool) -> None:
        what = f"created, {study.n_trials} trials" if is_new else "exists, left as it is"
        self.stdout.write(f'study "{study.name}": {what}')


def _read(path: str) -> list[Any]:
    try:
        bodies = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    if not isinstance(bodies, list):
        raise CommandError(f"{path} must hold a list of studies, each a body of POST /studies")
    return bodies


def _created(position: int, body: Any) -> tuple[Study, bool]:
    serializer = CreateStudySerializer(data=body)
    try:
        serializer.is_valid(raise_exception=True)
        return create_study(**serializer.validated_data)
    except ValidationError as error:
        pointer, detail = next(pointed(error.detail))
        raise CommandError(f"study {position} of the file: {pointer}: {detail}") from None
    except DomainError as error:
        raise CommandError(f"study {position} of the file: {error.detail}") from None
