"""Create studies from a file, from a preset, or for a demonstration."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rest_framework.exceptions import ParseError, ValidationError

from access.actors import Actor
from studies.api.request_serializers import CreateStudySerializer
from studies.domain import create_study
from studies.domain.presets import preset_names, preset_search_space
from studies.models import Study
from trials.demo import DEMOS, seed_demo
from tuner_project.errors import DomainError
from tuner_project.rest.parsers import strict_json
from tuner_project.rest.problems import field_errors


class Command(BaseCommand):
    """Create the studies, and print them."""

    help = "Creates studies. Existing ones are left unchanged, so the command can be repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument(
            "file", nargs="?", help="A YAML or JSON file: a list of bodies of POST /studies."
        )
        group.add_argument("--demo", action="store_true", help="A few studies with trials.")
        group.add_argument("--preset", choices=preset_names(), help="A ready-made search space.")
        parser.add_argument("--name", help="The name of the study, for --preset.")
        parser.add_argument(
            "--direction",
            nargs="+",
            metavar="D",
            help="For --preset: maximize or minimize, one for each objective.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["demo"]:
                seeded = [seed_demo(demo, actor=Actor.command()) for demo in DEMOS]
            elif options["preset"]:
                seeded = [_created("the preset", _preset_body(options))]
            else:
                seeded = _created_from(options["file"])
        except DomainError as error:
            raise CommandError(error.detail) from None
        for study, is_new in seeded:
            what = f"created, {study.n_trials} trials" if is_new else "exists, left as it is"
            self.stdout.write(f'study "{study.name}": {what}')


class Loader(yaml.SafeLoader):
    """A YAML loader that also accepts JSON's numbers: in YAML 1.1, 1e-05 is a string."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _preset_body(options: dict[str, Any]) -> dict[str, Any]:
    if not options["name"]:
        raise CommandError("--preset needs --name, the name of the study")
    directions = options["direction"]
    body = {"name": options["name"], "search_space": preset_search_space(options["preset"])}
    if directions:
        body["direction"] = directions[0] if len(directions) == 1 else directions
    return body


@transaction.atomic  # all or nothing
def _created_from(path: str) -> list[tuple[Study, bool]]:
    return [_created(f"study {n} of the file", body) for n, body in enumerate(_read(path))]


def _read(path: str) -> list[Any]:
    """Read the request bodies in a file, with the API's strict JSON parser."""
    try:
        text = Path(path).read_bytes()
        if not path.endswith(".json"):
            text = json.dumps(yaml.load(text, Loader)).encode()  # noqa: S506  (a SafeLoader)
        bodies = strict_json(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ParseError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    if not isinstance(bodies, list):
        raise CommandError(f"{path} must hold a list of studies, each a body of POST /studies")
    return bodies


def _created(what: str, body: Any) -> tuple[Study, bool]:
    serializer = CreateStudySerializer(data=body)
    try:
        serializer.is_valid(raise_exception=True)
        body = serializer.validated_data
        return create_study(
            actor=Actor.command(), definition=body["definition"], warm_start=body["warm_start"]
        )
    except ValidationError as error:
        first = next(field_errors(error.detail))
        raise CommandError(f"{what}: {first}") from None
    except DomainError as error:
        raise CommandError(f"{what}: {error.detail}") from None
