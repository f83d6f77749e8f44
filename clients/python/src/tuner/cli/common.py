"""What the commands share: their connection, their arguments, how they print."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from tuner._sync.client import Client
from tuner._sync.study import Study
from tuner._wire.requests import study_path
from tuner.errors import TunerError

DEADLINE_SECONDS = 15.0  # a person waits for the answer

Commands = Any  # the type of argparse's `add_subparsers` is private
Run = Callable[[argparse.Namespace], int]


class UsageError(TunerError):
    """A command was called in a wrong way."""


def add_command(
    commands: Commands,
    common: argparse.ArgumentParser,
    name: str,
    run: Run,
    what: str,
    *,
    of_study: bool = True,
) -> argparse.ArgumentParser:
    """Add a command, with its study as the first argument, and return its parser.

    Args:
        commands: to which it is added.
        common: the options of every command.
        name: of the command.
        run: called with the parsed arguments; returns the exit code.
        what: the command does, in a sentence.
        of_study: whether its first argument is a study.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=what, parents=[common]
    )
    parser.set_defaults(run=run)
    if of_study:
        parser.add_argument("study", metavar="STUDY", type=_study_name, help="name of the study")
    return parser


def add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Add the option `--format`; the first one is the default."""
    parser.add_argument("--format", choices=formats, default=formats[0])


def open_client(options: argparse.Namespace, **settings: Any) -> Client:
    """Return the client for the options."""
    return Client(options.url, **{"deadline": DEADLINE_SECONDS, **settings})


@contextmanager
def open_study(options: argparse.Namespace, **settings: Any) -> Iterator[Study]:
    """Open the study for the options."""
    with open_client(options, **settings) as client:
        yield client.get_study(options.study)


def say(*lines: str) -> None:
    """Print lines."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def print_json(value: Any) -> None:
    """Print an answer of the service, or a list of them, as JSON."""
    say(json.dumps(to_plain(value), indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; None is an empty cell."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        pairs = zip(row, widths, strict=True)
        say("  ".join(cell.ljust(width) for cell, width in pairs).rstrip())


def to_plain(value: Any) -> Any:
    """Return an answer as what JSON and YAML have; what is None is left out of an answer."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: to_plain(each) for name, each in pairs if each is not None}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())  # a text of several lines would break the table


def _study_name(text: str) -> str:
    try:
        study_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text
