"""`tuner create` and `tuner studies`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner._wire.requests import present
from tuner.cli.common import (
    Commands,
    UsageError,
    add_command,
    add_format,
    open_client,
    print_json,
    print_table,
    say,
)
from tuner.cli.yaml_files import read_yaml


def add_to(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the commands."""
    what = "Create a study, or load it if it exists with the same definition."
    create_parser = add_command(commands, common, "create", create, what, of_study=False)
    create_parser.add_argument(
        "file", metavar="FILE.yaml", type=Path,
        help="the keys of the API's createStudy; also `space`, a mapping from names to parameters",
    )  # fmt: skip
    create_parser.add_argument("--name", help="of the study, instead of the file's")
    create_parser.add_argument(
        "--tag", action="append", help="besides the file's tags; may be repeated"
    )

    what = "List the studies, the newest first."
    studies_parser = add_command(commands, common, "studies", studies, what, of_study=False)
    studies_parser.add_argument("--state", help="only those in this state, such as ACTIVE")
    studies_parser.add_argument(
        "--tag", action="append", help="only those with this tag; repeated: with all of them"
    )
    studies_parser.add_argument("--limit", type=int, help="the first ones only")
    add_format(studies_parser, "table", "json")


def create(options: argparse.Namespace) -> int:
    """Create a study."""
    definition = read_definition(options.file)
    if options.name is not None:
        definition["name"] = options.name
    if options.tag:
        definition["tags"] = [*(definition.get("tags") or []), *options.tag]
    if not isinstance(definition.get("name"), str):
        raise UsageError(f"{options.file}: the name is missing: expected the key name, or --name")
    try:
        with open_client(options) as client:
            study = client.create_study(**definition)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{options.file}: {error}") from error
    say(f"{study.name}: {study.info.state}, {study.info.n_trials} trials, {study.url}")
    return 0


def read_definition(path: Path) -> dict[str, Any]:
    """Return the keys of a study from a file."""
    definition = read_yaml(path)
    if not isinstance(definition, dict) or not all(isinstance(key, str) for key in definition):
        raise UsageError(f"{path}: expected a mapping with the keys name, space, direction, …")
    if "space" in definition:
        if "search_space" in definition:
            raise UsageError(f"{path}: expected either space or search_space, not both")
        definition["search_space"] = _as_list(definition.pop("space"), path)
    if "search_space" not in definition:
        raise UsageError(f"{path}: the search space is missing: expected the key space")
    return definition


def _as_list(space: Any, path: Path) -> list[dict[str, Any]]:
    if not isinstance(space, dict) or not all(isinstance(each, Mapping) for each in space.values()):
        raise UsageError(
            f"{path}: space: expected a mapping from names to parameters, such as "
            "lr: {type: float, low: 1e-5, high: 0.1, log: true}"
        )
    return [{"name": name, **parameter} for name, parameter in space.items()]


def studies(options: argparse.Namespace) -> int:
    """List the studies."""
    query = present(state=options.state, tag=options.tag, limit=options.limit)
    with open_client(options) as client:
        found = client.studies(**query)
    if options.format == "json":
        print_json(found)
        return 0
    print_table(
        ["study", "state", "trials", "best value", "sampler", "created", "tags"],
        [
            (
                info.study_name, info.state, info.n_trials, info.best_value, info.sampler,
                f"{info.datetime_start.astimezone():%Y-%m-%d %H:%M}", ", ".join(info.tags or []),
            )
            for info in found
        ],
    )  # fmt: skip
    return 0
